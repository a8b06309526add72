"""Operators' times are LiteRT's, add up to the whole, and who ran each is told."""

import json
import re
from dataclasses import replace

import pytest

from helpers.energy.why.answers import casts_text, kinds_frame, reasons, table
from helpers.energy.why.reasons import delegated, explain_files, int8_kernels, profiled, usable_isa
from helpers.energy.why.records import Cast, Copy, Machine, Why
from helpers.lab.intervals import Absent
from helpers.lab.records import jsonable, structured
from helpers.quantize.recipes.catalogue import quantize_file
from helpers.run.variants import VARIANTS
from helpers.runtimes.catalogue import get_runtime
from helpers.runtimes.kinds_of_operators import (
    ALL_KINDS,
    CASTS,
    DENSE,
    DEPTHWISE,
    ELEMENTWISE,
    MOVES,
    OTHER,
    POINTWISE,
)
from helpers.runtimes.litert import c_interface as litert_c
from helpers.runtimes.litert import operator_times_probe
from helpers.runtimes.litert.operator_kinds import LITERT, XNNPACK
from helpers.runtimes.litert.operator_times import (
    kind_of_name,
    operators_of,
    summarized,
    whole_of,
)
from helpers.runtimes.litert.reader import read_graph
from tests.support.why_models import stack_core, stack_images

pytestmark = pytest.mark.filterwarnings("ignore:.*experimental_preserve_all_tensors")
INVOCATIONS = 6
MACHINE = Machine({"float32": 1e11, "int8": 1e12, "int8-dynamic": 5e11}, (Copy(65536, 1e11),))
WHOLE = [1, "Invoke", 0, 100]


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    source = stack_core(tmp_path_factory.mktemp("stack") / "source.tflite")
    made = {name: source.with_name(f"{name}.tflite") for name in ("float32", "int8-dynamic")}
    for name, file in made.items():
        quantize_file(source, VARIANTS[name], stack_images(1), file)
    return made


@pytest.fixture(scope="module")
def explained(files):
    return explain_files(files, MACHINE, INVOCATIONS)


def test_every_convolution_of_the_file_is_in_the_profile(explained):
    for about in explained.variants.values():
        kinds = [timed.kind for timed in about.profile.operators]
        assert [kinds.count(kind) for kind in (DENSE, DEPTHWISE, POINTWISE)] == [1, 1, 2]


def test_operators_and_the_rest_add_up_to_the_whole(explained):
    for about in explained.variants.values():
        profile = about.profile
        total = sum(timed.us for timed in profile.operators)
        assert total + profile.between_us == pytest.approx(profile.whole_mean_us)
        # Each time is cut to whole microseconds.
        assert total <= profile.whole_mean_us + len(profile.operators)
        assert len(profile.whole_us) == len(profile.plain_us) == INVOCATIONS


def test_depthwise_convolutions_of_dynamic_int8_are_left_to_litert(explained, files):
    dynamic = explained.variants["int8-dynamic"]
    own = [timed for timed in dynamic.profile.operators if timed.runs_by == LITERT]
    assert [timed.kind for timed in own] == [DEPTHWISE]
    graph = read_graph(files["int8-dynamic"])
    assert graph.operators[own[0].node].type == "DEPTHWISE_CONV_2D"
    assert dynamic.delegated.left == {"DEPTHWISE_CONV_2D": 1}
    depthwise = 16 * 16 * 8 * 9 / graph.macs
    assert dynamic.delegated.macs == pytest.approx(1 - depthwise)
    assert explained.variants["float32"].delegated.operators == 1


def test_what_was_found_is_json_and_the_table_is_whole(explained):
    again = structured(Why, json.loads(json.dumps(jsonable(explained))))
    assert again == explained
    assert table(again).equals(table(explained))
    rows = table(explained).set_index("variant")
    shares = [int(share) for share in re.findall(r"(\d+)%", rows.loc["int8-dynamic", "slowest"])]
    assert len(shares) == 3
    assert shares == sorted(shares, reverse=True)
    assert not rows.isna().any().any()
    assert rows.loc["float32", "by XNNPACK (multiply-adds)"] == "100%"


def test_rows_of_the_figure_add_up_to_each_profile(explained):
    frame = kinds_frame(explained, "stack")
    assert set(frame["kind"]) <= set(ALL_KINDS)
    for variant, rows in frame.groupby("variant"):
        whole = explained.variants[variant].profile.whole_mean_us
        assert rows["time_ms"].sum() == pytest.approx(whole / 1e3)
        assert rows["share"].sum() == pytest.approx(1)


def test_the_reason_is_the_difference_of_the_wholes(explained):
    times = {name: about.profile.whole_mean_us for name, about in explained.variants.items()}
    change = (times["int8-dynamic"] - times["float32"]) / 1e3
    told, rest = reasons(explained)["int8-dynamic"].split(" ms against float32: ")
    # A sum of differences may be rounded the other way than the difference of the sums.
    assert float(told) == pytest.approx(change, abs=0.0051)
    assert rest


def test_a_file_that_cannot_be_profiled_is_a_reason_everywhere(explained, tmp_path):
    broken = tmp_path / "broken.tflite"
    broken.write_bytes(b"\0\0\0\0TFL3 and nothing more")
    profile = profiled(get_runtime("litert"), broken, 1, 1)
    assert profile.reason
    whole = explained.variants["float32"]
    about = replace(whole, profile=profile, delegated=delegated(None, profile))
    broke = replace(explained, variants={**explained.variants, "int8": about})
    row = table(broke).set_index("variant").loc["int8"]
    for column in ("measured (ms)", "share of bound", "slowest", "by XNNPACK (operators)"):
        assert row[column] == f"n/a: {profile.reason}"
    assert reasons(broke)["int8"] == f"n/a: {profile.reason}"
    assert kinds_frame(broke).query("variant == 'int8'")["failed"].tolist() == [profile.reason]


def test_without_the_library_the_probe_says_so(monkeypatch, capsys, files):
    monkeypatch.setattr(litert_c, "LIBRARIES", ("libNone.so",))
    assert operator_times_probe.main([str(files["float32"]), "1", "1"]) == 1
    assert litert_c.NO_PROFILER in capsys.readouterr().err


def test_no_bound_is_given_for_several_threads(files):
    about = explain_files(files, MACHINE, 1, threads=2).variants["float32"]
    assert about.bound == Absent("the peaks are those of one thread")


def test_events_become_operators_and_the_runner_is_told():
    events = [
        WHOLE,
        [8, "Convolution (NHWC, F32) DWConv", 0, 5],
        [2, "ADD", 7, 3],
        [2, "XnnpackDelegate", 9, 9],
        [32, "Invoke", 0, 2**32],
    ]
    told = [(op["kind"], op["runs_by"], op["node"], op["us"]) for op in operators_of(events)]
    assert told == [(DEPTHWISE, XNNPACK, None, 5), (ELEMENTWISE, LITERT, 7, 3)]
    assert whole_of(events) == 100
    assert whole_of(events[1:]) is None


def test_means_are_over_the_faster_half_of_the_invocations():
    times = ((10, 4), (99, 90), (12, 6), (50, 9))
    runs = [[[1, "Invoke", 0, whole], [8, "Add (ND)", 0, part]] for whole, part in times]
    found = summarized({"invocations": runs})
    assert found["whole_mean_us"] == 11
    assert [op["us"] for op in found["operators"]] == [5]
    assert found["between_us"] == 6


@pytest.mark.parametrize(
    "runs",
    [
        [[WHOLE, [8, "Add (ND)", 0, 1]], [WHOLE, [8, "Copy", 0, 1]]],
        [[[8, "Add (ND)", 0, 1]]],
        [[WHOLE, [77, "Add (ND)", 0, 1]]],
    ],
)
def test_events_of_another_shape_are_not_taken_for_times(runs):
    assert "absent" in summarized({"invocations": runs})


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("Convolution (NHWC, QC8) DWConv", DEPTHWISE),
        ("DEPTHWISE_CONV_2D", DEPTHWISE),
        ("Fully Connected (NC, QS8, QC8W) GEMM", POINTWISE),
        ("Convolution (NHWC, F32) IGEMM", DENSE),
        ("CONV_2D", DENSE),
        ("Convert (NC, F32, QD8)", CASTS),
        ("DEQUANTIZE", CASTS),
        ("Add (ND)", ELEMENTWISE),
        ("Copy (NC, X32)", MOVES),
        ("Static Reshape (NC)", MOVES),
        ("RESIZE_NEAREST_NEIGHBOR", MOVES),
        ("Global Average Pooling", OTHER),
    ],
)
def test_kinds_are_read_from_names(name, kind):
    assert kind_of_name(name) == kind
    assert kind in ALL_KINDS


def test_flags_that_a_dtype_can_use():
    flags = ["avx2", "fma", "avx512_vnni", "amx_int8", "avx512_fp16"]
    assert usable_isa("int8", flags) == ("amx_int8", "avx512_vnni", "avx2")
    assert usable_isa("int8-dynamic", flags) == usable_isa("int8", flags)
    assert usable_isa("float32", flags) == ("fma", "avx2")


@pytest.mark.parametrize(
    ("gain", "flags", "amx"), [(12, ["amx_int8"], True), (12, [], False), (3, ["amx_int8"], False)]
)
def test_amx_is_named_only_where_vnni_could_not_reach_it(gain, flags, amx):
    machine = Machine({"float32": 1e11, "int8": gain * 1e11}, ())
    assert ("so AMX is in use" in int8_kernels(machine, flags)) == amx


def test_casts_and_rescalings_are_counted_apart():
    cast = Cast(3, "QUANTIZE", "CONV_2D", "output", "float32", "int8")
    rescaling = replace(cast, from_dtype="int8")
    assert casts_text([cast, rescaling, rescaling], 0) == "1 between dtypes, 2 rescalings"
    assert casts_text([], 86) == "86 folded at load"
    assert casts_text([], 0) == "none"
