"""The phase diagram of any theory, from its dataset alone."""

from __future__ import annotations

import json

import matplotlib as mpl
import numpy as np
import xarray as xr
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure
from matplotlib.patches import Patch

TINTS = ("#cfe2f3", "#fde3c8", "#dcead7", "#f3d6d6", "#e4dcf0", "#eeeeee")
COLORS = {"spinodal": "#D55E00", "continuous": "k", "coexistence": "#0072B2"}
STYLES = ("-", "--", "-.", ":")
WORDS = {
    "spinodal": "spinodal of {}",
    "continuous": "continuous transition of {}",
    "coexistence": "coexistence of {} and {}",
}
POINTS = {
    "critical": "critical point",
    "tricritical": "tricritical point",
    "unstable": "end of a line: state unstable beyond",
    "crossing": "crossing of lines",
}
MARKERS = {"critical": "o", "tricritical": "s", "unstable": "x", "crossing": "+"}


def phase_diagram(tree: xr.DataTree) -> Figure:
    """Draw the phase diagram that ``solvers.phase_diagram`` has computed.

    Parameters
    ----------
    tree : xarray.DataTree
        Its result. Nothing is computed here and nothing is known of the theory.

    Returns
    -------
    matplotlib.figure.Figure
        Tints say which state is the equilibrium; lines where states end, change stability or
        change places in free energy; markers where lines meet. What ``missing`` names is written
        below the axes.
    """
    from . import STYLE

    with mpl.rc_context(fname=STYLE):
        figure = Figure(figsize=(8.4, 4.6))
        axes = figure.subplots()
        handles = plane(axes, tree)
        axes.legend(handles=handles, loc="upper left", bbox_to_anchor=(1.01, 1), borderaxespad=0)
        missing = json.loads(tree.attrs["missing"])
        if missing:
            figure.supxlabel("missing: " + "; ".join(missing), fontsize="xx-small", wrap=True)
    return figure


def plane(axes: Axes, tree: xr.DataTree) -> list[Artist]:
    """Draw a phase diagram into ``axes``; returns the handles of a legend."""
    x, y = tree.attrs["x"], tree.attrs["y"]
    states = tree["states"].to_dataset()
    handles: list[Artist] = []
    if "equilibrium" in tree.children:
        handles += _tints(axes, tree["equilibrium"].to_dataset(), x, y)
    lines = tree["lines"].children if "lines" in tree.children else {}
    drawn: list[str] = []
    for name in sorted(lines):  # a file does not keep their order
        line = lines[name].to_dataset()
        handles += _line(axes, line, x, y, drawn.count(line.attrs["transition"]))
        drawn.append(line.attrs["transition"])
    handles += _points(axes, tree["points"].to_dataset(), x, y)
    axes.set(
        xlim=(states[x].min(), states[x].max()),
        ylim=(states[y].min(), states[y].max()),
        xlabel=states[x].attrs["long_name"],
        ylabel=states[y].attrs["long_name"],
    )
    return handles


def _tints(axes: Axes, equilibrium: xr.Dataset, x: str, y: str) -> list[Artist]:
    """Colour the plane by the state that wins; white where none is known."""
    owner = equilibrium["state"].transpose(y, x).values
    names = [str(name) for name in np.unique(owner) if name]
    codes = np.full(owner.shape, np.nan)
    for code, name in enumerate(names):
        codes[owner == name] = code
    tints = [TINTS[code % len(TINTS)] for code in range(len(names))]
    axes.pcolormesh(
        equilibrium[x], equilibrium[y], codes, cmap=ListedColormap(tints or ["w"]), vmin=-0.5,
        vmax=len(names) - 0.5, shading="nearest", rasterized=True,
    )  # fmt: skip
    labels = [f"equilibrium: {_words(name)}" for name in names]
    return [Patch(color=t, label=label) for t, label in zip(tints, labels, strict=True)]


def _line(axes: Axes, line: xr.Dataset, x: str, y: str, others: int) -> list[Artist]:
    """One transition line; others of its kind differ in style."""
    kind, names = line.attrs["transition"], [_words(name) for name in line.attrs["states"]]
    label = WORDS.get(kind, f"{_words(kind)} of {{}} vanishes").format(*names)
    style, color = STYLES[others % len(STYLES)], COLORS.get(kind, "#CC79A7")
    return list(axes.plot(line[x], line[y], style, color=color, label=label, clip_on=False))


def _points(axes: Axes, points: xr.Dataset, x: str, y: str) -> list[Artist]:
    """Where lines meet, one marker per kind."""
    handles: list[Artist] = []
    kinds = points["kind"].attrs["flag_meanings"].split()
    for code in np.unique(points["kind"]):
        one = points.isel(point=np.flatnonzero(points["kind"] == code))
        kind, marker = kinds[code], MARKERS[kinds[code]]
        handles += axes.plot(
            one[x], one[y], marker, color="k", zorder=4, label=POINTS[kind], clip_on=False
        )
    return handles


def _words(name: str) -> str:
    return str(name).replace("_", " ")
