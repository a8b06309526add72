"""Is what 02 made whole?"""

from pandas.io.formats.style import Styler

from helpers.quantize.stage import read_variant
from helpers.run.experiment import Run
from helpers.show.checks import require


def check_quantize(run: Run) -> Styler:
    """Every variant of every model has a record, and what is recorded as whole is what was promised."""
    checks = {}
    for model in run.models:
        for variant in run.variants:
            record = read_variant(run, model, variant.id)
            if record.failure:
                checks[f"{model.id}, {variant.id}: failed, and says why"] = True
                continue
            found = (record.values.facts.storage_dtype, record.values.facts.compute_dtype)
            promised = found if variant.own else (variant.storage_dtype, variant.compute_dtype)
            checks[f"{model.id}, {variant.id} stores {found[0]}, computes {found[1]}"] = found == promised
    return require(checks)
