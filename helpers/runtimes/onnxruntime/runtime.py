"""ONNX Runtime as a runtime."""

from collections.abc import Mapping
from pathlib import Path

from helpers.lab.host import package_version
from helpers.runtimes.contract import Runtime, Session


class OnnxRuntime(Runtime):
    def versions(self) -> Mapping[str, str]:
        return {name: package_version(name) for name in self.packages}

    def load(self, path: Path, threads: int = 1) -> Session:
        from helpers.runtimes.onnxruntime.core import OnnxCore

        return OnnxCore(path, threads)

    def import_all(self) -> None:
        from helpers.runtimes.onnxruntime.core import onnxruntime

        onnxruntime()
