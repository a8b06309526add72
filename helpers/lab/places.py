"""How a user names a file or an address of their own, with a label map after an ``@``: in words that last."""

import hashlib
import re
import stat
import unicodedata
from pathlib import Path

from helpers.lab.errors import LabError

KAGGLE = "kaggle:"
ADDRESS = re.compile(rf"[a-z][a-z0-9+.-]*://|{KAGGLE}", re.IGNORECASE)
LONGEST_STEM, KEY_DIGITS = 32, 6
# Said of every model of its kind, so of none in particular.
NAMELESS = ("saved_model", "savedmodel", "model", "export")
ENDINGS = re.compile(r"\.(cfg|tflite|onnx|tar|gz|tgz|zip)\b", re.IGNORECASE)


def is_address(place: str) -> bool:
    """Whether it is an address or a Kaggle handle, not a path."""
    return ADDRESS.match(place) is not None


def path_of(text: str) -> Path:
    """Raises LabError for the home folder of a user who is not known here."""
    try:
        return Path(text).expanduser()
    except RuntimeError as error:
        raise LabError(f"{text}: {error}", "a path", "write the path out in full.") from error


def whole(text: str) -> Path:
    """The path from the root on, links followed.

    Raises:
        LabError: it is a loop of links, or no path at all.
    """
    path = path_of(text)
    try:
        return path.resolve()
    except (OSError, ValueError, RuntimeError) as error:
        raise LabError(f"{text} cannot be followed: {error}.", "a path", "correct the path.") from error


def exists(text: str) -> bool:
    try:
        return bool(text) and path_of(text).exists()
    except (OSError, ValueError, LabError):  # over-long, a loop of links, a zero byte, an unknown ~user
        return False


def require_file(path: Path, expected: str, cure: str = "correct the path.") -> None:
    """Raise LabError unless ``path`` is a file that can be read."""
    if what := unreadable(path):
        raise LabError(f"{path} {what}.", expected, cure)


def unreadable(path: Path) -> str:
    """Why a file cannot be read; empty if it can. A pipe is not opened: that may hang."""
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            return "is no file"
        with path.open("rb") as file:
            file.read(1)
    except FileNotFoundError:
        return "does not exist"
    except (OSError, ValueError) as error:
        return f"cannot be read: {getattr(error, 'strerror', None) or error}"
    return ""


def split_labels(text: str, kinds: tuple[str, ...]) -> tuple[str, str]:
    """Place and label map of ``PLACE`` or ``PLACE@LABELS``; labels are empty where none are named.

    A path may hold an ``@`` itself: what exists as a whole is a place without labels. Else the last ``@``
    splits of which both sides are there; else the last of which one is.
    """
    if exists(text):
        return text, ""
    text = text.strip()
    if exists(text):
        return text, ""
    pairs = [(text[:at], text[at + 1 :]) for at in range(len(text) - 1, 0, -1) if text[at] == "@"]
    known = [(place, labels) for place, labels in pairs if labels in kinds or exists(labels)]
    placed = [(place, labels) for place, labels in pairs if exists(place)]
    both = [pair for pair in known if pair in placed or is_address(pair[0])]
    if found := both or known or placed:
        return found[0]
    if not pairs or (is_address(text) and not could_be_labels(pairs[0][1])):
        return text, ""
    return pairs[0]


def split_design(text: str, designs: tuple[str, ...], kinds: tuple[str, ...]) -> tuple[str, str, str]:
    """Place, design and label map of ``PLACE`` with an ``@DESIGN``, an ``@LABELS`` or both, in any order.

    Empty where none is named. What exists as a whole is a place, as for ``split_labels``.

    Args:
        designs: their names, in lower case.
    """
    text = text.strip() if not exists(text) else text
    if exists(text):
        return text, "", ""
    *rest, last = text.split("@")
    if rest and last.lower() in designs:
        place, labels = split_labels("@".join(rest), kinds)
        return place, last.lower(), labels
    place, labels = split_labels(text, kinds)
    start, at, design = place.rpartition("@")
    if at and not exists(place) and design.lower() in designs:
        return start, design.lower(), labels
    design, at, others = labels.partition("@")
    if at and not exists(labels) and design.lower() in designs:
        return place, design.lower(), others
    return place, "", labels


def could_be_labels(text: str) -> bool:
    """Whether what follows the ``@`` of an address is no host: ``https://user@host/model.tar.gz``."""
    return "/" not in text or text.startswith(("/", "./", "../", "~"))


def lasting(place: str, labels: str = "", kinds: tuple[str, ...] = (), design: str = "") -> str:
    """The same name, but one that means the same in every folder: paths are whole, links followed."""
    place = lasting_place(place) + (f"@{design}" if design else "")
    if not labels:
        return place
    return f"{place}@{labels if labels in kinds else whole(labels)}"


def lasting_place(place: str) -> str:
    if place.lower().startswith(KAGGLE):
        return KAGGLE + place[len(KAGGLE) :].strip("/")
    if is_address(place):
        scheme, colon, rest = place.partition(":")
        return f"{scheme.lower()}{colon}{rest}"
    return str(whole(place))


def stem_of(place: str) -> str:
    """Letters, digits, dashes and underscores that a reader knows the place by."""
    words = [ENDINGS.sub("", word) for word in place.split("?")[0].removeprefix(KAGGLE).split("/") if word]
    telling = [word for word in words if not word.isdigit() and word.lower() not in NAMELESS]
    last = (telling or words or ["own"])[-1]
    plain = unicodedata.normalize("NFKD", last).encode("ascii", "ignore").decode()
    return re.sub(r"[^A-Za-z0-9_-]+", "_", plain).strip("_-")[:LONGEST_STEM].rstrip("_-") or "own"


def id_of(text: str, place: str) -> str:
    """An id for files, fields and figures that tells places apart: ``net-1a2b3c``.

    Args:
        text: the whole name, as of ``lasting``: two texts have two ids.
        place: what the readable part is taken from.
    """
    return f"{stem_of(place)}-{hashlib.sha256(text.encode()).hexdigest()[:KEY_DIGITS]}"
