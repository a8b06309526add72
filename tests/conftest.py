"""What all tests share: quiet libraries, a data folder of their own, drawn photos."""

import functools
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from xdist.scheduler import LoadScopeScheduling

from helpers.lab.paths import ROOT
from helpers.lab.quietly import quiet
from helpers.run.forms import LIMITED_TO
from tests.support.drawing import draw

quiet()
# The same examples every time, so that a failure can be looked at again.
# No test asserts a time, and that of drawing examples is one.
settings.register_profile(
    "lab", deadline=None, derandomize=True, print_blob=True, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("lab")


@functools.cache
def shares_a_run(file: str) -> bool:
    return "finished_run" in (ROOT / file).read_text()


class Together(LoadScopeScheduling):
    """On several cores: a file's tests stay together, and so do all that share one finished run."""

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.partition("::")[0]
        return "run" if shares_a_run(file) else file


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What takes longest begins, so that no core waits for another at the end."""
    items.sort(key=lambda item: not takes_long(item.nodeid.partition("::")[0]))


def takes_long(file: str) -> bool:
    return shares_a_run(file) or file == "tests/front_door/test_generated_detectors.py"


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log) -> Together:
    config.option.loadscopereorder = (
        False  # it would begin with the files of most tests: the slowest have few
    )
    return Together(config, log)


@pytest.fixture(scope="session", autouse=True)
def lab_data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The session's own data folder: no test reads or writes the project's."""
    folder = tmp_path_factory.mktemp("quantlab-data")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("QUANTLAB_DATA", str(folder))
        # Every further form costs each run of a test time; those who test runtimes name their variants.
        patch.setenv(LIMITED_TO, "litert")
        yield folder


@pytest.fixture(scope="session")
def drawn_photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A COCO folder with 60 drawn photos, for reading alone."""
    return draw(tmp_path_factory.mktemp("drawn"), "validation", 60)
