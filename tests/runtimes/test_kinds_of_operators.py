"""Operators of every runtime fall into the same few kinds."""

import pytest

from helpers.runtimes.kinds_of_operators import (
    CASTS,
    DENSE,
    DEPTHWISE,
    ELEMENTWISE,
    KINDS,
    MOVES,
    OTHER,
    POINTWISE,
    kind_of_convolution,
    kind_of_type,
)


@pytest.mark.parametrize(
    ("operator", "kind"),
    [
        ("FakeQuantize", CASTS),
        ("DequantizeLinear", CASTS),
        ("DynamicQuantizeLinear", CASTS),
        ("Convert", CASTS),
        ("Reorder", MOVES),
        ("ReorderOutput", MOVES),
        ("Interpolate", MOVES),
        ("QLinearConcat", MOVES),
        ("SpaceToDepth", MOVES),
        ("Swish", ELEMENTWISE),
        ("QLinearSigmoid", ELEMENTWISE),
        ("QuickGelu", ELEMENTWISE),
        ("Add", ELEMENTWISE),
        ("MaxPool", OTHER),
        ("NhwcMaxPool", OTHER),
        ("GlobalAveragePool", OTHER),
        ("ReduceMean", OTHER),
        ("Attention", OTHER),
    ],
)
def test_kinds_are_read_from_the_words_in_a_type(operator, kind):
    assert kind_of_type(operator) == kind
    assert kind in KINDS


@pytest.mark.parametrize(
    ("groups", "inner", "window", "kind"),
    [
        (1, 3, (3, 3), DENSE),
        (8, 1, (3, 3), DEPTHWISE),
        (2, 4, (3, 3), DENSE),
        (1, 64, (1, 1), POINTWISE),
        (1, 1, (3, 3), DENSE),
        (1, 10, (), POINTWISE),
    ],
)
def test_convolutions_by_groups_and_window(groups, inner, window, kind):
    assert kind_of_convolution(groups, inner, window) == kind
