"""A core in OpenVINO's int8 by NNCF, and operators of it put back to float."""

from collections.abc import Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from helpers.quantize.cures.openvino.draft import MINMAX
from helpers.quantize.recipes.openvino_graph import core_graph
from helpers.runtimes.openvino.library import nncf, progress_hidden
from helpers.runtimes.openvino.reader import CONVOLUTIONS

# Share of values below and above a range, by NNCF's own estimators.
QUANTILES = MappingProxyType({"percentile-99.99": 1e-4, "percentile-99.9": 1e-3})
RANGES = (MINMAX, *QUANTILES)
ROUNDED = "FakeQuantize"
# Inputs of it: ends of the range that it takes, and of that which it gives.
RANGE_ENDS, LOW_ENDS = (1, 2, 3, 4), (1, 3)


def float_graph(float_file: Path, fused: bool, float_operators: Sequence[str] = ()) -> tuple[Any, list[str]]:
    """As ``core_graph``; ``fused``: x * sigmoid(x) is one operator.

    NNCF puts a grid on both factors of a product that it does not know for an activation function, and then
    OpenVINO cannot compute it together with the convolution before it.
    """
    graph, kept = core_graph(float_file, float_operators)
    if fused:
        from openvino._offline_transformations import apply_moc_transformations

        apply_moc_transformations(graph, False)
    return graph, kept


def quantized(graph: Any, photos: Sequence[np.ndarray], ranges: str, kept: Sequence[str]) -> Any:
    """The ``openvino.Model`` in int8.

    Args:
        photos: core inputs; ``ranges``: one of ``RANGES``.
        kept: operators that stay float.
    """
    library = nncf()
    advanced = library.AdvancedQuantizationParameters()
    if ranges in QUANTILES:
        advanced.activations_range_estimator_params = estimator(QUANTILES[ranges])
    with progress_hidden():
        return library.quantize(
            graph,
            library.Dataset(list(photos)),
            preset=library.QuantizationPreset.MIXED,
            subset_size=len(photos),
            fast_bias_correction=True,
            ignored_scope=library.IgnoredScope(names=list(kept)) if kept else None,
            advanced_parameters=advanced,
        )


def with_whole_ranges(model: Any) -> int:
    """Give activations one range that have several, unless a depthwise convolution reads them; how many had.

    NNCF looks for channels along the second axis. Where a ``.tflite`` has left its order of axes around an
    operator, that is the rows of the map: each would have the range of the photos that the file is made by.
    """
    found = 0
    for node in model.get_ordered_ops():
        if node.get_type_name() != ROUNDED or node.input_value(0).get_node().get_type_name() == "Constant":
            continue
        readers = {end.get_node().get_type_name() for end in node.output(0).get_target_inputs()}
        ends = [np.array(node.input_value(place).get_node().data, np.float32) for place in RANGE_ENDS]
        if max(end.size for end in ends) == 1 or readers == {"GroupConvolution"}:
            continue
        for place, end in zip(RANGE_ENDS, ends, strict=True):
            widest = end.min() if place in LOW_ENDS else end.max()
            node.input(place).replace_source_output(constant(np.full((1,) * end.ndim, widest)))
        found += 1
    model.validate_nodes_and_infer_types()
    return found


def constant(values: np.ndarray) -> Any:
    """An output that gives float32 ``values``."""
    from openvino import opset13

    return opset13.constant(np.asarray(values, np.float32)).output(0)


def estimator(tail: float) -> Any:
    """Between the values of which a share ``tail`` of each photo lies below, and above; the widest of all."""
    from nncf.quantization.range_estimator import (
        AggregatorType,
        RangeEstimatorParameters,
        StatisticsCollectorParameters,
        StatisticsType,
    )

    def end(aggregator: Any, outlier: float) -> Any:
        return StatisticsCollectorParameters(
            StatisticsType.QUANTILE, aggregator, quantile_outlier_prob=outlier
        )

    return RangeEstimatorParameters(min=end(AggregatorType.MIN, tail), max=end(AggregatorType.MAX, tail))


def layers(graph: Any) -> list[str]:
    """Names of its convolutions and products, in order of execution."""
    nodes = graph.get_ordered_ops()
    return [node.get_friendly_name() for node in nodes if node.get_type_name() in (*CONVOLUTIONS, "MatMul")]


def with_floats(model: Any, exact: Any, names: frozenset[str]) -> Any:
    """A copy of an int8 model in which some operators read no rounded values, and have float32's weights.

    Args:
        exact: the float32 graph, whose operators have the same names.
        names: of operators.
    """
    if not names:
        return model
    copy = model.clone()
    known = {node.get_friendly_name(): node for node in exact.get_ops()}
    for node in copy.get_ordered_ops():
        if node.get_friendly_name() in names:
            # NNCF corrects the bias, which stands behind, for what the layer's rounding does.
            behind = [end.get_node() for end in node.output(0).get_target_inputs()]
            for each in (node, *(one for one in behind if one.get_type_name() == "Add")):
                for place in range(len(each.inputs())):
                    unround(each, place, known.get(each.get_friendly_name()))
    copy.validate_nodes_and_infer_types()
    return copy


def unround(node: Any, place: int, exact: Any) -> None:
    """Give an input of a node what it was before it was rounded."""
    source = node.input_value(place).get_node()
    if source.get_type_name() == ROUNDED and source.input_value(0).get_node().get_type_name() != "Constant":
        node.input(place).replace_source_output(source.input_value(0))
    elif exact is not None and exact.input_value(place).get_node().get_type_name() == "Constant":
        node.input(place).replace_source_output(constant(exact.input_value(place).get_node().data))
