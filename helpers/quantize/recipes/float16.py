"""Recipes of 16-bit floats; a file that asks for float16 arithmetic is checked to get it."""

from collections.abc import Sequence
from pathlib import Path
from types import MappingProxyType

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema

from helpers.lab import host
from helpers.lab.errors import UnavailableError
from helpers.lab.files import write_bytes
from helpers.quantize.recipes.contract import Recipe, Work, made_file
from helpers.quantize.records import MadeFile
from helpers.run.forms import FLOAT16_COMPUTE
from helpers.runtimes.litert.core import Core
from helpers.runtimes.litert.half import ASKS_FOR_HALF

HALF_WEIGHTS = [
    {
        "regex": ".*",
        "operation": "*",
        "algorithm_key": "float_casting",
        "op_config": {
            "weight_tensor_config": {"num_bits": 16, "dtype": "FLOAT"},
            "compute_precision": "FLOAT",
            "explicit_dequantize": True,
        },
    }
]
# Of x86-64 and of Arm: the processor multiplies float16.
NATIVE = ("avx512_fp16", "asimdhp")
INTERFACE = (
    "It runs through LiteRT's CompiledModel, whose own cost per inference is part of its latency; "
    "the other forms run through the Interpreter, which cannot be told to."
)


class HalfWeights(Recipe):
    """16 bits a weight in the file, float32 arithmetic."""

    def content(self, work: Work) -> bytes:
        from helpers.quantize.recipes.edge_quantizer import quantized

        return quantized(work, HALF_WEIGHTS)

    def make(self, work: Work) -> MadeFile:
        write_bytes(work.output, self.content(work))
        return made_file(work)


class HalfArithmetic(HalfWeights):
    """The same, multiplied in float16."""

    def make(self, work: Work) -> MadeFile:
        write_bytes(work.output, asking_for_half(self.content(work)))
        made = made_file(work, arithmetic_notes())
        require_half(work.output)
        return made


def asking_for_half(content: bytes) -> bytes:
    """The same file, with a name in its metadata for which its weights are multiplied in float16."""
    model = schema.ModelT.InitFromPackedBuf(content, 0)
    for buffer in model.buffers:
        if buffer.data is None and buffer.size:  # it stands behind the flatbuffer
            buffer.data = np.frombuffer(content, np.uint8, int(buffer.size), int(buffer.offset))
            buffer.offset = buffer.size = 0
    value = schema.BufferT()
    value.data = np.frombuffer(b"1", np.uint8)
    entry = schema.MetadataT()
    entry.name, entry.buffer = ASKS_FOR_HALF, len(model.buffers)
    model.buffers.append(value)
    model.metadata = [*(model.metadata or []), entry]
    builder = flatbuffers.Builder(len(content))
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def require_half(path: Path) -> None:
    """Raise if the file gives what float32 arithmetic gives, to the last bit.

    Raises:
        UnavailableError: it does: the flag had no effect here.
    """
    core = Core(path)
    image = np.random.default_rng(0).uniform(-1, 1, core.input_shape).astype(np.float32)
    plain = Core(path, half=False)(image)
    if all(np.array_equal(values, plain[name]) for name, values in core(image).items()):
        raise UnavailableError(
            "XNNPACK computes in float32, though float16 arithmetic was asked for.",
            "other outputs than those of float32 arithmetic",
            f"leave {FLOAT16_COMPUTE} out on this machine.",
        )


def arithmetic_notes(flags: Sequence[str] | None = None) -> tuple[str, ...]:
    """What must be told of float16 arithmetic on this machine.

    Args:
        flags: of the processor; None for those of this one.
    """
    present = set(host.isa_flags() if flags is None else flags)
    native = next((flag for flag in NATIVE if flag in present), "")
    done = (
        f"This processor multiplies float16 ({native})."
        if native
        else "This processor does not multiply float16: XNNPACK emulates it in float32, rounded to float16. "
        "Accuracy is that of float16 arithmetic; latency and energy are those of the emulation."
    )
    return (done, INTERFACE)


RECIPES = MappingProxyType({"float16": HalfWeights(), FLOAT16_COMPUTE: HalfArithmetic()})
