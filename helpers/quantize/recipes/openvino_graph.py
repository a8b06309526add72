"""A float32 core as OpenVINO's graph, with the names of LiteRT's outputs, and its operators by such names."""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import flatbuffers

from helpers.lab.errors import LabError
from helpers.runtimes.litert.reader import as_text, read_graph, read_model
from helpers.runtimes.openvino.library import openvino
from helpers.runtimes.openvino.representation import last_line, settle_names

TFLITE = ".tflite"
# What OpenVINO puts around an operator of a ``.tflite``, whose order of axes is another.
_AROUND = ("Transpose", "Reshape", "Convert")


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
    return model, [node.get_friendly_name() for node in found]


def onnx_graph(file: Path, wanted: Sequence[re.Pattern[str]]) -> tuple[Any, list[Any]]:
    model = read_core(file)
    return model, [node for node in model.get_ordered_ops() if matches(names_in(node), wanted)]


def tflite_graph(file: Path, wanted: Sequence[re.Pattern[str]]) -> tuple[Any, list[Any]]:
    """OpenVINO forgets the names of all tensors but those of outputs: so each tensor that is looked for is an
    output while it reads the file."""
    outputs = {tensor.name: tensor.signature_name or tensor.name for tensor in read_graph(file).outputs}
    with TemporaryDirectory() as folder:
        widened = Path(folder) / file.name
        widened.write_bytes(with_outputs(file, wanted))
        model = read_core(widened)
    found = [operator_at(end) for end in model.outputs if matches(iter(end.get_names()), wanted)]
    for end in model.outputs:
        names = {outputs[name] for name in end.get_names() if name in outputs}
        if names:
            end.get_tensor().set_names(names)
        else:
            model.remove_result(end.get_node())
    return model, found


def with_outputs(file: Path, wanted: Sequence[re.Pattern[str]]) -> bytes:
    """The file, with every tensor that an operator makes and whose name matches among its outputs."""
    stored = read_model(file)
    graph = stored.subgraphs[0]
    made = (int(place) for operator in graph.operators for place in operator.outputs)
    found = [place for place in made if matches(iter([as_text(graph.tensors[place].name)]), wanted)]
    graph.outputs = list(dict.fromkeys([*map(int, graph.outputs), *found]))
    builder = flatbuffers.Builder(1024)
    builder.Finish(stored.Pack(builder), b"TFL3")
    return bytes(builder.Output())


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


def matches(names: Iterator[str], wanted: Sequence[re.Pattern[str]]) -> bool:
    return any(expression.search(name) for name in names for expression in wanted)


def operator_at(end: Any) -> Any:
    """The operator that makes an output, without what only turns it."""
    node = end.get_node().input_value(0).get_node()
    while node.get_type_name() in _AROUND:
        node = node.input_value(0).get_node()
    return node
