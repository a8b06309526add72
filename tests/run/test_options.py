"""What a run's options may hold: a wrong one is one clear error, in the option's own unit."""

import math

import pytest

from helpers.lab.errors import LabError
from helpers.run.experiment import open_run
from helpers.run.profiles import PROFILES

WRONG = [
    ({"models": 3}, "models = 3"),
    ({"variants": 1.5}, "variants = 1.5"),
    ({"variants": [1]}, r"variants = \[1\]"),
    ({"runs": True}, "runs = True"),
    ({"run_name": 3}, "run_name = 3"),
    ({"run_name": "x" * 300}, "of 300 letters"),
    ({"run_name": "a/b"}, "run name 'a/b'"),
    ({"run_name": "latest"}, "run name 'latest'"),
    ({"profile": 1}, "profile = 1"),
    ({"threads": 0}, "0 threads"),
    ({"threads": 1.5}, "1.5 threads"),
    ({"threads": True}, "True threads"),
    ({"threads": "two"}, "'two' threads"),
    ({"margin_points": -1}, "a margin of -1 AP points"),
    ({"margin_points": 1000}, "a margin of 1000 AP points"),
    ({"margin_points": None}, "a margin of None AP points"),
    ({"margin_points": math.nan}, "a margin of nan AP points"),
    ({"width_percent": 0}, "a width of 0 %"),
    ({"width_percent": "2"}, "a width of '2' %"),
    ({"power_w": (1e-300, 1e300)}, "power_w"),
    ({"power_w": (9, 3)}, "power_w"),
    ({"power_w": "3 9"}, "power_w"),
    ({"power_w": [3]}, "power_w"),
    ({"meter": "watt"}, "meter 'watt'"),
    ({"region": "CH"}, "region 'CH'.*Did you mean 'CHN'"),
    ({"coco_dir": 3}, "coco_dir = 3"),
    ({"coco_dir": "/no/such"}, "for profile 'smoke', which draws its own"),
    ({"profile": "coco", "coco_dir": "/no/such"}, "/no/such does not exist"),
    ({"model_dir": "/no/such"}, "/no/such does not exist"),
]


@pytest.mark.parametrize(("options", "found"), WRONG, ids=[str(options) for options, _ in WRONG])
def test_a_wrong_option_is_one_clear_error(options, found):
    with pytest.raises(LabError, match=found) as caught:
        open_run(**({"profile": "smoke"} | options))
    assert caught.value.expected
    assert caught.value.cure


def test_what_papermill_makes_of_one_name_is_one_name():
    run = open_run("smoke", models="yolov3_tiny", variants="int8", runs="other", power_w=None)
    assert [model.id for model in run.models] == ["yolov3_tiny"]
    assert [variant.id for variant in run.variants] == ["float32", "int8"]
    assert len(run.runs) == 1
    assert open_run("smoke", models=None, variants="", run_name=None) == open_run("smoke")


def test_an_environment_variable_for_other_profiles_stops_none(monkeypatch):
    monkeypatch.setenv("COCO_DIR", "/no/such")
    assert open_run("smoke").coco_dir is None
    with pytest.raises(LabError, match="does not exist"):
        open_run("coco-smoke")


def test_every_profile_with_photos_of_ones_own_can_be_tried_small(tmp_path):
    small = open_run("coco-smoke", coco_dir=str(tmp_path)).profile
    assert small.images == min(profile.images for profile in PROFILES.values())
