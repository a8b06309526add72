"""Machines side by side as a table, and what else is said of them."""

from hypothesis import given, settings
from hypothesis import strategies as st

from helpers.compare.figures.rows_machines import Machine
from helpers.compare.tables.machines import ap_note, machines_table, notes
from tests.support.example_machines import pair, slower
from tests.support.example_results import ALL, NAN, USUAL, example_results, fail


@settings(max_examples=25)
@given(st.floats(0.01, 100))
def test_the_table_scales_latency_and_leaves_each_machines_own_ratios(factor):
    both = pair(slower(example_results(), factor))
    table = machines_table(both).set_index(["Variant", "Machine"])
    assert len(table) == 2 * (len(USUAL) - 1)
    for row in both[1].results.iloc[:-1].to_dict("records"):
        first, second = table.loc[row["variant"]].to_dict("records")
        assert second["Latency p50 (ms)"].startswith(f"{row['latency_ms_p50']:.2f} [")
        assert first["Latency ratio"] == second["Latency ratio"]
        assert first["AP"] == second["AP"]


def test_the_table_gives_each_machine_its_noise_floor_grade_meter_and_threads():
    results = slower(fail(example_results(), "int8"), 2, "A")
    results.loc[results["variant"] == "float32-control", "latency_ratio_high"] = 1.25
    both = pair(results[results["variant"] != "float16"], threads=8, meter="pyRAPL")
    table = machines_table(both)
    theirs = table[table["Machine"].str.startswith("B")].set_index("Variant")
    assert all(text.startswith("1 ± 0.250") for text in theirs["Noise floor"])
    assert set(theirs["Meter"]) == {"pyRAPL"}
    assert set(theirs["Threads"]) == {"8"}
    assert theirs.loc["int8-dynamic", "Grade"] == "A"
    assert theirs.loc["int8", "AP"].startswith("failed: kernels")
    assert theirs.loc["float16", "AP"] == "n/a: not in run run-B"
    ours = table[table["Machine"].str.startswith("A")]
    assert set(ours["Noise floor"]).isdisjoint(theirs["Noise floor"])


@settings(max_examples=40)
@given(st.floats(-0.01, 0.01).filter(lambda gap: abs(abs(gap) - 1e-4) > 1e-9))
def test_ap_is_said_to_differ_exactly_where_it_does(gap):
    results = example_results()
    results.loc[results["variant"] == "int8", "ap"] += gap
    text = ap_note(*pair(results))
    assert ("differs" in text) == (abs(gap) > 1e-4)
    assert ("int8 " in text) == (abs(gap) > 1e-4)


def test_ap_is_not_judged_where_photos_differ_or_none_is_there():
    assert "different photos" in ap_note(*pair(example_results(), images=100))
    assert "No variant has an AP" in ap_note(*pair(example_results().assign(ap=NAN)))


def test_notes_say_what_differs_beside_the_machine_and_nothing_where_nothing_does():
    first, second = pair(slower(example_results(ALL), 2, "A"), profile="full", threads=2, commit="f" * 40)
    hosts = [
        {"packages": {"ai-edge-litert": "2.3"}, "isa_flags": ["avx2", "amx_int8"], "hypervisor": "no"},
        {"packages": {"ai-edge-litert": "2.2"}, "isa_flags": ["avx2"], "hypervisor": "KVM"},
    ]
    both = [Machine(m.letter, m.results, m.context, h) for m, h in zip([first, second], hosts, strict=True)]
    text = " ".join(notes(both))
    for part in (
        "Different profiles: A quick, B full.", "Different numbers of threads: A 1, B 2.",
        "Different commits of the code: A 0123456789, B ffffffffff.", "ai-edge-litert 2.3 and 2.2",
        "Instructions of A that B lacks: amx_int8.", "int16x8 of", "run run-B, a virtual machine.",
        "Energies of different grades are not to be compared",
    ):  # fmt: skip
        assert part in text
    assert "Instructions of B" not in text
    same = " ".join(notes(pair(slower(example_results(), 2))))
    assert "ifferent" not in same
