"""In which order a run's variants and controls stand."""

from types import SimpleNamespace

import pytest

from helpers.run.forms import require_forms
from helpers.run.standing import with_controls


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["float32"], ["float32", "float32-control"]),
        (["int8"], ["float32", "int8", "float32-control"]),
        (
            ["int8@openvino", "int8", "int8-entropy"],
            ["float32", "int8", "int8-entropy", "float32-control",
             "float32@openvino", "int8@openvino", "float32-control@openvino"],
        ),
        (
            ["bfloat16@openvino", "ternary"],
            ["float32", "ternary", "float32-control",
             "float32@openvino", "bfloat16@openvino", "float32-control@openvino"],
        ),
    ],
)  # fmt: skip
def test_runtime_by_runtime_with_each_ones_control_at_its_end(names, expected):
    assert with_controls(SimpleNamespace(variants=require_forms(names))) == expected
