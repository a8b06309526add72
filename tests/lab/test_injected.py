"""A parameter that a notebook does not have is refused, where papermill by itself only warns."""

import papermill
import pytest
from papermill.exceptions import PapermillExecutionError

from helpers.lab.errors import LabError
from helpers.lab.injected import assigned_names, require_known
from helpers.lab.paths import NOTEBOOKS

OWN = 'profile = "quick"\nmodels = []'


def test_names_are_those_assigned_at_the_top_level():
    assert assigned_names("a = 1\nb = [c for c in 'x']\nprint(a)") == {"a", "b"}


@pytest.mark.parametrize("injected", ["# Parameters\nmodels = ['m']\n", "# Parameters\n", "other = 1"])
def test_known_parameters_and_other_cells_pass(injected):
    require_known(["import os", "%matplotlib inline", OWN, injected, "later = 2"])


def test_an_unknown_parameter_is_named_with_the_known_ones():
    with pytest.raises(LabError, match="proflie") as caught:
        require_known(["import os", OWN, '# Parameters\nproflie = "smoke"\n'])
    assert "models, profile" in caught.value.expected


@pytest.mark.pipeline
def test_papermill_itself_stops_at_a_misspelt_parameter(lab_data, tmp_path):
    with pytest.raises(PapermillExecutionError, match="proflie"):
        papermill.execute_notebook(
            str(NOTEBOOKS / "01_download.ipynb"),
            str(tmp_path / "out.ipynb"),
            parameters={"proflie": "smoke"},
            cwd=str(NOTEBOOKS),
            progress_bar=False,
        )
