"""Which code made a result: a hash of modules and of all helpers that they import."""

import ast
import functools
from pathlib import Path

from helpers.lab.files import sha256_file, sha256_json

PACKAGE = Path(__file__).resolve().parents[1]


def module_path(module: str) -> Path | None:
    """File of ``helpers.x.y``; None if there is no such module."""
    base = PACKAGE.joinpath(*module.split(".")[1:])
    for candidate in (base.with_suffix(".py"), base / "__init__.py"):
        if candidate.is_file():
            return candidate
    return None


def imported_names(path: Path) -> set[str]:
    """Full names that a file imports, ``helpers.x`` and ``helpers.x.name`` alike."""
    return names_in(ast.parse(path.read_text()))


def names_in(tree: ast.AST) -> set[str]:
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return names


@functools.cache
def helper_imports(module: str) -> frozenset[str]:
    """Modules of the helpers that ``module`` itself imports."""
    path = module_path(module)
    names = {name for name in imported_names(path) if name.startswith("helpers.")}
    return frozenset(name for name in names if module_path(name))


def import_closure(*modules: str) -> set[str]:
    """``modules`` and every helper that they import, directly or not."""
    found, waiting = set(), list(modules)
    while waiting:
        module = waiting.pop()
        if module not in found:
            found.add(module)
            waiting.extend(helper_imports(module))
    return found


def code_digest(*modules: str) -> str:
    """Hash of the source of ``modules`` and all that they import from the helpers."""
    return sha256_json({m: sha256_file(module_path(m)) for m in sorted(import_closure(*modules))})


def notebook_imports(cells: list[str]) -> set[str]:
    """Modules of the helpers that the code cells of a notebook import."""
    trees = [ast.parse(source) for source in cells]
    names = {name for tree in trees for name in names_in(tree) if name.startswith("helpers.")}
    return {name for name in names if module_path(name)}
