"""Modules: what is public is named, and what is not begins with an underscore."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[1] / "ecall_facade"


def is_public(path: Path) -> bool:
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return all(part == "__init__" or not part.startswith("_") for part in parts)


PUBLIC = sorted(path for path in PACKAGE.rglob("*.py") if is_public(path))


def defined_in(tree: ast.Module) -> set[str]:
    """Return the names of functions and classes at the top of a module."""
    return {
        node.name
        for node in tree.body
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
    }


def named_in_all(tree: ast.Module) -> set[str] | None:
    for node in tree.body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
            return set(ast.literal_eval(node.value))
    return None


def test_there_are_public_modules() -> None:
    names = {path.relative_to(PACKAGE).as_posix() for path in PUBLIC}
    assert {"__init__.py", "errors.py", "numbers.py", "text.py", "webhooks/__init__.py"} <= names


@pytest.mark.parametrize(
    "path", PUBLIC, ids=[path.relative_to(PACKAGE).as_posix() for path in PUBLIC]
)
def test_a_public_module_defines_public_and_private_names_only(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    public = named_in_all(tree)
    assert public is not None, "it has no __all__"
    assert {name for name in defined_in(tree) - public if not name.startswith("_")} == set()
