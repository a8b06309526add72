"""The file of a simulated form: float32 weights that lie on its grid, and what its codes would weigh."""

import dataclasses
import zlib
from pathlib import Path

from helpers.lab.files import write_bytes
from helpers.lab.units import how_many
from helpers.quantize.kinds.catalogue import get_kind
from helpers.quantize.records import MadeFile
from helpers.quantize.simulate import Simulated, simulated
from helpers.run.variants import Variant
from helpers.runtimes.litert.reader import read_facts


def write_simulated(float_file: Path, variant: Variant, output: Path) -> MadeFile:
    """Write the file with the weights that the form leaves, and return what its codes would take.

    Raises:
        LabError: no weights can be quantized, or some are not finite.
    """
    found = simulated(float_file.read_bytes(), get_kind(variant.id))
    write_bytes(output, found.content)
    return made_of(found, variant, output)


def made_of(found: Simulated, variant: Variant, output: Path) -> MadeFile:
    """What is recorded of a written file."""
    stored = {"storage_dtype": variant.storage_dtype, "compute_dtype": variant.compute_dtype}
    facts = dataclasses.replace(read_facts(output), **stored)
    return MadeFile(
        facts, found.coded_bytes, zipped_bytes(found), meaning=variant.meaning, notes=(bits_text(found),)
    )


def zipped_bytes(found: Simulated) -> int:
    """Of what is no weight, and of the codes: each compressed as in a zip archive."""
    return len(zlib.compress(found.rest)) + len(zlib.compress(found.packed))


def bits_text(found: Simulated) -> str:
    """Bits of a weight, which layers are coded otherwise, and which are as they were."""
    asked = max((layer.kind for layer in found.layers), key=[x.kind for x in found.layers].count)
    others = [layer for layer in found.layers if layer.kind != asked]
    told = f"{found.weight_bits:.2f} bits a weight with all side information"
    small = f"; {how_many(len(others), 'small layer')} coded as {others[0].kind}" if others else ""
    kept = f"; {how_many(len(found.skipped), 'layer')} as in float32" if found.skipped else ""
    return f"{told}{small}{kept}."
