"""Names of layers for people: ``block_3_expand`` from what the converter joins with semicolons."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence

from helpers.runtimes.litert.graph import Graph

_BIAS = re.compile(r"/ReadVariableOp\d*$")


def short_names(names: Sequence[str], outputs: Mapping[str, str]) -> list[str]:
    """A short name for each tensor name, all different.

    Args:
        names: names of tensors as the converter writes them: ``model/layer/operation``, several of them
            with ``;`` between where operations were fused.
        outputs: tensor name -> name in the signature, for the file's outputs.
    """
    paths = [[outputs[name]] if name in outputs else layer_path(name) for name in names]
    ends = Counter(tuple(path[-size:]) for path in paths for size in range(1, len(path) + 1))
    short = ["/".join(shortest_end(path, ends)) for path in paths]
    counts = Counter(short)
    return [s if counts[s] == 1 else f"{s} ({place})" for place, s in enumerate(short)]


def shortest_end(path: list[str], ends: Mapping[tuple[str, ...], int]) -> list[str]:
    """The fewest last parts of a path that no other has; the last alone where the whole path is not alone."""
    sizes = [size for size in range(1, len(path) + 1) if ends[tuple(path[-size:])] == 1]
    return path[-min(sizes, default=1) :]


def layer_path(name: str) -> list[str]:
    """``model/conv_relu/Relu6;model/conv/Conv2D`` -> [model, conv]: of fused layers the one that multiplies.

    It comes last, but for the reading of its bias, and for a padding put before it, set off by ``;;``.
    """
    parts = [part for part in name.split(";;")[0].split(";") if part]
    parts = [part for part in parts if not _BIAS.search(part)] or parts or [name]
    path = parts[-1].split("/")
    return path[:-1] if len(path) > 1 else path


def output_names(graph: Graph) -> dict[str, str]:
    """Tensor name -> name in the file's first signature, of its outputs; empty without a signature."""
    return {tensor.name: tensor.signature_name for tensor in graph.outputs if tensor.signature_name}
