"""How a user names a file or an address of their own, with a label map after an ``@``: in words that last."""

import hashlib
import re
import unicodedata
from pathlib import Path

ADDRESS = re.compile(r"[a-z][a-z0-9+.-]*://|kaggle:", re.IGNORECASE)
LONGEST_STEM, KEY_DIGITS = 40, 6
# Said of every model of its kind, so of none in particular.
NAMELESS = ("saved_model", "savedmodel", "model", "export")
ENDINGS = re.compile(r"\.(cfg|tflite|tar|gz|tgz|zip)\b", re.IGNORECASE)


def is_address(place: str) -> bool:
    """Whether it is an address or a Kaggle handle, not a path."""
    return ADDRESS.match(place) is not None


def path_of(text: str) -> Path:
    return Path(text).expanduser()


def exists(text: str) -> bool:
    try:
        return bool(text) and path_of(text).exists()
    except (OSError, ValueError, RuntimeError):  # over-long, a loop of links, a zero byte, an unknown ~user
        return False


def split_labels(text: str, kinds: tuple[str, ...]) -> tuple[str, str]:
    """Place and label map of ``PLACE`` or ``PLACE@LABELS``; labels are empty where none are named.

    A path may hold an ``@`` itself: what exists as a whole is a place without labels. Else the last ``@``
    splits whose left side exists, or whose right side is one of ``kinds`` or a file.
    """
    text = text.strip()
    if exists(text):
        return text, ""
    pairs = [(text[:at], text[at + 1 :]) for at in range(len(text) - 1, 0, -1) if text[at] == "@"]
    for place, labels in pairs:
        if labels in kinds or exists(labels) or exists(place):
            return place, labels
    if not pairs or (is_address(text) and not could_be_labels(pairs[0][1])):
        return text, ""
    return pairs[0]


def could_be_labels(text: str) -> bool:
    """Whether what follows the ``@`` of an address is no host: ``https://user@host/model.tar.gz``."""
    return "/" not in text or text.startswith(("/", "./", "../", "~"))


def lasting(place: str, labels: str = "", kinds: tuple[str, ...] = ()) -> str:
    """The same name, but one that means the same in every folder: paths are whole, links followed."""
    place = place if is_address(place) else str(path_of(place).resolve())
    if not labels:
        return place
    return f"{place}@{labels if labels in kinds else path_of(labels).resolve()}"


def stem_of(place: str) -> str:
    """Letters, digits, dashes and underscores that a reader knows the place by."""
    words = [word for word in place.split("?")[0].removeprefix("kaggle:").split("/") if word]
    telling = [word for word in words if not word.isdigit() and word.lower() not in NAMELESS]
    last = ENDINGS.sub("", (telling or words or ["own"])[-1])
    plain = unicodedata.normalize("NFKD", last).encode("ascii", "ignore").decode()
    return re.sub(r"[^A-Za-z0-9_-]+", "_", plain).strip("_-")[:LONGEST_STEM] or "own"


def id_of(text: str, place: str) -> str:
    """An id for files, fields and figures that tells places apart: ``net-1a2b3c``.

    Args:
        text: the whole name, as of ``lasting``: two texts have two ids.
        place: what the readable part is taken from.
    """
    return f"{stem_of(place)}-{hashlib.sha256(text.encode()).hexdigest()[:KEY_DIGITS]}"
