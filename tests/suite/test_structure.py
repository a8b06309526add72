"""The helpers' architecture: floors, no rings, imports that do nothing, files that stay small."""

import ast
import functools
import json
import os
import re
import subprocess
import sys

import pytest

from helpers.lab.fingerprint import PACKAGE, helper_imports, import_closure
from helpers.lab.paths import ROOT

# The house, from the ground up: a file imports from its own room and from those above it in this list.
ROOMS = (
    "lab",         # what every room stands on
    "meters",      # energy meters, one file each
    "runtimes",    # what runs a core: litert
    "tasks",       # what a model is for: detection, its tails, its metric
    "photos",      # photos and their labels
    "models",      # families of models
    "run",         # what is asked for: profile, models, variants, options
    "show",        # what figures and tables are made of
    "download",    # 01
    "quantize",    # 02
    "evaluate",    # 03
    "energy",      # 04
    "compare",     # 05
    "pitfalls",    # 06
    "ladder",      # 07
    "training",    # 08
    "suite",       # the whole: ledger, pipeline, command line, Colab
)  # fmt: skip
MOST_LINES = 320
# Records, results and figures must load without these.
HEAVY = (
    "tensorflow", "tf_keras", "tensorflow_hub", "fiftyone", "ai_edge_litert", "ai_edge_quantizer", "cv2",
    "faster_coco_eval", "openvino", "nncf", "onnxruntime", "onnx",
)  # fmt: skip
LIGHT = (
    "helpers.lab.records",
    "helpers.compare.results",
    "helpers.tasks.detection.error_tables",
    "helpers.compare.stage",
)
# Run as programs of their own, by name.
PROGRAMS = ("helpers.__main__",)
# Subclasses of FiftyOne's classes: for those who have imported it.
OF_FIFTYONE = ("helpers.tasks.detection.exact_coco.method", "helpers.tasks.detection.exact_coco.results")


def module_name(path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts).removesuffix(".__init__")


FILES = {module_name(path): path for path in sorted(PACKAGE.rglob("*.py"))}
MODULES = [name for name in FILES if name != "helpers"]


def room_of(module: str) -> str:
    return module.split(".")[1]


@functools.cache
def imports_outside_functions(module: str) -> frozenset[str]:
    """Full names of what importing ``module`` imports, ``helpers.x`` and ``helpers.x.name`` alike."""
    names, waiting = set(), list(ast.parse(FILES[module].read_text()).body)
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names |= {node.module} | {
                name for alias in node.names if (name := f"{node.module}.{alias.name}") in FILES
            }
        elif not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            waiting += ast.iter_child_nodes(node)
    return frozenset(names)


def third_party_imports(*modules: str) -> set[str]:
    """Modules from outside the project that importing ``modules`` imports."""
    found, waiting = set(), list(modules)
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting += imports_outside_functions(name) if name in FILES else ()
    return {name for name in found if name.split(".")[0] != "helpers"}


def test_every_module_lies_in_a_room():
    loose = [
        name for name in MODULES if name.count(".") == 1 and FILES[name].stem not in ("__init__", "__main__")
    ]
    assert not loose, f"{loose} lie beside the rooms: put them into one of {ROOMS}"
    assert {room_of(name) for name in MODULES} - {"__main__"} == set(ROOMS)


@pytest.mark.parametrize("module", [name for name in MODULES if name != "helpers.__main__"])
def test_a_room_imports_from_those_before_it_alone(module):
    later = ROOMS[ROOMS.index(room_of(module)) + 1 :]
    above = sorted(name for name in helper_imports(module) if room_of(name) in later)
    assert not above, f"{module} imports from a later room: {', '.join(above)}"


@pytest.mark.parametrize("room", ROOMS)
def test_no_two_files_of_a_room_differ_by_an_ending_alone(room):
    names = {FILES[name].stem for name in MODULES if room_of(name) == room}
    shortened = [re.sub("(ies|y|es|s|e)$", "", name) for name in names]
    assert len(shortened) == len(set(shortened)), sorted(names)


def drawn_rooms() -> dict[str, str]:
    """Room -> what ``CONTRIBUTING.md``'s drawing says of it, in the drawing's order."""
    drawing = (ROOT / "CONTRIBUTING.md").read_text().split("```\nhelpers/\n")[1].split("```")[0]
    return dict(re.findall(r"^  (\w+)/ (.*(?:\n {4}.*)*)", drawing, re.MULTILINE))


def test_the_drawing_has_every_room_in_this_order():
    assert tuple(drawn_rooms()) == ROOMS


@pytest.mark.parametrize("room", ROOMS)
def test_what_the_drawing_names_is_there(room):
    named = re.findall(r"(\w+)(/|\.py)(?![\w.])", drawn_rooms()[room])
    lacking = [name + end for name, end in named if not list((PACKAGE / room).rglob(name + end.strip("/")))]
    assert not lacking, f"{room}: {lacking}"


def test_tests_lie_in_the_rooms_of_what_they_test():
    folders = {path.name for path in (ROOT / "tests").iterdir() if (path / "__init__.py").is_file()}
    assert folders - {"support", "bench", "colab", "front_door"} <= set(ROOMS)
    assert not list((ROOT / "tests").glob("test_*.py"))


@pytest.mark.parametrize("module", MODULES)
def test_no_module_imports_itself_by_way_of_others(module):
    assert module not in import_closure(*helper_imports(module))


def test_imports_are_absolute_so_that_their_direction_can_be_read():
    for path in FILES.values():
        nodes = ast.walk(ast.parse(path.read_text()))
        assert not [n for n in nodes if isinstance(n, ast.ImportFrom) and n.level], path


def test_files_stay_small():
    lines = {name: len(path.read_text().splitlines()) for name, path in FILES.items()}
    assert {name: count for name, count in lines.items() if count > MOST_LINES} == {}


def test_there_is_no_drawer_for_odds_and_ends():
    drawers = {"utils", "util", "misc", "common", "helpers"}
    assert not [path for path in FILES.values() if path.stem in drawers]


def test_every_module_says_what_it_is_for():
    assert [name for name, path in FILES.items() if not ast.get_docstring(ast.parse(path.read_text()))] == []


WATCHED_IMPORT = """
import importlib, json, logging, os, sys, warnings

names, outside = json.loads(sys.stdin.read())
for name in outside:
    importlib.import_module(name)
import matplotlib

def state():
    return {
        "environment": dict(os.environ),
        "warnings": [str(entry) for entry in warnings.filters],
        "rcParams": {name: str(value) for name, value in matplotlib.rcParams.items()},
        "loggers": {n: l.level for n, l in logging.root.manager.loggerDict.items() if hasattr(l, "level")},
        "handlers": len(logging.root.handlers),
        "folder": os.getcwd(),
        "finders": [repr(type(finder)) for finder in sys.meta_path],
    }

deeds = []

def watch(event, arguments):
    if event == "open" and arguments[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT):
        deeds.append(f"writes {arguments[0]}")
    elif event in WATCHED:
        deeds.append(f"{event} {arguments[:2]}")

WATCHED = {
    "socket.connect", "socket.bind", "socket.getaddrinfo", "subprocess.Popen", "os.system", "os.fork",
    "os.mkdir", "os.remove", "os.rename", "os.rmdir", "os.chdir", "os.putenv", "shutil.rmtree",
}
before = state()
sys.addaudithook(watch)
blamed = {}
for name in names:
    importlib.import_module(name)
    if deeds:
        blamed[name] = list(deeds)
        deeds.clear()
after = state()
WATCHED = set()
changed = {
    part: str({k: v for k, v in after[part].items() if before[part].get(k) != v})
    if isinstance(before[part], dict) else str(after[part])
    for part in before
    if before[part] != after[part] and part != "loggers"
}
known = {n: v for n, v in after["loggers"].items() if n in before["loggers"] and before["loggers"][n] != v}
print(json.dumps({"deeds": blamed, "changed": changed, "loggers": known, "loaded": sorted(sys.modules)}))
"""


@functools.cache
def imported(modules: tuple[str, ...], folder: str) -> dict:
    """Import ``modules`` in a fresh process, after all that they import from outside the project.

    Returns: what importing them did (``deeds``, by module), what it ``changed``, and what is ``loaded``.
    """
    outside = sorted(third_party_imports(*modules))
    environment = os.environ | {
        "PYTHONPATH": str(ROOT),
        "PYTHONDONTWRITEBYTECODE": "1",
        "QUANTLAB_DATA": f"{folder}/data",
        "TF_CPP_MIN_LOG_LEVEL": "3",
    }
    done = subprocess.run(
        [sys.executable, "-c", WATCHED_IMPORT],
        input=json.dumps([modules, outside]),
        capture_output=True,
        text=True,
        cwd=folder,
        env=environment,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    *chatter, result = done.stdout.splitlines()
    return json.loads(result) | {"chatter": chatter}


@pytest.fixture(scope="module")
def everything(tmp_path_factory):
    folder = tmp_path_factory.mktemp("elsewhere")
    modules = tuple(name for name in MODULES if name not in (*PROGRAMS, *OF_FIFTYONE))
    return imported(modules, str(folder)) | {"files": sorted(p.name for p in folder.rglob("*"))}


def test_importing_writes_no_file_opens_no_socket_and_starts_no_process(everything):
    assert everything["deeds"] == {}
    assert everything["files"] == []


def test_importing_sets_no_style_variable_or_filter(everything):
    assert everything["changed"] == {}
    assert everything["loggers"] == {}


def test_importing_prints_nothing(everything):
    assert everything["chatter"] == []


def test_importing_does_not_load_fiftyone_which_would_start_a_database(everything):
    assert "fiftyone" not in everything["loaded"]
    assert "tensorflow" in everything["loaded"]


def test_records_results_and_figures_load_without_heavy_libraries(tmp_path):
    light = tuple(name for name in MODULES if name in LIGHT or name.startswith("helpers.show"))
    assert len(light) > len(LIGHT) + 5
    assert not set(HEAVY) & set(imported(light, str(tmp_path))["loaded"])
