"""What results come from (origins), and records of successes and failures."""

import dataclasses
from typing import Any

import pytest

from helpers.lab import host
from helpers.lab.records import current_record, read_record
from helpers.run.experiment import keep, keep_failure, open_run, origin

CODE = "helpers.photos.decoding"


@pytest.fixture
def source(tmp_path):
    path = tmp_path / "input.bin"
    path.write_bytes(b"one")
    return path


@pytest.fixture
def made_from(source):
    return origin({"file": source, "upstream": "abc"}, {"seed": 1}, CODE)


def test_the_same_inputs_parameters_and_code_give_the_same_key(source, made_from):
    assert origin({"upstream": "abc", "file": source}, {"seed": 1}, CODE).key == made_from.key
    assert made_from.inputs["upstream"] == "abc"
    assert made_from.setting == host.setting()


def test_content_of_an_input_decides_and_its_name_and_time_do_not(source, made_from, tmp_path):
    moved = tmp_path / "elsewhere" / "other.bin"
    moved.parent.mkdir()
    moved.write_bytes(b"one")
    assert origin({"file": moved, "upstream": "abc"}, {"seed": 1}, CODE).key == made_from.key
    source.write_bytes(b"two")
    assert origin({"file": source, "upstream": "abc"}, {"seed": 1}, CODE).key != made_from.key


def test_a_folder_counts_with_all_that_lies_in_it(tmp_path):
    folder = tmp_path / "model"
    (folder / "variables").mkdir(parents=True)
    (folder / "variables" / "data").write_bytes(b"1")
    before = origin({"model": folder}, {}, CODE).key
    (folder / "variables" / "data").write_bytes(b"2")
    assert origin({"model": folder}, {}, CODE).key != before


@pytest.mark.parametrize(
    "change",
    [
        {"inputs": {"upstream": "abd"}},
        {"parameters": {"seed": 2}},
        {"modules": ("helpers.tasks.detection.tails.ssd",)},
    ],
    ids=lambda change: next(iter(change)),
)
def test_each_part_of_an_origin_changes_the_key(change):
    usual = {"inputs": {"upstream": "abc"}, "parameters": {"seed": 1}, "modules": (CODE,)}
    keys = []
    for parts in (usual, usual | change):
        keys.append(origin(parts["inputs"], parts["parameters"], *parts["modules"]).key)
    assert keys[0] != keys[1]


def test_another_host_is_another_origin(made_from):
    elsewhere = dataclasses.replace(made_from, setting={**made_from.setting, "host_id": "another"})
    assert elsewhere.key != made_from.key


def test_a_kept_result_is_current_until_its_output_changes(tmp_path, made_from):
    path, output = tmp_path / "records" / "r.json", tmp_path / "records" / "out.npz"
    output.parent.mkdir()
    output.write_bytes(b"whole")
    kept = keep(path, "score", made_from, {"ap": 0.5}, [output])
    found = current_record(path, Any, made_from)
    assert (found.values["ap"], found.failure, found.kind) == (0.5, "", "score")
    assert found.provenance == kept.provenance
    output.write_bytes(b"damaged")
    assert current_record(path, Any, made_from) is None
    output.unlink()
    assert current_record(path, Any, made_from) is None


def test_a_result_of_another_origin_is_not_current(tmp_path, made_from):
    path = tmp_path / "r.json"
    keep(path, "score", made_from, {})
    assert current_record(path, Any, dataclasses.replace(made_from, parameters={"seed": 2})) is None


def test_a_failure_keeps_its_reason_and_has_no_values(tmp_path, made_from):
    path = tmp_path / "r.json"
    keep_failure(path, "variant", made_from, "no kernel for it")
    record = read_record(path, Any, "")
    assert (record.failure, record.values, dict(record.outputs)) == ("no kernel for it", None, {})


def test_options_of_a_run_reach_it():
    run = open_run("smoke", threads=2, meter="none", power_w=[1, 3])
    assert (run.threads, run.meter, run.power_w) == (2, "none", (1, 3))
    usual = open_run("smoke")
    assert (usual.threads, usual.meter, usual.power_w) == (1, "auto", None)
