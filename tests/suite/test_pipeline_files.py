"""A finished run: its figures, report and notebooks stand by themselves."""

import html.parser
import json
import re
from pathlib import Path

import pandas as pd
import pytest
from PIL import Image

from helpers.compare.figures.catalogue import FIGURES
from helpers.lab.paths import NOTEBOOKS, ROOT
from helpers.run.variants import CONTROL, VARIANTS
from helpers.suite.ledger import STAGES
from tests.support.finished_run import finish

CHATTER = r"oneDNN|INFO:|\bINFO\b|WARNING|Warning|captures|delegate|rebuild TensorFlow|cuda|Assets written"
every_stage = pytest.mark.parametrize("stage", STAGES)


@pytest.fixture(scope="session")
def finished(lab_data):
    return finish(lab_data)


@pytest.fixture(scope="module")
def results(finished) -> pd.DataFrame:
    return pd.read_csv(finished.run.paths.results("csv"), keep_default_na=False, na_values=[""])


def executed(finished, stage: str) -> dict:
    return json.loads(finished.run.paths.executed_notebook(stage).read_text())


def printed_in(notebook: dict) -> list[str]:
    """What cells printed, and results as text."""
    outputs = [output for cell in notebook["cells"] for output in cell.get("outputs", [])]
    texts = [output.get("text") or output.get("data", {}).get("text/plain", "") for output in outputs]
    return ["".join(text) for text in texts]


@pytest.mark.parametrize("figure", FIGURES)
def test_every_figure_is_there_as_png_and_pdf(finished, figure):
    folder = finished.run.paths.figures
    with Image.open(folder / f"{figure}.png") as picture:
        assert min(picture.size) > 300
        assert all(low < high for low, high in picture.convert("RGB").getextrema())
    content = (folder / f"{figure}.pdf").read_bytes()
    assert content.startswith(b"%PDF")
    assert b"/FontFile" in content


class Resources(html.parser.HTMLParser):
    """What a page loads, what it links to, and what it holds of pictures."""

    def __init__(self):
        super().__init__()
        self.loaded, self.links, self.pictures = [], [], 0

    def handle_starttag(self, tag, attributes):
        named = dict(attributes)
        if tag == "a":
            self.links.append(named.get("href", ""))
        elif tag in ("link", "script", "iframe", "object", "embed"):
            self.loaded.append(named.get("href") or named.get("src") or named.get("data"))
        elif named.get("src", "").startswith("data:image/"):
            self.pictures += 1
        elif "src" in named or "srcset" in named:
            self.loaded.append(named.get("src") or named.get("srcset"))


def test_the_report_stands_by_itself(finished):
    text = finished.run.paths.report.read_text()
    page = Resources()
    page.feed(text)
    assert [address for address in page.loaded if address] == []
    assert page.pictures >= len(FIGURES)
    assert not re.search(r"@import|url\((?!['\"]?data:)", text)
    assert all(variant in text for variant in (*VARIANTS, CONTROL))
    assert str(finished.data) not in text


def test_what_the_report_links_to_is_there(finished):
    page = Resources()
    page.feed(finished.run.paths.report.read_text())
    beside = [a for a in page.links if not a.startswith(("http", "#"))]
    assert "results.csv" in beside
    assert [a for a in beside if not (finished.folder / a).exists()] == []


def test_latest_points_to_the_run(finished):
    assert finished.latest == "smoke"


def test_the_command_ends_by_naming_the_files_it_made(finished):
    lines = [line.strip() for line in finished.printed.splitlines()]
    named = lines[next(i for i, line in enumerate(lines) if "is complete" in line) + 1 :]
    assert named[0].endswith("report.html")
    files = [Path(line) if Path(line).is_absolute() else ROOT / line for line in named if line]
    assert all(path.is_file() for path in files)
    names = {path.name for path in files}
    assert {"results.csv", "results.md", "results.tex", *(f"{name}.ipynb" for name in STAGES)} <= names
    assert {f"{figure}.png" for figure in FIGURES} <= names


def test_the_command_tells_each_stage_why_it_runs_and_how_long_it_took(finished):
    for number, stage in enumerate(STAGES, start=1):
        assert re.search(rf"{number}/{len(STAGES)} {stage} .*\(not run yet\)", finished.printed)
    assert len(re.findall(r"^ +done in ", finished.printed, re.M)) == len(STAGES)


def test_the_command_prints_no_library_chatter(finished):
    assert re.findall(rf".*(?:{CHATTER}).*", finished.printed) == []


@every_stage
def test_executed_notebooks_ran_to_their_end_without_errors(finished, stage):
    notebook = executed(finished, stage)
    code = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    assert [cell for cell in code if cell["execution_count"] is None] == []
    kinds = {output["output_type"] for cell in code for output in cell["outputs"]}
    assert "error" not in kinds
    assert kinds & {"execute_result", "display_data"}


@every_stage
def test_executed_notebooks_hold_no_library_chatter(finished, stage):
    found = [text for text in printed_in(executed(finished, stage)) if re.search(CHATTER, text)]
    assert found == []


@every_stage
def test_executed_notebooks_hold_no_bare_objects(finished, stage):
    """The text of a record or of a detector is nothing to read."""
    assert [
        t[:80] for t in printed_in(executed(finished, stage)) if re.match(r"(Record|Dataset|Parity)\(", t)
    ] == []


@every_stage
def test_running_leaves_the_committed_notebook_as_it_is(finished, stage):
    text = (NOTEBOOKS / f"{stage}.ipynb").read_text()
    assert str(finished.data) not in text
    assert all(cell.get("outputs", []) == [] for cell in json.loads(text)["cells"])


def test_executed_notebooks_were_run_with_the_runs_parameters(finished):
    for stage in STAGES:
        cells = executed(finished, stage)["cells"]
        given = [
            "".join(c["source"]) for c in cells if "injected-parameters" in c["metadata"].get("tags", [])
        ]
        assert len(given) == 1
        assert 'profile = "smoke"' in given[0]
