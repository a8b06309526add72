"""Rounds of a measurement under way: one line of JSON each, so that a kill loses no finished round."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from helpers.lab.files import disk_errors_explained, write_text
from helpers.lab.records import Origin, jsonable

ROUNDS, FAILURES = "rounds", "failures"


class PartialRounds:
    """The file of an unfinished measurement. Keeping a round appends a line; what is there is not rewritten.

    The first line has the key of the measurement's origin and the raw result without rounds, every further
    line one round and the failures so far.

    Args:
        path: the file; absent until the first round is kept.
        source: what the measurement is taken from. Rounds of another origin are not taken up.
    """

    def __init__(self, path: Path, source: Origin):
        self._path, self._key = path, source.key
        self._kept = 0

    def earlier(self) -> dict[str, Any] | None:
        """The raw result with the rounds kept so far; None where there are none of this measurement.

        A last line that a kill cut short is dropped.
        """
        lines = read_lines(self._path)
        if not lines or lines[0].get("key") != self._key:
            return None
        raw = dict(lines[0]["raw"]) | {ROUNDS: [line["round"] for line in lines[1:]]}
        raw[FAILURES] = lines[-1][FAILURES] if len(lines) > 1 else raw[FAILURES]
        self._kept = len(raw[ROUNDS])
        write_text(self._path, "".join(map(as_line, lines)))
        return raw

    def keep(self, raw: Mapping[str, Any]) -> None:
        """Append the rounds of ``raw`` that are not kept yet."""
        new = raw[ROUNDS][self._kept :]
        lines = [as_line({"round": entry, FAILURES: raw[FAILURES]}) for entry in new]
        if not self._kept:
            head = {name: value for name, value in raw.items() if name != ROUNDS}
            write_text(self._path, "".join([as_line({"key": self._key, "raw": head}), *lines]))
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
