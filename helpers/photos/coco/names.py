"""Names of photos as labelling tools write them, and the files that they mean."""

import os
import re
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from urllib.parse import unquote

UP = ".."
DRIVE = re.compile(r"^([A-Za-z]:|[a-z]+:/+)")


class PhotoNames:
    """The files below a folder of photos."""

    def __init__(self, folder: Path):
        self.folder = folder

    @cached_property
    def by_lower(self) -> Mapping[str, list[str]]:
        """Lower-case name, from every one of its folders on -> files. Read once, and only if it is needed."""
        found: dict[str, list[str]] = {}
        for root, _, files in os.walk(self.folder):
            for file in sorted(files):
                parts = (Path(root) / file).relative_to(self.folder).parts
                for start in range(len(parts)):
                    found.setdefault("/".join(parts[start:]).lower(), []).append("/".join(parts))
        return found

    def places(self, names: Iterable[str]) -> dict[str, str]:
        """Name -> the file's, below the folder; the name itself where no one file is meant."""
        found = {name: self.place(name) for name in names}
        claimed: dict[str, set[str]] = {}
        for name, (place, whole) in found.items():
            claimed.setdefault(place, set()).add("" if whole else name)
        # Two names that only end alike may mean two photos, of which one is not here.
        return {
            name: place if whole or len(claimed[place]) == 1 else name
            for name, (place, whole) in found.items()
        }

    def place(self, name: str) -> tuple[str, bool]:
        """A name's file, and whether the whole name says so, not its end alone."""
        if os.sep not in name and self.holds(name):  # nearly all of them
            return name, True
        readings = list(dict.fromkeys(read(name) for read in (slashed, unquoted)))
        for parts in ([part for part in name.split("/") if part not in ("", ".")], *readings):
            if not name.startswith("/") and UP not in parts and self.holds("/".join(parts)):
                return "/".join(parts), True
        for parts in readings:
            for start in range(len(parts)):
                if UP not in parts[start:] and (place := self.ending(parts[start:])):
                    return place, start == 0 and place.lower() == "/".join(parts).lower()
        return name, False

    def holds(self, name: str) -> bool:
        try:
            return (self.folder / name).is_file()
        except (OSError, ValueError):  # a name that no disk takes
            return False

    def ending(self, parts: Sequence[str]) -> str | None:
        """The one file whose name ends so; one at the top goes before others."""
        wanted = "/".join(parts)
        if self.holds(wanted):
            return wanted
        found = self.by_lower.get(wanted.lower(), [])
        whole = [name for name in found if name.lower() == wanted.lower()]
        return next((names[0] for names in (whole, found) if len(names) == 1), None)


def slashed(name: str) -> tuple[str, ...]:
    """Its folders and file, whichever way the slashes lean; without a drive or a server's protocol."""
    plain = DRIVE.sub("", name.strip().replace("\\", "/"), count=1)
    return tuple(part for part in plain.split("/") if part not in ("", "."))


def unquoted(name: str) -> tuple[str, ...]:
    return slashed(unquote(name))
