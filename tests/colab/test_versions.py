"""One list of ranges serves the lock and Colab: what Colab keeps fits to what is added. No network."""

import importlib.metadata
from collections.abc import Iterable

import pytest
from packaging.requirements import Requirement

from helpers.lab.paths import ROOT
from helpers.suite import colab
from helpers.suite.install import EXTRAS_LOCK, EXTRAS_STATED, LOCK, STATED, name_of, requirement_lines
from tests.colab.environment import COLABS_PYTHON, colab_packages

# Of what Colab has, all that set-up may replace; the kernel's are not among it.
REPLACED = {"opencv-python-headless", "pillow", "plotly", "starlette"}
STATED_ALL = [STATED, EXTRAS_STATED, ROOT / "requirements-dev.in"]
# The same with every further runtime.
REPLACED_BY_EXTRAS = {"dask", "fsspec"}


def locked() -> dict[str, str]:
    """Name -> version on Colab's Python."""
    pins = [Requirement(line) for file in (LOCK, EXTRAS_LOCK) for line in requirement_lines(file)]
    applying = [pin for pin in pins if applies(pin)]
    return {name_of(pin.name): next(iter(pin.specifier)).version for pin in applying}


def applies(requirement: Requirement) -> bool:
    here = {"python_version": COLABS_PYTHON, "python_full_version": f"{COLABS_PYTHON}.0", "extra": ""}
    return requirement.marker is None or requirement.marker.evaluate(here)


def needs(name: str) -> list[Requirement]:
    """What an installed package requires on Colab."""
    try:
        stated = importlib.metadata.requires(name) or []
    except importlib.metadata.PackageNotFoundError:  # on Colab's Python alone
        return []
    return [requirement for requirement in map(Requirement, stated) if applies(requirement)]


def misfits(further: Iterable[str] = ()) -> dict[str, list[str]]:
    """Packages of Colab that do not fit to what is added -> who says so.

    What is added comes at the lock's versions, which are those that are installed here.
    """
    present, found, seen = colab_packages(), {}, set()
    stated = [*colab.additions(colab.KEPT), *further]
    waiting = [("requirements.in", Requirement(line)) for line in stated]
    while waiting:
        asker, requirement = waiting.pop()
        name = name_of(requirement.name)
        fits = name in present and requirement.specifier.contains(present[name], prereleases=True)
        if name in present and not fits:
            found.setdefault(name, []).append(f"{asker}: {requirement}")
        if not fits and name not in seen:
            seen.add(name)
            waiting += [(name, each) for each in needs(name)]
    return found


def test_what_is_kept_is_what_colab_has():
    assert set(colab.KEPT) <= set(colab_packages())


def test_colabs_own_versions_lie_in_the_stated_ranges():
    colab.require_in_range({name: colab_packages()[name] for name in colab.KEPT})


@pytest.mark.parametrize("line", [line for file in STATED_ALL for line in requirement_lines(file)])
def test_the_lock_lies_in_the_stated_ranges(line):
    stated = Requirement(line)
    assert stated.specifier.contains(locked()[name_of(stated.name)])


def test_the_additions_name_nothing_that_is_kept():
    added = {name_of(line) for line in colab.additions(colab.KEPT)}
    assert not added & {*colab.KEPT, *colab.AS_DATA}
    assert {"fiftyone", "ai-edge-litert", "papermill", "opencv-python-headless"} <= added


def test_the_additions_resolve_without_touching_what_is_kept():
    found = misfits()
    assert {name: who for name, who in found.items() if name in colab.KEPT} == {}
    assert set(found) <= REPLACED


def test_further_runtimes_resolve_without_touching_what_is_kept():
    extras = requirement_lines(EXTRAS_STATED)
    here = {name: importlib.metadata.version(name) for name in map(name_of, extras)}
    if any(locked()[name] != version for name, version in here.items()):
        pytest.skip("other versions of the further runtimes than the lock's: `make setup RUNTIMES=all`")
    found = misfits(extras)
    assert {name: who for name, who in found.items() if name in colab.KEPT} == {}
    assert set(found) <= REPLACED | REPLACED_BY_EXTRAS


def test_opencv_stays_below_5():
    assert int(locked()["opencv-python-headless"].split(".")[0]) < 5
    stated = {name_of(line): Requirement(line) for line in requirement_lines(STATED)}
    assert not stated["opencv-python-headless"].specifier.contains("5.0.0.93")


def test_tables_that_are_read_as_data_belong_to_no_code():
    """What is installed without the packages that it needs must never be imported."""
    imports = [f"import {name}" for name in colab.AS_DATA] + [f"from {name}" for name in colab.AS_DATA]
    sources = (path.read_text() for path in (ROOT / "helpers").rglob("*.py"))
    assert not [source for source in sources if any(text in source for text in imports)]
