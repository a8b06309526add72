"""Where things lie. Nothing here creates a folder; writers do (``files.atomic_file``)."""

import os
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
NOTEBOOKS = ROOT / "notebooks"
EMBEDDED = ROOT / "data" / "embedded"
BESIDE = ("results.csv", "context.json")  # what of another machine's run can be laid beside one


def data_dir() -> Path:
    """Folder of everything downloaded or produced: ``QUANTLAB_DATA``, or ``data/`` in the project."""
    return Path(os.environ.get("QUANTLAB_DATA") or ROOT / "data").resolve()


def datasets_dir() -> Path:
    return data_dir() / "datasets"


def models_dir() -> Path:
    return data_dir() / "models"


def runs_dir() -> Path:
    return data_dir() / "runs"


def run_folder(name: str | Path) -> Path:
    """Folder of the run of that name below ``data/runs``, or else the folder that ``name`` is a path of."""
    below = runs_dir() / name
    return below if below.is_dir() else Path(name).expanduser().absolute()


def own_folder(given: str, variable: str) -> Path | None:
    """A folder of the user's own: the one given, or that of an environment variable; None without either."""
    folder = given or os.environ.get(variable)
    return Path(folder).expanduser().resolve() if folder else None


def display(path: Path) -> str:
    """``path`` relative to the current folder or the project where that is shorter."""
    for base in (Path.cwd(), ROOT):
        if path.is_relative_to(base):
            return str(path.relative_to(base))
    return str(path)


@dataclass(frozen=True)
class RunPaths:
    """The files of one run; ``data/runs/<name>/``."""

    name: str

    @property
    def folder(self) -> Path:
        return runs_dir() / self.name

    @property
    def figures(self) -> Path:
        return self.folder / "figures"

    @property
    def pictures(self) -> Path:
        """Pictures of photos, drawn where the photos are at hand."""
        return self.folder / "pictures"

    @property
    def report(self) -> Path:
        return self.folder / "report.html"

    def stage_record(self, stage: str) -> Path:
        return self.folder / "stages" / f"{stage}.json"

    def stage_log(self, stage: str) -> Path:
        """What its process wrote to standard error, and the traceback of what it stopped with."""
        return self.folder / "logs" / f"{stage}.txt"

    def executed_notebook(self, stage: str) -> Path:
        return self.folder / "notebooks" / f"{stage}.ipynb"

    def variant_file(self, model: str, variant: str, ending: str = ".tflite") -> Path:
        return self.folder / "variants" / model / f"{variant}{ending}"

    def variant_record(self, model: str, variant: str) -> Path:
        return self.folder / "variants" / model / f"{variant}.json"

    def parity_record(self, model: str) -> Path:
        return self.folder / "variants" / f"{model}.parity.json"

    def detections_dir(self, model: str, variant: str) -> Path:
        return self.folder / "detections" / model / variant

    def score_record(self, model: str, variant: str) -> Path:
        return self.folder / "scores" / model / f"{variant}.json"

    def evidence_file(self, model: str, variant: str) -> Path:
        return self.folder / "scores" / model / f"{variant}.npz"

    def kinds_file(self, model: str, variant: str) -> Path:
        """Of the kinds of error; see ``helpers.tasks.detection.error_kinds``."""
        return self.evidence_file(model, variant).with_suffix(".kinds.npz")

    def resampled_record(self, model: str) -> Path:
        return self.folder / "resampled" / f"{model}.json"

    def losses_record(self, model: str) -> Path:
        return self.folder / "resampled" / f"{model}-losses.json"

    def measurement_record(self, model: str, quantity: str) -> Path:
        return self.folder / "measurements" / model / f"{quantity}.json"

    def selftest_record(self, model: str) -> Path:
        """Beside the measurements, not among them: it is taken when it is asked for."""
        return self.folder / "selftest" / f"{model}.json"

    def why_record(self, model: str) -> Path:
        return self.folder / "why" / f"{model}.json"

    def results(self, suffix: str) -> Path:
        return self.folder / f"results.{suffix}"
