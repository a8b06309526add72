"""A float32 core as OpenVINO's graph, with the names of LiteRT's outputs, and its operators by such names."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import flatbuffers

from helpers.lab.errors import LabError
from helpers.runtimes.litert.graph import Operator
from helpers.runtimes.litert.reader import read_graph, read_model
from helpers.runtimes.openvino.library import openvino
from helpers.runtimes.openvino.reader import CONVOLUTIONS
from helpers.runtimes.openvino.representation import last_line, settle_names

TFLITE = ".tflite"
# What OpenVINO puts around an operator of a ``.tflite``, whose order of axes is another.
_TURNING = ("Transpose", "Reshape", "Convert")
_ENDS = ("Constant", "Parameter", "Result")
Patterns = Sequence[re.Pattern[str]]


def core_graph(float_file: Path, float_operators: Sequence[str] = ()) -> tuple[Any, list[str]]:
    """The core of a ``.tflite`` or ``.onnx``, outputs named as its own runtime names them.

    Args:
        float_operators: as ``Work`` has them.

    Returns:
        The ``openvino.Model``, and its names of the operators that ``float_operators`` match.

    Raises:
        LabError: OpenVINO has no operator for one of the core's.
    """
    wanted = [re.compile(expression) for expression in float_operators]
    tflite = float_file.suffix == TFLITE
    model, found = tflite_graph(float_file, wanted) if tflite else onnx_graph(float_file, wanted)
    fold_constants(model)
    settle_names(model)
    left = {node.get_friendly_name() for node in model.get_ops() if node.get_type_name() not in _ENDS}
    return model, [name for name in (node.get_friendly_name() for node in found) if name in left]


def onnx_graph(file: Path, wanted: Patterns) -> tuple[Any, list[Any]]:
    model = read_core(file)
    found = [node for node in model.get_ordered_ops() if matches(names_in(node), wanted)]
    # A convolution with a bias is two operators, of which the second has the name.
    sources = [node.input_value(0).get_node() for node in found if node.get_type_name() == "Add"]
    return model, [*found, *(node for node in sources if node.get_type_name() in CONVOLUTIONS)]


def tflite_graph(file: Path, wanted: Patterns) -> tuple[Any, list[Any]]:
    """OpenVINO forgets the names of all tensors but those of outputs: so what goes into and comes out of each
    operator that is looked for is an output while it reads the file."""
    graph = read_graph(file)
    chosen = [op for op in graph.operators if matches([tensor.name for tensor in op.outputs], wanted)]
    ends = [tensor for op in chosen for tensor in (*op.inputs, *op.outputs) if not tensor.constant]
    with TemporaryDirectory() as folder:
        widened = Path(folder) / file.name
        widened.write_bytes(with_outputs(file, [tensor.index for tensor in ends]))
        model = read_core(widened)
    sources = {name: end.get_node().input_value(0) for end in model.outputs for name in end.get_names()}
    found = [node for op in chosen for node in operators_of(op, sources)]
    name_outputs(model, {tensor.name: tensor.signature_name or tensor.name for tensor in graph.outputs})
    return model, found


def with_outputs(file: Path, tensors: Sequence[int]) -> bytes:
    """The file with these tensors among its outputs, but for its inputs."""
    stored = read_model(file)
    graph = stored.subgraphs[0]
    further = [place for place in tensors if place not in set(map(int, graph.inputs))]
    graph.outputs = list(dict.fromkeys([*map(int, graph.outputs), *further]))
    builder = flatbuffers.Builder(1024)
    builder.Finish(stored.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def name_outputs(model: Any, names: Mapping[str, str]) -> None:
    """Name the outputs, and take away those that have no name here."""
    for end in model.outputs:
        known = {names[name] for name in end.get_names() if name in names}
        if known:
            end.get_tensor().set_names(known)
        else:
            model.remove_result(end.get_node())


def operators_of(operator: Operator, sources: Mapping[str, Any]) -> list[Any]:
    """What OpenVINO makes of one operator of a ``.tflite``: the nodes from its inputs to its outputs.

    Args:
        sources: tensor -> what gives it, without the inputs of the graph.
    """
    given = [sources[tensor.name] for tensor in operator.inputs if tensor.name in sources]
    before = {unturned(end.get_node()).get_friendly_name() for end in given}
    found: dict[str, Any] = {}
    waiting = [sources[tensor.name].get_node() for tensor in operator.outputs]
    while waiting:
        node = waiting.pop()
        name = node.get_friendly_name()
        if name not in before and name not in found and node.get_type_name() not in _ENDS:
            found[name] = node
            waiting += [end.get_node() for end in node.input_values()]
    return [node for node in found.values() if node.get_type_name() not in _TURNING]


def unturned(node: Any) -> Any:
    """The operator before what only turns its result."""
    while node.get_type_name() in _TURNING:
        node = node.input_value(0).get_node()
    return node


def read_core(file: Path) -> Any:
    try:
        return openvino().Core().read_model(str(file))
    except Exception as error:  # its frontends raise errors of several kinds
        raise LabError(
            f"OpenVINO cannot read {file.name}: {last_line(error)}",
            "a core whose operators it has",
            "leave the forms in OpenVINO out (--variant).",
        ) from error


def fold_constants(model: Any) -> None:
    """Compute once what depends on constants alone; what was widened is stored wide from then on."""
    from openvino.passes import ConstantFolding, Manager

    manager = Manager()
    manager.register_pass(ConstantFolding())
    manager.run_passes(model)


def names_in(node: Any) -> Iterator[str]:
    yield node.get_friendly_name()
    for end in node.outputs():
        yield from end.get_names()


def matches(names: Iterable[str], wanted: Patterns) -> bool:
    return any(expression.search(name) for name in names for expression in wanted)
