"""A runtime of ours in the processes that time: files of the suffix ``fake`` say how their core behaves."""

import json
import os
from pathlib import Path

from helpers.energy.rounds import team

PATCH = """
import json, os, signal, time
if os.environ.get("FAKE_NO_START"):
    os._exit(3)
from helpers.runtimes import catalogue

load_core, runtime_of = catalogue.load_core, catalogue.runtime_of

class FakeCore:
    def __init__(self, path):
        self.name, self.does, self.calls = path.stem, json.loads(path.read_text()), 0
        self.log("load", sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else [])

    def log(self, what, value):
        with open(os.environ["FAKE_LOG"], "a") as file:
            file.write(json.dumps([what, self.name, os.getpid(), value]) + "\\n")

    def set_input(self, image):
        self.log("photo", float(image.ravel()[0]))

    def invoke(self):
        self.calls += 1
        if self.calls == self.does.get("dies_at"):
            os.kill(os.getpid(), signal.SIGKILL)
        if self.calls == self.does.get("raises_at"):
            raise RuntimeError("the kernel gave up")
        if self.does.get("prints"):
            os.write(1, b"a library talks\\n")
        time.sleep(self.does.get("sleeps_s", 0))

def is_fake(path):
    return path.suffix == ".fake"

catalogue.load_core = lambda path, threads: FakeCore(path) if is_fake(path) else load_core(path, threads)
catalogue.runtime_of = lambda path: "fake" if is_fake(path) else runtime_of(path)
"""


def add_fake_runtime(monkeypatch, folder: Path) -> Path:
    """Make it known here and to the processes started from now on; the file that their cores log to."""
    known = team.runtime_of
    monkeypatch.setattr(team, "runtime_of", lambda path: "fake" if path.suffix == ".fake" else known(path))
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "sitecustomize.py").write_text(PATCH)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, [str(folder), os.getenv("PYTHONPATH")])))
    monkeypatch.setenv("FAKE_LOG", str(folder / "log"))
    return folder / "log"


def fake_file(folder: Path, name: str, **does) -> Path:
    """A core that does what it is told: ``dies_at`` and ``raises_at`` a call, ``sleeps_s``, ``prints``."""
    path = folder / f"{name}.fake"
    path.write_text(json.dumps(does))
    return path


def logged(log: Path, what: str) -> list[tuple]:
    """``(name, process id, value)`` of each entry of this kind, in order."""
    entries = map(json.loads, log.read_text().splitlines()) if log.exists() else []
    return [tuple(entry[1:]) for entry in entries if entry[0] == what]
