"""Rounds of a measurement under way: one line of JSON each, so that a kill loses no finished round."""

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Generic

from pydantic import ValidationError

from helpers.energy.rounds.records import M
from helpers.lab.files import disk_errors_explained, write_text
from helpers.lab.records import FORMAT, Origin, jsonable, structured


class PartialRounds(Generic[M]):
    """The file of an unfinished measurement. Keeping a round appends a line; what is there is not rewritten.

    The first line has the format, the key of the measurement's origin and the raw result without rounds,
    every further line one round and the failures so far.

    Args:
        path: the file; absent until the first round is kept.
        source: what the measurement is taken from. Rounds of another origin are not taken up.
        kind: type of the raw result.
    """

    def __init__(self, path: Path, source: Origin, kind: type[M]):
        self._path, self._kind = path, kind
        self._head = {"format": FORMAT, "key": source.key}
        self._kept = 0

    def earlier(self) -> M | None:
        """The raw result with the rounds kept so far; None where there are none of this measurement.

        A last line that a kill cut short is dropped. A file of an earlier version is not taken up at all.
        """
        head, *lines = read_lines(self._path) or [{}]
        if {name: head.get(name) for name in self._head} != self._head:
            return None
        try:
            failures = lines[-1]["failures"] if lines else {}
            kept = {"rounds": [line["round"] for line in lines], "failures": failures}
            raw = structured(self._kind, head["raw"] | kept)
        except (KeyError, TypeError, ValidationError):
            return None
        self._kept = len(raw.rounds)
        write_text(self._path, "".join(map(as_line, [head, *lines])))
        return raw

    def keep(self, raw: M) -> None:
        """Append the rounds of ``raw`` that are not kept yet."""
        new = raw.rounds[self._kept :]
        lines = [as_line({"round": played, "failures": raw.failures}) for played in new]
        if not self._kept:
            head = as_line(self._head | {"raw": replace(raw, rounds=())})
            write_text(self._path, "".join([head, *lines]))
        else:
            with disk_errors_explained(self._path), self._path.open("a") as file:
                file.writelines(lines)
        self._kept += len(new)

    def forget(self) -> None:
        self._path.unlink(missing_ok=True)


def as_line(entry: Mapping[str, Any]) -> str:
    return json.dumps(jsonable(entry), separators=(",", ":")) + "\n"


def read_lines(path: Path) -> list[dict[str, Any]]:
    """Whole lines from the top; nothing from a file that is absent or is not of this kind."""
    if not path.exists():
        return []
    found = []
    for line in path.read_text(errors="replace").splitlines():
        try:
            found.append(json.loads(line))
        except ValueError:
            break
    return found if all(isinstance(entry, dict) for entry in found) else []
