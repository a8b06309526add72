"""ONNX Runtime as a runtime."""

from pathlib import Path
from typing import Any

from helpers.runtimes.contract import Runtime, Session
from helpers.runtimes.file_facts import FileFacts, StoredBytes


class OnnxRuntime(Runtime):
    def load(self, path: Path, threads: int = 1) -> Session:
        from helpers.runtimes.onnxruntime.core import OnnxCore

        return OnnxCore(path, threads)

    def import_all(self) -> None:
        from helpers.runtimes.onnxruntime.core import onnxruntime

        onnxruntime()

    def facts(self, path: Path) -> FileFacts:
        from helpers.runtimes.onnxruntime.reader import read_facts

        return read_facts(path)

    def stored(self, path: Path) -> StoredBytes:
        from helpers.runtimes.onnxruntime.reader import stored_bytes

        return stored_bytes(path)

    def profile(self, path: Path, invocations: int, threads: int) -> dict[str, Any]:
        from helpers.runtimes.onnxruntime.operator_times import profile_file

        return profile_file(path, invocations, threads)
