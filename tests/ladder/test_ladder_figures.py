"""The figures of 07: marks at the right places, theory by an independent computation, odd tables."""

import numpy as np
import pandas as pd
import pytest
from scipy.integrate import quad
from scipy.stats import norm

from helpers.ladder.claims import answers
from helpers.ladder.figures.bits import ap_against_bits
from helpers.ladder.figures.gains import gains
from helpers.ladder.figures.levels import levels_of_kinds
from helpers.ladder.figures.noise import DB_PER_BIT, lloyd_max_db, noise_against_bits
from helpers.ladder.one_tensor import OneTensor
from helpers.ladder.tables import COLUMNS, name_of
from helpers.run.forms import IN_LADDER
from helpers.show.context import Context
from tests.support.figure_checks import lines_by_gid, overlapping

CONTEXT = Context(run="quick", images=500, resamples=2000, commit="0123456789", host="a machine")
# Max 1960, table I: mean squared error of 2, 4, 8, 16, 32 levels, for a variance of 1.
MAX_1960 = {2: 0.3634, 4: 0.1175, 8: 0.03454, 16: 0.009497, 32: 0.002499}


def example_frame(forms=IN_LADDER, model: str = "m") -> pd.DataFrame:
    """A ladder with made-up numbers: AP falls with the bits."""
    rows = []
    for place, form in enumerate(forms):
        bits = 32 * 0.94**place
        ap = 0.5 - 0.5 / bits**2
        row = {**name_of(model, form), "weight_bits": bits, "activation_bits": 32, "size_bytes": None}
        row |= {
            "coded_bytes": int(1000 * bits),
            "download_bytes": int(900 * bits),
            "sqnr_db": 2 * bits,
            "failed": "",
        }
        row |= {"ap": ap, "ap_low": ap - 0.02, "ap_high": ap + 0.02}
        if form != "float32":
            row |= {"ap_diff": ap - 0.5, "ap_diff_low": ap - 0.51, "ap_diff_high": ap - 0.49}
        rows.append(row)
    return pd.DataFrame(rows, columns=list(COLUMNS))


def test_lloyd_and_max_are_those_of_the_literature():
    for levels, error in MAX_1960.items():
        assert lloyd_max_db(levels) == pytest.approx(-10 * np.log10(error), abs=0.01)


def test_one_bit_is_that_of_a_closed_form():
    """Two levels at ±sqrt(2 / pi); the error, integrated."""
    level = np.sqrt(2 / np.pi)
    error, _ = quad(lambda x: (x - level) ** 2 * 2 * norm.pdf(x), 0, np.inf)
    assert lloyd_max_db(2) == pytest.approx(-10 * np.log10(error), abs=1e-6)


def test_no_scalar_quantizer_beats_the_line_of_6_db_a_bit():
    found = [lloyd_max_db(2**bits) for bits in range(1, 9)]
    assert all(db < DB_PER_BIT * bits for bits, db in enumerate(found, 1))
    assert np.all(np.diff(found) > 4)
    assert np.diff(found)[-1] == pytest.approx(DB_PER_BIT, abs=0.2)


def test_every_form_stands_at_its_bits_and_its_ap_with_its_interval():
    frame = example_frame()
    figure = ap_against_bits(frame, "m", CONTEXT)
    found = lines_by_gid(figure)
    for row in frame.to_dict("records")[1:]:
        for line in found[f"value:{row['variant']}"]:
            assert (line.get_xdata()[0], line.get_ydata()[0]) == (row["weight_bits"], 100 * row["ap"])
        low, high = found[f"interval:{row['variant']}"][0].get_ydata()
        base = 100 * frame["ap"].iloc[0]
        assert low == pytest.approx(max(0, base + 100 * row["ap_diff_low"]))
        assert high == pytest.approx(max(0, base + 100 * row["ap_diff_high"]))
    assert "value:float32" not in found
    assert "n = 500 images" in figure.caption
    assert not overlapping(figure)


@pytest.mark.parametrize(
    "forms", [("float32",), ("float32", "ternary"), ("float32", "float16", "ternary+edges")]
)
def test_figures_of_few_forms_are_drawn(forms):
    frame = example_frame(forms)
    for draw in (ap_against_bits, noise_against_bits):
        figure = draw(frame, "m", CONTEXT)
        assert not overlapping(figure)


def test_a_form_that_failed_is_not_drawn():
    frame = example_frame(("float32", "ternary", "binary"))
    frame.loc[2, [c for c in COLUMNS if c not in ("model", "variant", "kind", "deployable", "failed")]] = (
        np.nan
    )
    frame.loc[2, "failed"] = "no weights"
    assert "value:binary" not in lines_by_gid(ap_against_bits(frame, "m", CONTEXT))
    assert "value:binary" not in lines_by_gid(noise_against_bits(frame, "m", CONTEXT))


def test_noise_leaves_out_what_is_unchanged_and_what_keeps_layers():
    frame = example_frame(("float32", "float16", "ternary", "ternary+edges"))
    frame.loc[0, "sqnr_db"], frame.loc[1, "sqnr_db"] = 140.0, 73.0
    found = lines_by_gid(noise_against_bits(frame, "m", CONTEXT))
    values = {name for name in found if str(name).startswith("value:")}
    assert values == {"value:float16", "value:ternary"}


def test_gains_have_a_row_per_pair_but_those_of_nothing():
    shown = {"uniform-4-channel-lse": 0.43, "codebook-16": 0.4, "uniform-4-tensor-lse": 0.35, "ternary": 0.0}
    shown |= {"ternary+edges": 0.0, "float16": 0.5, "float32": 0.5}
    noise = np.random.default_rng(3).normal(0, 0.003, (len(shown), 200))
    draws = {
        form: np.concatenate([[ap], ap + own]) if ap else np.zeros(201)
        for (form, ap), own in zip(shown.items(), noise, strict=True)
    }
    figure = gains(answers(draws, 1.0), "m", 1.0, CONTEXT)
    labels = [text.get_text() for text in figure.axes[0].get_yticklabels()]
    assert labels == [
        "float16",
        "4-channel-lse − 4-tensor-lse",
        "codebook-16 − 4-tensor-lse",
        "codebook-16 − 4-channel-lse",
    ]
    assert gains([], "m", 1.0, CONTEXT).caption


def test_levels_have_a_row_per_kind_and_a_line_per_level():
    weights = np.linspace(-1, 1, 200, dtype=np.float32)
    kept = {
        "ternary": np.sign(np.rint(weights)) * np.float32(0.8),
        "binary": np.sign(weights) * np.float32(0.5),
    }
    opened = OneTensor("m", "layer", 3, weights, kept, {"ternary": 1.7, "binary": 1.1})
    figure = levels_of_kinds(opened, CONTEXT)
    rows = {lines.get_gid(): lines for lines in figure.axes[1].collections}
    places = [segment[0][0] for segment in rows["levels:ternary"].get_segments()]
    assert places == pytest.approx([-0.8, 0, 0.8])
    assert len(rows["levels:binary"].get_segments()) == 2
    error = np.sum((kept["binary"].astype(float) - weights) ** 2)
    assert opened.noise_db("binary") == pytest.approx(
        10 * np.log10(np.sum(weights.astype(float) ** 2) / error)
    )
