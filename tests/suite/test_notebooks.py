"""The form of every notebook, and what papermill may pass to it."""

import ast
import json
import re
import statistics

import papermill
import pytest

from helpers.compare.figures.catalogue import FIGURES
from helpers.lab.errors import LabError
from helpers.lab.fingerprint import PACKAGE
from helpers.lab.paths import NOTEBOOKS
from helpers.run.experiment import open_run
from helpers.suite import pipeline
from helpers.suite.ledger import STAGES, get_stage
from helpers.suite.opening import badge, setup_cell

NAMES = sorted(path.stem for path in NOTEBOOKS.glob("*.ipynb"))
LONGEST_CELL, USUAL_CELL, MOST_CELLS = 15, 5, 40
COMMON = ("profile", "run_name", "models", "variants")
# What shows a table, a figure or facts as a cell's last expression.
SHOWS = ("neat", "facts", "display_table", "sample_sheet", "picture")
# Figures of the report bring their own text: they are shown with it.
TOLD_BY_THE_FIGURE = ("draw", "layer_figure", "speed_figure")
SHORT = 40  # characters; shorter sentences may stand in several places


def read(name: str) -> dict:
    return json.loads((NOTEBOOKS / f"{name}.ipynb").read_text())


def cells_of(name: str) -> list[dict]:
    return read(name)["cells"]


def source_of(cell: dict) -> str:
    return "".join(cell["source"])


def code_of(name: str) -> list[str]:
    return [source_of(cell) for cell in cells_of(name) if cell["cell_type"] == "code"]


def own_code(name: str) -> list[str]:
    """All code but the set-up cell, which is the same everywhere."""
    return [source for source in code_of(name) if source != setup_cell()]


def lines_of(source: str) -> int:
    return len([line for line in source.splitlines() if line.strip()])


def displays(source: str) -> bool:
    """Whether the last line shows a table or a figure."""
    last = ast.parse(source).body[-1]
    if not isinstance(last, ast.Expr):
        return False
    if isinstance(last.value, ast.Call):
        function = last.value.func
        return (function.attr if isinstance(function, ast.Attribute) else function.id) in SHOWS
    return isinstance(last.value, ast.Name)


every_notebook = pytest.mark.parametrize("name", NAMES)


def test_there_is_one_notebook_per_stage():
    assert list(STAGES) == NAMES


@every_notebook
def test_it_opens_with_title_and_question_setup_parameters_and_imports(name):
    title, setup, words, parameters, imports = cells_of(name)[:5]
    assert [c["cell_type"] for c in (title, setup, words, parameters, imports)] == [
        "markdown", "code", "markdown", "code", "code",
    ]  # fmt: skip
    heading, *rest = source_of(title).splitlines()
    assert heading.startswith(f"# {name[:2]} · ")
    assert re.search(r"\*\*Question: .+\?\*\*", "\n".join(rest))
    assert source_of(title).endswith(badge(f"{name}.ipynb"))
    assert source_of(setup) == setup_cell()
    assert source_of(imports).startswith(("from helpers", "import "))


@every_notebook
def test_parameters_are_tagged_once_and_plain_literals(name):
    tagged = [c for c in cells_of(name) if "parameters" in c["metadata"].get("tags", [])]
    assert [source_of(c) for c in tagged] == [source_of(cells_of(name)[3])]
    for statement in ast.parse(source_of(tagged[0])).body:
        assert isinstance(statement, ast.Assign), ast.unparse(statement)
        assert [type(target) for target in statement.targets] == [ast.Name]
        ast.literal_eval(statement.value)


@every_notebook
def test_imports_are_in_one_cell(name):
    """Below the opening nothing is imported, so that what a notebook needs is seen at once."""
    importing = [
        source
        for source in own_code(name)
        if any(isinstance(node, ast.Import | ast.ImportFrom) for node in ast.walk(ast.parse(source)))
    ]
    assert importing == [source_of(cells_of(name)[4])]


@every_notebook
def test_it_is_committed_without_outputs_and_with_a_kernelspec(name):
    notebook = read(name)
    assert notebook["metadata"]["kernelspec"]["name"] == "python3"
    for cell in notebook["cells"]:
        if cell["cell_type"] == "code":
            assert cell["outputs"] == []
            assert cell["execution_count"] is None
        assert not set(cell["metadata"]) - {"tags"}


@every_notebook
def test_cells_have_ids_of_their_own(name):
    ids = [cell["id"] for cell in cells_of(name)]
    assert len(set(ids)) == len(ids)
    assert all(re.fullmatch(r"[A-Za-z0-9_-]{1,64}", i) for i in ids)


@every_notebook
def test_it_defines_nothing(name):
    definitions = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Lambda
    for source in code_of(name):
        assert not [n for n in ast.walk(ast.parse(source)) if isinstance(n, definitions)], source


@every_notebook
def test_cells_are_few_and_short(name):
    sizes = [lines_of(source) for source in code_of(name)]
    assert len(cells_of(name)) <= MOST_CELLS
    assert statistics.median(sizes) <= USUAL_CELL
    assert max(sizes) <= LONGEST_CELL


@every_notebook
def test_no_cell_names_a_folder_of_somebodys_machine(name):
    for cell in cells_of(name):
        assert not re.search(
            r"(?<![\w.:/])/(home|root|work|tmp|Users|content|mnt|data)\b|[A-Z]:\\", source_of(cell)
        )


@every_notebook
def test_whatever_is_shown_is_followed_by_how_to_read_it(name):
    cells = cells_of(name)
    shown = [
        number
        for number, cell in enumerate(cells)
        # The opening shows which run this is.
        if number != 4 and cell["cell_type"] == "code" and displays(source_of(cell))
    ]
    assert shown
    for number in shown:
        following = cells[number + 1]
        assert following["cell_type"] == "markdown", source_of(cells[number])
        assert source_of(following).startswith("**How to read it.**"), source_of(cells[number])


def sentences(text: str) -> set[str]:
    return {part for part in re.split(r"(?<=[.:;]) ", " ".join(text.split())) if len(part) > SHORT}


def texts_of_helpers() -> str:
    """All texts in the helpers' code, whitespace evened out."""
    trees = [ast.parse(path.read_text()) for path in PACKAGE.rglob("*.py")]
    texts = (node.value for tree in trees for node in ast.walk(tree) if isinstance(node, ast.Constant))
    return "\n".join(" ".join(text.split()) for text in texts if isinstance(text, str))


@every_notebook
def test_no_sentence_on_how_to_read_stands_both_here_and_in_the_helpers(name):
    passages = [source_of(cell) for cell in cells_of(name) if "**How to read it.**" in source_of(cell)]
    told = texts_of_helpers()
    assert not [each for passage in passages for each in sentences(passage) if each in told]


def test_figures_of_the_report_bring_how_to_read_them():
    found = {entry.how_to_read for entry in FIGURES.values()}
    assert len(found) == len(FIGURES)
    assert all(text.endswith(".") for text in found)


def test_every_notebook_opens_the_box_once():
    texts = {n: "\n".join(source_of(c) for c in cells_of(n) if c["cell_type"] == "markdown") for n in NAMES}
    opened = {n: len(re.findall(r"^## Open the box: ", text, re.MULTILINE)) for n, text in texts.items()}
    assert opened == dict.fromkeys(NAMES, 1)


@every_notebook
def test_it_ends_with_checks_and_marks_the_stage_as_done(name):
    cells = cells_of(name)
    headings = [number for number, c in enumerate(cells) if source_of(c).startswith("## ")]
    assert source_of(cells[headings[-1]]) == "## Checks"
    checks = [source_of(cell) for cell in cells[headings[-1] + 1 :]]
    assert len(checks) >= 2
    assert all(re.match(r"(checks\.)?check_\w+\(run\b", source) for source in checks[:-1])
    assert f'ledger.finish(run, "{name}")' in checks[-1]
    assert not any("ledger.finish" in source_of(cell) for cell in cells[: headings[-1]])


@every_notebook
def test_only_stages_with_photos_offer_the_app_and_only_before_the_checks(name):
    offers = "open_app" in papermill.inspect_notebook(str(NOTEBOOKS / f"{name}.ipynb"))
    assert offers == (name in ("03_evaluate", "05_compare"))


@every_notebook
def test_every_parameter_has_the_default_of_the_command_line(name):
    """So that a notebook opened by itself goes on with the run of ``make report``."""
    values = {
        statement.targets[0].id: ast.literal_eval(statement.value)
        for statement in ast.parse(source_of(cells_of(name)[3])).body
    }
    values.pop("open_app", None)
    given = pipeline.notebook_parameters(open_run(), get_stage(name))
    assert set(COMMON) <= set(values)
    run = open_run(**values)
    assert run == open_run()
    for option in set(values) - set(COMMON):
        assert given[option] == values[option]


@every_notebook
def test_what_the_pipeline_passes_are_parameters_that_the_notebook_has(name):
    run = open_run("smoke", "mine", variants=["int8"], threads=2, meter="none", power_w=[1, 2])
    stage = get_stage(name)
    given = pipeline.notebook_parameters(run, stage)
    assert set(given) == set(pipeline.known_parameters(stage))
    assert (given["profile"], given["run_name"], given["variants"]) == ("smoke", "mine", ["float32", "int8"])
    assert json.loads(json.dumps(given)) == given
    assert given.get("open_app", False) is False
    assert set(stage.options) <= set(given)


def test_options_reach_the_stage_that_measures():
    run = open_run("smoke", threads=2, meter="none", power_w=[1, 2])
    given = pipeline.notebook_parameters(run, get_stage("04_energy"))
    assert (given["threads"], given["meter"], given["power_w"]) == (2, "none", [1, 2])


def test_a_parameter_that_the_notebook_does_not_have_is_refused():
    with pytest.raises(LabError, match=r"02_quantize\.ipynb has no parameter colour, profil\.") as caught:
        pipeline.require_known(get_stage("02_quantize"), {"profile": "smoke", "profil": "x", "colour": 1})
    assert "variants" in caught.value.expected


def test_an_unknown_stage_is_explained():
    with pytest.raises(LabError, match="Did you mean '02_quantize'"):
        get_stage("02_quantise")
