"""A code fingerprint changes with the code that makes a result, and with no other."""

import pytest

from helpers.lab import fingerprint
from helpers.lab.fingerprint import code_digest, helper_imports, import_closure, module_path

SOURCES = {
    "__init__": "",
    "top": "import numpy as np\nfrom helpers.middle import thing\nfrom helpers import other\n",
    "middle": "def thing():\n    from helpers.part import deep\n    return deep\n",
    "other": "import helpers.part.deep as d\nfrom collections import abc\n",
    "part/__init__": "",
    "part/deep": "from helpers import middle\n",
    "alone": "VALUE = 1\n",
}


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A small package in place of the helpers; its modules import one another in a ring."""
    for name, source in SOURCES.items():
        path = tmp_path / f"{name}.py"
        path.parent.mkdir(exist_ok=True)
        path.write_text(source)
    monkeypatch.setattr(fingerprint, "PACKAGE", tmp_path)
    helper_imports.cache_clear()
    yield tmp_path
    helper_imports.cache_clear()


def test_modules_packages_and_names_are_told_apart(package):
    assert module_path("helpers.top") == package / "top.py"
    assert module_path("helpers.part") == package / "part" / "__init__.py"
    assert module_path("helpers.part.deep") == package / "part" / "deep.py"
    assert module_path("helpers.middle.thing") is None


def test_every_form_of_import_counts_also_inside_functions(package):
    assert helper_imports("helpers.top") == {"helpers.middle", "helpers.other"}
    assert helper_imports("helpers.middle") == {"helpers.part", "helpers.part.deep"}
    assert helper_imports("helpers.other") == {"helpers.part.deep"}
    assert helper_imports("helpers.alone") == frozenset()


def test_the_closure_follows_imports_and_survives_rings(package):
    everything = {"helpers.top", "helpers.middle", "helpers.other", "helpers.part", "helpers.part.deep"}
    assert import_closure("helpers.top") == everything
    assert import_closure("helpers.alone", "helpers.top") == everything | {"helpers.alone"}


@pytest.mark.parametrize("changed", ["top", "middle", "other", "part/deep", "part/__init__"])
def test_the_digest_changes_with_all_that_is_imported(package, changed):
    before = code_digest("helpers.top")
    path = package / f"{changed}.py"
    path.write_text(path.read_text() + "# changed\n")
    assert code_digest("helpers.top") != before


def test_the_digest_ignores_what_is_not_imported(package):
    before = code_digest("helpers.top")
    (package / "alone.py").write_text("VALUE = 2\n")
    (package / "new.py").write_text("")
    assert code_digest("helpers.top") == before


def test_the_digest_is_of_the_modules_not_of_their_order(package):
    assert code_digest("helpers.top", "helpers.alone") == code_digest("helpers.alone", "helpers.top")
    assert code_digest("helpers.top") != code_digest("helpers.alone")


def test_the_projects_own_imports_are_found():
    assert "helpers.lab.errors" in helper_imports("helpers.lab.files")
    assert {"helpers.lab.files", "helpers.lab.errors"} <= import_closure("helpers.lab.records")
