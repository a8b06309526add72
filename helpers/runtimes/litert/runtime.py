"""LiteRT as a runtime."""

from pathlib import Path
from typing import Any

from helpers.runtimes.contract import Runtime, Session
from helpers.runtimes.file_facts import FileFacts, StoredBytes


class LiteRT(Runtime):
    def load(self, path: Path, threads: int = 1) -> Session:
        from helpers.runtimes.litert.core import Core

        return Core(path, threads)

    def import_all(self) -> None:
        import helpers.runtimes.litert.core  # noqa: F401

    def facts(self, path: Path) -> FileFacts:
        from helpers.runtimes.litert.reader import read_facts

        return read_facts(path)

    def stored(self, path: Path) -> StoredBytes:
        from helpers.runtimes.litert.reader import read_graph

        graph = read_graph(path)
        return StoredBytes(graph.file_bytes, graph.weights_bytes, graph.alive_bytes)

    def profile(self, path: Path, invocations: int, threads: int) -> dict[str, Any]:
        from helpers.runtimes.litert.operator_times import profile_file

        return profile_file(path, invocations, threads)
