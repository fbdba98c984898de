"""Figures read datasets only: one script per study, one style file."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import xarray as xr

STYLE = Path(__file__).parent / "style.mplstyle"


def save(study: str, tree: xr.DataTree, path: Path) -> list[Path]:
    """Draw the figure of a study and write it as PNG and PDF.

    Parameters
    ----------
    study : str
        ``family/name``.
    tree : xarray.DataTree
        Its dataset.
    path : Path
        Where, without suffix.

    Returns
    -------
    list of Path
        The files; empty if the study has no figure.
    """
    import matplotlib

    name = f"thermolimit.figures.{study.replace('/', '.')}"
    if not (Path(__file__).parent / f"{study}.py").is_file():
        return []
    # without a display, and without changing the user's settings
    with matplotlib.rc_context(fname=STYLE):
        figure = import_module(name).draw(tree)
        files = [path.with_suffix(suffix) for suffix in (".png", ".pdf")]
        for file in files:
            figure.savefig(file)
    return files


def __getattr__(name: str):
    """``phase_diagram``, without importing matplotlib before it is used."""
    if name == "phase_diagram":
        from .planes import phase_diagram

        return phase_diagram
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


if __name__ != "thermolimit.figures":  # a second copy of the module would be made
    raise ImportError("import thermolimit.figures, not figures")
