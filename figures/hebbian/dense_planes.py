"""Transition lines of dense networks of several interaction orders in one plane."""

from __future__ import annotations

import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from thermolimit.figures.marks import OK

LINES = {
    "spinodal": ("-", 1.8, "retrieval appears (RS)"),
    "first_order": ("--", 1.2, "retrieval is lowest"),
    "static_glass": (":", 1.2, r"$T_s$, glass is lowest (1RSB)"),
    "almeida_thouless": ("-.", 0.9, "replica symmetry breaks in retrieval (AT)"),
}


def draw(tree: xr.DataTree) -> Figure:
    """The plane of load and temperature, and what retrieval lacks of a full overlap at T = 0."""
    theory = tree["theory"].to_dataset()
    figure = Figure(figsize=(10.5, 4.8))
    plane, errors = figure.subplots(1, 2, width_ratios=(1.35, 1))
    for k, P in enumerate(theory["interaction_order"].values):
        _lines(plane, tree, int(P), f"C{k}")
        one = theory.sel(interaction_order=P)
        wrong = (1 - one["overlap"].where(one["status"] == OK)) / 2
        errors.plot(one["pattern_load"], wrong, color=f"C{k}", label=f"$P = {P}$")
    _describe(plane, errors)
    return figure


def _lines(axes: Axes, tree: xr.DataTree, P: int, color: str) -> None:
    for name, (style, width, _) in LINES.items():
        # below its crossing with the glass retrieval is compared with that
        for node in (f"{name}_{P}", *([f"{name}_glass_{P}"] if name == "first_order" else [])):
            if node in tree["lines"].children:
                line = tree[f"lines/{node}"].to_dataset()
                axes.plot(line["pattern_load"], line["temperature"], style, lw=width, color=color)


def _describe(plane: Axes, errors: Axes) -> None:
    plane.axline((0, 0), slope=1, color="0.6", lw=0.8)
    plane.set(
        xlim=(0, 0.6),
        ylim=(0, 1.4),
        xlabel=r"load, $\alpha = P!\,K / 2 N^{P-1}$",
        ylabel="temperature, $T$",
        title="Transition lines; colours as on the right",
    )
    handles = [
        Line2D([], [], color="k", ls=style, lw=width, label=label)
        for style, width, label in LINES.values()
    ]
    grey = Line2D([], [], color="0.6", lw=0.8, label=r"$T = \alpha$ (Nishimori)")
    plane.legend(handles=[*handles, grey], loc="upper right", fontsize="small")
    errors.set_yscale("log")
    errors.set(
        xlim=(0, 0.6),
        ylim=(1e-8, 0.1),
        xlabel=r"load, $\alpha$",
        ylabel=r"wrong spins of the retrieval state, $(1 - m) / 2$",
        title="At $T = 0$, up to the spinodal (RS)",
    )
    errors.legend()
