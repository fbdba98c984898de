"""Which studies there are: files found by path, titles read without importing anything."""

from __future__ import annotations

import ast
from importlib import import_module
from pathlib import Path
from types import ModuleType

HERE = Path(__file__).parent


def studies() -> dict[str, Path]:
    """``family/name`` of every study, with its file: experiments/*/*.py without a leading _."""
    return {
        f"{path.parent.name}/{path.stem}": path
        for path in sorted(HERE.glob("*/*.py"))
        if not path.name.startswith("_")
    }


def title(path: Path) -> str:
    """First line of the docstring of a study."""
    return (ast.get_docstring(ast.parse(path.read_text())) or "").partition("\n")[0]


def load(name: str) -> ModuleType:
    """Import a study.

    Raises
    ------
    ValueError
        If there is none of this name.
    """
    if name not in studies():
        from thermolimit.leaves import unknown_name

        raise ValueError(unknown_name("study", name, list(studies())))
    return import_module(f"thermolimit.experiments.{name.replace('/', '.')}")
