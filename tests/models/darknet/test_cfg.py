"""The text of a ``.cfg``: what counts, what does not, and errors that name the place."""

import numpy as np
import pytest

from helpers.lab.errors import LabError
from helpers.models.darknet.architecture import parse_architecture
from helpers.models.darknet.cfg import parse_cfg, plain_text, read_text
from helpers.models.darknet.opencv import reference
from helpers.tasks.detection.limits import Limits
from tests.models.darknet.generate import convolution, head, net, section, weights_for


def test_sections_carry_darknets_numbers_and_their_lines():
    net_, first, second = parse_cfg("# c\n[net]\nwidth=8\n\n[convolutional]\n[yolo]\n", "a.cfg")
    assert (net_.number, first.number, second.number) == (-1, 0, 1)
    assert str(first) == "layer 0, [convolutional] at line 5 of a.cfg"


def test_blanks_comments_and_a_last_comma_do_not_count():
    text = " [ net ]\n; note\n# note\nanchors = 1, 2 ,3,\nwidth = 4 # of 8\n"
    (section_,) = parse_cfg(text, "a.cfg")
    assert section_.integers("anchors") == (1, 2, 3)
    assert section_.integer("width") == 4


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", "does not begin with a section [net]"),
        ("[convolutional]\n", "does not begin with a section [net]"),
        ("width=3\n[net]\n", "line 1 of a.cfg is 'width=3'"),
        ("[net]\nwidth\n", "line 2 of a.cfg is 'width'"),
        ("[net]\nwidth=\n", "line 2 of a.cfg is 'width='"),
        ("[net\nwidth=1\n", "line 1 of a.cfg is '[net'"),
    ],
)
def test_a_text_that_is_no_cfg_is_refused(text, found):
    with pytest.raises(LabError) as error:
        parse_cfg(text, "a.cfg")
    assert found in error.value.found


NAMES = {"[net]": "[network]", "[convolutional]": "[conv]", "[maxpool]": "[max]"}


def test_darknets_other_names_of_sections_are_known(tmp_path):
    text = net() + convolution(8) + section("maxpool", size=2, stride=2) + head()
    (tmp_path / "a.weights").write_bytes(weights_for(parse_architecture(text, "a.cfg"), 0))
    for name, other in NAMES.items():
        text = text.replace(name, other)
    (tmp_path / "a.cfg").write_text(text)
    photo = np.zeros((40, 50, 3), np.uint8)
    assert len(reference(tmp_path / "a.cfg", tmp_path / "a.weights", Limits(nms_iou=0.45))(photo).scores)


def test_a_yolo_without_a_mask_has_all_its_anchors_in_order():
    text = BEFORE_YOLO + section("yolo", **without(YOLO, "mask"))
    assert parse_architecture(text, "a.cfg").yolos[0].anchors == ((1, 2), (3, 4))
    assert "mask=0,1" in plain_text(parse_cfg(text, "a.cfg"))


@pytest.mark.parametrize("value", ["diounms", "cornersnms"])
def test_the_cure_for_another_suppression_works(value):
    text = BEFORE_YOLO + section("yolo", **YOLO, nms_kind=value)
    with pytest.raises(LabError) as error:
        parse_architecture(text, "a.cfg")
    assert "nms_kind=greedynms in a copy" in error.value.cure
    assert parse_architecture(text.replace(value, "greedynms"), "a.cfg").yolos


def test_of_a_key_that_stands_twice_the_first_counts_as_in_darknet():
    text = "[net]\nbatch=1\nwidth=1\n# Training\nbatch=64\nwidth=1\n"
    assert parse_cfg(text, "a.cfg")[0].integer("batch") == 1


TEXT = """[net]
width=4
height=8 ; tall
channels=3 // colours
# größer: 更大
[yolo]
anchors = 1,2, 3,4 # two
"""


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "gbk"])
@pytest.mark.parametrize("ending", ["\n", "\r\n"])
def test_comments_may_stand_anywhere_and_in_any_encoding(tmp_path, encoding, ending):
    text = TEXT.replace("öß", "" if encoding == "gbk" else "öß").replace("\n", ending)
    (tmp_path / "a.cfg").write_bytes(text.encode(encoding))
    net_, yolo = parse_cfg(read_text(tmp_path / "a.cfg"), "a.cfg")
    assert [net_.integer(key) for key in ("width", "height", "channels")] == [4, 8, 3]
    assert yolo.decimals("anchors") == (1, 2, 3, 4)
    assert set(plain_text([net_, yolo]).splitlines()[1:4]) == {"width=4", "height=8", "channels=3"}


CHAIN = net() + convolution(8)
CONVOLUTION = {"filters": 8, "size": 3, "stride": 1, "pad": 1, "activation": "leaky"}
YOLO = {"mask": "0,1", "anchors": "1,2,3,4", "classes": 3, "num": 2}
BEFORE_YOLO = CHAIN + convolution(16, 1, 1, "linear")


def without(values: dict, key: str) -> dict:
    return {name: value for name, value in values.items() if name != key}


@pytest.mark.parametrize(
    ("text", "found", "expected"),
    [
        (
            CHAIN + section("gaussian"),
            "layer 1, [gaussian] at line 12 of a.cfg",
            "[convolutional], [maxpool]",
        ),
        (
            CHAIN + convolution(8, activation="elu"),
            "activation=elu, not built here (line 18)",
            "linear, leaky, relu, mish",
        ),
        (
            CHAIN + section("shortcut", **{"from": -1, "activation": "elu"}),
            "activation=elu, not built here (line 14)",
            "leaky",
        ),
        *[
            (CHAIN + section("convolutional", **without(CONVOLUTION, key)), f"no {key}", key)
            for key in ("filters", "size", "activation")
        ],
        (CHAIN + convolution("many"), "filters=many (line 14)", "filters: a whole number"),
        (CHAIN + convolution(8, stride=0), "stride=0", "1 or more"),
        (CHAIN + convolution(8, groups=3), "groups=3 with 8 channels and 8 filters", "divide"),
        (CHAIN + convolution(8, dilation=2), "dilation=2, not built here", "dilation=1"),
        (
            CHAIN + section("avgpool") + convolution(4) + section("scale_channels", **{"from": -3}),
            "multiplies (32, 32, 8) by (1, 1, 4)",
            "(1, 1, 8)",
        ),
        (CHAIN + convolution(4) + section("sam", **{"from": -2}), "by (32, 32, 4)", "(32, 32, 8)"),
        (CHAIN + section("maxpool", size=2), "no stride", "stride="),
        (CHAIN + section("maxpool", stride=2), "no size", "size="),
        (CHAIN + section("maxpool", size=2, stride=2, padding=2), "padding=2 with size=2", "0 to size - 1"),
        (
            CHAIN + section("maxpool", size=40, stride=1, padding=0),
            "a window of 40 on a map of 32 x 32",
            "fits",
        ),
        (CHAIN + section("route"), "no layers", "layers"),
        (CHAIN + section("route", layers="-1,x"), "layers=-1,x", "whole numbers"),
        (CHAIN + section("route", layers=1), "reads layer 1", "-1..0"),
        (CHAIN + section("route", layers=-3), "reads layer -2", "-1..0"),
        (CHAIN + section("route", layers=-1, groups=3), "part 0 of 3 of [8] channels", "divide"),
        (CHAIN + section("route", layers=-1, groups=2, group_id=2), "part 2 of 2", "below groups"),
        (
            CHAIN + convolution(8, stride=2) + section("route", layers="-1,-2"),
            "maps of 16x16 and 32x32",
            "one size",
        ),
        (
            CHAIN + convolution(4) + section("shortcut", **{"from": -2}),
            "(32, 32, 8) to (32, 32, 4)",
            "one shape",
        ),
        (CHAIN + section("shortcut", **{"from": -1, "weights_type": "per_channel"}), "weights_type", "none"),
        (CHAIN + section("upsample"), "no stride", "stride"),
        *[
            (BEFORE_YOLO + section("yolo", **without(YOLO, key)), f"no {key}", key)
            for key in ("anchors", "classes", "num")
        ],
        (
            BEFORE_YOLO + section("yolo", **YOLO | {"classes": 4}),
            "16 channels for 2 anchors and 4",
            "18 filters",
        ),
        (BEFORE_YOLO + section("yolo", **YOLO | {"num": 3}), "4 anchors", "6: a width and a height"),
        (BEFORE_YOLO + section("yolo", **YOLO | {"mask": "0,2"}), "mask=0,2", "from 0 to 1"),
        (BEFORE_YOLO + section("yolo", **YOLO, new_coords=1), "new_coords=1 after layer 1", "logistic"),
        (BEFORE_YOLO + section("yolo", **YOLO, nms_kind="diounms"), "nms_kind=diounms", "greedynms"),
        (BEFORE_YOLO + section("yolo", **YOLO) + convolution(8), "reads layer 2", "no [yolo]"),
        (CHAIN, "a.cfg has no section [yolo]", "detector"),
        (section("net", height=8, width=8, channels=1) + convolution(8), "channels=1", "channels=3"),
        (section("net", height=8, channels=3) + convolution(8), "no width", "width"),
    ],
)
def test_what_cannot_be_built_is_refused_with_its_place(text, found, expected):
    with pytest.raises(LabError) as error:
        parse_architecture(text, "a.cfg")
    assert found in error.value.found
    assert "a.cfg" in error.value.found
    assert expected in error.value.expected


def test_an_absent_file_and_one_that_is_no_text_are_refused(tmp_path):
    (tmp_path / "b.cfg").write_bytes(b"\xff\xfe[net]")
    for name, found in (("a.cfg", "does not exist"), ("b.cfg", "cannot be read")):
        with pytest.raises(LabError, match=found):
            read_text(tmp_path / name)


def test_shapes_follow_darknets_rules():
    text = (
        net(33, 20)
        + convolution(8, 3, 2)
        + section("maxpool", size=2, stride=2)
        + section("upsample", stride=3)
    )
    text += convolution(8, 2) + section(
        "convolutional", **CONVOLUTION | {"pad": 0, "padding": 2, "stride_x": 2}
    )
    layers = parse_architecture(text + head(), "a.cfg").layers
    assert [layer.shape[:2] for layer in layers[:5]] == [(17, 10), (9, 5), (27, 15), (28, 16), (30, 9)]


def test_stride_y_and_stride_x_go_before_stride():
    text = net() + section("convolutional", **CONVOLUTION | {"stride": 4, "stride_x": 2}) + head()
    assert parse_architecture(text, "a.cfg").layers[0].strides == (4, 2)


def test_a_yolo_keeps_the_anchors_of_its_mask_in_the_masks_order():
    text = net() + head(mask="2,0", anchors="1,2, 3,4, 5,6", scale_x_y=1.05)
    (yolo,) = parse_architecture(text, "a.cfg").yolos
    assert yolo.anchors == ((5, 6), (1, 2))
    assert yolo.scale_x_y == 1.05
