"""The usual forms that are made of a float32 file alone: the cured one needs its detector's tail too."""

from helpers.run.cured_forms import CURED
from helpers.run.variants import VARIANTS

ALONE = {name: form for name, form in VARIANTS.items() if name != CURED}
