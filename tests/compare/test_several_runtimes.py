"""Results of two runtimes: what is held against what, and by which name."""

import pandas as pd
import pytest

from helpers.compare.answer import About, answers
from helpers.compare.figures.accuracy import ap_difference
from helpers.compare.figures.pareto import MARKERS, pareto
from helpers.compare.findings import headlines
from helpers.compare.tables.writing import table_note
from tests.support.example_results import CONTEXT, example_results

FORMS = ("float32", "int8", "float16", "float32-control")
FASTER = 0.5  # OpenVINO's time of each form, of LiteRT's


def two_runtimes() -> pd.DataFrame:
    """Of each form one in LiteRT and one in OpenVINO, which takes half of the time and 10 % more space."""
    home = example_results(FORMS).assign(runtime="LiteRT")
    for end in ("", "_low", "_high"):
        home[f"latency_across_ratio{end}"] = home[f"latency_ratio{end}"]
    other = home.assign(runtime="OpenVINO", variant=home["variant"] + "@openvino")
    other["size_bytes"] *= 1.1
    for end in ("", "_low", "_high"):
        other[f"latency_ms_p50{end}"] *= FASTER
        other[f"latency_across_ratio{end}"] *= FASTER
    base = other["variant"] == "float32@openvino"
    other.loc[base, ["latency_across_ratio_low", "latency_across_ratio_high"]] = [0.495, 0.505]
    other.loc[base, ["ap_diff_low", "ap_diff_high", "ap_joint_low", "ap_joint_high"]] = 0.0
    other.loc[base, "ap_within"] = "yes"
    return pd.concat([home, other], ignore_index=True)


@pytest.fixture(scope="module")
def results() -> pd.DataFrame:
    return two_runtimes()


def test_the_answer_names_the_runtime_of_what_to_deploy_and_of_what_it_is_held_against(results):
    [sentences] = answers(results, CONTEXT).values()
    said = {each.about: each for each in sentences}
    speed = said[About.SPEED]
    assert speed.forms
    assert all(form.endswith("in OpenVINO") for form in speed.forms)
    assert "than float32 in LiteRT" in speed.whole
    assert "float32 in LiteRT" in said[About.ACCURACY].deploy
    assert "@" not in " ".join(each.whole for each in sentences if each.about is not About.UNKNOWN)


def test_a_form_is_held_against_float32_of_its_runtime_and_that_against_the_models_own(results):
    said = {variant: text for (_, variant), text in headlines(results).items()}
    assert set(said) == {"float16", "int8", "float32@openvino", "float16@openvino", "int8@openvino"}
    other = said["int8@openvino"]
    assert "1.69× faster" in other
    assert "than float32@openvino" in other
    assert "0.31× float32@openvino's file size (996 kB against 3.2 MB)" in other
    assert "than float32" not in said["int8"]
    base = said["float32@openvino"]
    assert "2.00× faster" in base
    assert "than float32;" in base
    assert "1.10× float32's file size" in base


def test_a_runtime_has_a_marker_and_a_form_its_colour(results):
    figure = pareto(results, CONTEXT)
    assert "marker: the runtime" in figure.caption
    assert all(f" {runtime}" in figure.caption for runtime in ("LiteRT", "OpenVINO"))
    looks = {MARKERS[runtime]: set() for runtime in ("LiteRT", "OpenVINO")}
    for line in figure.axes[0].lines:
        marker, colour = line.get_marker(), line.get_markerfacecolor()
        if marker in looks:
            looks[marker].add(str(colour))
    ours, other = looks.values()
    assert len(ours) >= 3
    assert ours == other


def test_captions_and_notes_say_to_which_float32_only_where_there_are_several(results):
    one = results[results["runtime"] == "LiteRT"]
    assert "to float32 of the same runtime" in ap_difference(results, CONTEXT).caption
    assert "of the same runtime" not in ap_difference(one, CONTEXT).caption
    assert "variant / float32 of the same runtime; across runtimes" in table_note(results, CONTEXT)
    assert "variant / float32." in table_note(one, CONTEXT)
