"""The recipe of simulated forms: float32 weights that lie on its grid, and what its codes would weigh."""

import dataclasses
import zlib
from pathlib import Path
from types import MappingProxyType

from helpers.lab.files import write_bytes
from helpers.lab.units import how_many
from helpers.quantize.kinds.catalogue import get_kind
from helpers.quantize.kinds.coding import Kind
from helpers.quantize.recipes.contract import Recipe, Work
from helpers.quantize.records import CodedWeights, MadeFile, NotAsAsked
from helpers.quantize.simulate import FLOAT, Simulated, simulated
from helpers.run.forms import SIMULATED, TRAINED
from helpers.run.variants import AT, Variant
from helpers.runtimes.catalogue import LITERT, ONNXRUNTIME, get_runtime, runtime_of


class OnItsGrid(Recipe):
    def make(self, work: Work) -> MadeFile:
        return write_simulated(work.float_file, work.variant, work.output)


def write_simulated(float_file: Path, variant: Variant, output: Path) -> MadeFile:
    """Write the file with the weights that the form leaves, and return what its codes would take.

    Args:
        variant: its ``storage_dtype`` is the kind of weights.

    Raises:
        LabError: no weights can be quantized, or some are not finite.
    """
    kind = get_kind(variant.storage_dtype)
    found = simulate_file(float_file, kind, variant.keep_first_last)
    write_bytes(output, found.content)
    return made_of(found, variant, output)


def simulate_file(float_file: Path, kind: Kind, keep_first_last: bool) -> Simulated:
    """Of a ``.tflite`` or an ONNX file."""
    content = float_file.read_bytes()
    if runtime_of(float_file) == LITERT.id:
        return simulated(content, kind, keep_first_last)
    from helpers.quantize.simulate_onnx import simulated_onnx

    return simulated_onnx(content, kind, keep_first_last)


def made_of(found: Simulated, variant: Variant, output: Path) -> MadeFile:
    """What is recorded of a written file."""
    stored = {"storage_dtype": variant.storage_dtype, "compute_dtype": variant.compute_dtype}
    facts = dataclasses.replace(get_runtime(runtime_of(output)).facts(output), **stored)
    coded = coded_weights(found, TRAINED.get(variant.id, variant.storage_dtype))
    return MadeFile(
        facts,
        found.coded_bytes,
        zipped_bytes(found),
        meaning=variant.meaning,
        notes=(bits_text(coded),),
        coded=coded,
    )


def zipped_bytes(found: Simulated) -> int:
    """Of what is no weight, and of the codes: each compressed as in a zip archive."""
    return len(zlib.compress(found.rest)) + len(zlib.compress(found.packed))


def coded_weights(found: Simulated, asked: str) -> CodedWeights:
    """What is recorded of it; ``asked``: the kind that was asked for."""
    return CodedWeights(
        found.all_weight_bits,
        found.weight_bits,
        found.coded_bytes,
        found.sqnr_db,
        kept=tuple(layer.name for layer in found.layers if layer.kind == FLOAT),
        small=tuple(NotAsAsked(layer.name, layer.kind) for layer in found.quantized if layer.kind != asked),
        skipped=tuple(NotAsAsked(name, reason) for name, reason in found.skipped),
    )


def bits_text(coded: CodedWeights) -> str:
    """Bits of a weight, which layers are kept, which are coded otherwise, and which are as they were."""
    kept = f" ({coded.quantized_bits:.2f} in the quantized layers)" if coded.kept else ""
    parts = [f"{coded.weight_bits:.2f} bits a weight with all side information{kept}"]
    if coded.kept:
        parts.append(f"first and last layers kept in float32: {', '.join(coded.kept)}")
    if coded.small:
        parts.append(f"{how_many(len(coded.small), 'small layer')} coded as {coded.small[0].why}")
    if coded.skipped:
        parts.append(f"{how_many(len(coded.skipped), 'layer')} as in float32")
    return f"{'; '.join(parts)}."


RECIPES = MappingProxyType({
    SIMULATED: OnItsGrid(),
    f"{SIMULATED}{AT}{ONNXRUNTIME.id}": OnItsGrid(),
})  # fmt: skip
