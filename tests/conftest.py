"""What all tests share: quiet libraries, a data folder of their own, drawn photos."""

from pathlib import Path

import pytest
from hypothesis import settings

from helpers.lab.quietly import quiet
from tests.support.drawing import draw

quiet()
# The same examples every time, so that a failure can be looked at again.
settings.register_profile("lab", deadline=None, derandomize=True, print_blob=True)
settings.load_profile("lab")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """On several cores: a file's tests stay together, and so do all that share one finished run."""
    for item in items:
        shared = "finished" in getattr(item, "fixturenames", ()) or item.get_closest_marker("pipeline")
        item.add_marker(pytest.mark.xdist_group("run" if shared else item.nodeid.partition("::")[0]))


@pytest.fixture(scope="session", autouse=True)
def lab_data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The session's own data folder: no test reads or writes the project's."""
    folder = tmp_path_factory.mktemp("quantlab-data")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("QUANTLAB_DATA", str(folder))
        yield folder


@pytest.fixture(scope="session")
def drawn_photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A COCO folder with 60 drawn photos, for reading alone."""
    return draw(tmp_path_factory.mktemp("drawn"), "validation", 60)
