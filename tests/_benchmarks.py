"""The modules of `benchmarks/`, and what its run writes to."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
FOLDER = ROOT / "benchmarks"


def load(name: str) -> Any:
    """Load a module of the benchmark, whose names are too common for `sys.path`."""
    spec = importlib.util.spec_from_file_location(f"benchmarks_{name}", FOLDER / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # which dataclasses and the like look at
    spec.loader.exec_module(module)
    return module
