"""The file of a trained form, simulated or deployable, of a float32 file and the trained codes."""

from collections.abc import Sequence
from pathlib import Path

from helpers.models.registry import Model
from helpers.quantize.records import MadeFile
from helpers.quantize.trained.int8_file import write_int8
from helpers.quantize.trained.trained_codes import require_codes, train_command
from helpers.quantize.trained.weight_file import write_trained
from helpers.run.forms import is_simulated
from helpers.run.variants import Variant


def make_trained(
    base: Path,
    model: Model,
    files: Sequence[Path],
    variant: Variant,
    float_operators: Sequence[str],
    output: Path,
) -> MadeFile | None:
    """Write the file; return what is recorded of a simulated one, None of one whose size is its own.

    Raises:
        LabError: nothing was trained for this model, or for another network.
    """
    codes = require_codes(model, variant.id, files)
    cure = f"train it again: {train_command(model, variant.id)}."
    if is_simulated(variant):
        return write_trained(base, variant, codes, cure, output)
    write_int8(base, variant, codes, float_operators, cure, output)
    return None
