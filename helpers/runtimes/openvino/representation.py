"""OpenVINO's representation of a core, as this project writes it: an ``.xml`` that is tied to its ``.bin``.

Two things stand in the ``.xml``'s runtime information beside the graph: the hash of the ``.bin``, so that a
hash of the ``.xml`` identifies both, and the precision in which floats are to be multiplied.
"""

import re
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from helpers.lab.errors import LabError
from helpers.lab.files import sha256_file, write_bytes
from helpers.runtimes.openvino.library import openvino

SECTION, WEIGHTS_SHA256, PRECISION = "quantlab", "bin_sha256", "precision"
# What ``INFERENCE_PRECISION_HINT`` takes.
PRECISIONS = ("f32", "bf16", "f16")
NOTED = re.compile(rf'<{WEIGHTS_SHA256} value="([0-9a-f]{{64}})"'.encode())
# OpenVINO's own name of an operator: what it was when it was made, and a number.
COUNTED_UP = re.compile(r"[A-Z][A-Za-z0-9]*_\d+")
MADE_ANEW = "delete both files and run 02_quantize.ipynb again."


def weights_file(path: Path) -> Path:
    """The ``.bin`` of an ``.xml``."""
    return path.with_suffix(".bin")


def write_ir(model: Any, path: Path, precision: str, half_weights: bool = False) -> None:
    """Write ``path`` (``.xml``) and its ``.bin``.

    Args:
        model: an ``openvino.Model``.
        precision: one of ``PRECISIONS``: in which floats are multiplied, whatever they are stored in.
        half_weights: store float32 constants as float16.
    """
    if precision not in PRECISIONS:
        raise LabError(f"precision {precision!r}.", f"one of {', '.join(PRECISIONS)}", "name one of them.")
    model = model.clone()
    settle_names(model)
    model.set_rt_info(precision, [SECTION, PRECISION])
    with TemporaryDirectory() as folder:
        written = Path(folder) / path.name
        openvino().save_model(model, str(written), compress_to_fp16=half_weights)
        # Now the hash is known; the second .bin is the same as the first.
        model.set_rt_info(sha256_file(weights_file(written)), [SECTION, WEIGHTS_SHA256])
        openvino().save_model(model, str(written), compress_to_fp16=half_weights)
        # The .xml comes last: an interrupted writing leaves one that does not fit to its .bin, which is told.
        write_bytes(weights_file(path), weights_file(written).read_bytes())
        write_bytes(path, written.read_bytes())


def settle_names(model: Any) -> None:
    """Name each operator without a name of its own by its place in the graph.

    OpenVINO counts such names up for as long as a process runs: the same core would give another file.
    """
    for place, node in enumerate(model.get_ordered_ops()):
        if COUNTED_UP.fullmatch(node.get_friendly_name()):
            node.set_friendly_name(f"{node.get_type_name()}_{place}")


def read_ir(path: Path) -> Any:
    """The ``openvino.Model`` of a whole representation.

    Raises:
        LabError: one of its files is absent, damaged, not of the other, or not written by ``write_ir``.
    """
    require_own(path)
    try:
        return openvino().Core().read_model(str(path), str(weights_file(path)))
    except Exception as error:  # of a damaged file: what the library and its parser raise is not told
        found = f"{path} cannot be read by OpenVINO: {last_line(error)}"
        raise LabError(found, "a whole .xml with its .bin", MADE_ANEW) from error


def require_own(path: Path) -> None:
    """Raise unless ``write_ir`` wrote this ``.xml``, and its ``.bin`` with it.

    It is asked before OpenVINO takes numbers from a ``.bin`` that are not those of the graph.
    """
    for file in (path, weights_file(path)):
        if not file.is_file():
            raise LabError(f"{file} does not exist.", "an .xml with its .bin", MADE_ANEW)
    noted = NOTED.search(path.read_bytes())  # parsed, it would count as memory of the core
    if noted is None:
        found = f"{path} was not written by this project, or is damaged."
        raise LabError(found, "an .xml of 02_quantize.ipynb", MADE_ANEW)
    if noted[1].decode() != sha256_file(weights_file(path)):
        raise LabError(
            f"{weights_file(path)} is not the one that {path.name} was written with.",
            "a .bin of the hash in the .xml",
            MADE_ANEW,
        )


def precision_of(model: Any) -> str:
    """One of ``PRECISIONS``, of what ``read_ir`` gave."""
    return model.get_rt_info([SECTION, PRECISION]).astype(str)


def last_line(error: Exception) -> str:
    return str(error).strip().splitlines()[-1].strip() if str(error).strip() else type(error).__name__
