"""OpenVINO as a runtime."""

from pathlib import Path
from typing import Any

from helpers.runtimes.contract import Runtime, Session
from helpers.runtimes.file_facts import FileFacts, StoredBytes


class OpenVINO(Runtime):
    def load(self, path: Path, threads: int = 1) -> Session:
        from helpers.runtimes.openvino.core import OpenVINOCore

        return OpenVINOCore(path, threads)

    def import_all(self) -> None:
        import helpers.runtimes.openvino.core  # noqa: F401
        from helpers.runtimes.openvino.library import openvino

        openvino()

    def files(self, path: Path) -> tuple[Path, ...]:
        """The ``.xml`` and its ``.bin``."""
        return (path, path.with_suffix(".bin"))

    def facts(self, path: Path) -> FileFacts:
        from helpers.runtimes.openvino.reader import read_facts

        return read_facts(path)

    def stored(self, path: Path) -> StoredBytes:
        from helpers.runtimes.openvino.reader import stored_bytes

        return stored_bytes(path)

    def profile(self, path: Path, invocations: int, threads: int) -> dict[str, Any]:
        from helpers.runtimes.openvino.operator_times import profile_file

        return profile_file(path, invocations, threads)
