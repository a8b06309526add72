"""The error that users see, as a terminal and a notebook show it."""

import nbformat
import pytest
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

from helpers.lab.errors import LabError, found_of, reason_of
from helpers.lab.paths import ROOT


def test_a_message_says_what_was_found_expected_and_what_cures_it():
    error = LabError("no photo.", "a photo", "add one.")
    assert str(error) == "Found: no photo.\nExpected: a photo\nCure: add one."
    assert reason_of(error) == str(error)
    assert found_of(reason_of(error)) == "no photo."


def test_a_notebook_shows_the_message_alone_and_fails():
    """In a real kernel: no frame of a traceback, and the cell still counts as failed."""
    code = f"import sys; sys.path.insert(0, {str(ROOT)!r})\n"
    code += "from helpers.lab.errors import LabError\nraise LabError('no photo.', 'a photo', 'add one.')"
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(code)])
    with pytest.raises(CellExecutionError):
        NotebookClient(notebook, kernel_name="python3", timeout=120).execute()
    (output,) = notebook.cells[0].outputs
    assert output["output_type"] == "error"
    assert output["ename"] == "LabError"
    assert output["traceback"] == ["Found: no photo.\nExpected: a photo\nCure: add one."]
