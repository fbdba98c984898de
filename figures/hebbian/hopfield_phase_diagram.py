"""Phase diagram of the Hopfield network with simulated overlaps, and simulation minus theory."""

from __future__ import annotations

import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from thermolimit.figures.overlaps import draw_deviation, draw_points

GLASS, METASTABLE, RETRIEVAL = "#efefef", "#dcebf7", "#a9cfec"  # tints of the phases
LINES = {
    "glass": ("k", "-", r"$T_g = 1 + \sqrt{\alpha}$, spin glass appears"),
    "spinodal": ("C1", "-", r"$T_M$, retrieval appears"),
    "first_order": ("C0", "-", r"$T_c$, retrieval is lowest"),
    "almeida_thouless": ("C3", "--", r"$T_R$, replica symmetry breaks (AT)"),
}


def draw(tree: xr.DataTree) -> Figure:
    """Two panels: the plane of load and temperature, and the deviation from theory against N."""
    figure = Figure(figsize=(10.5, 4.6))
    plane, deviation = figure.subplots(1, 2, width_ratios=(1.35, 1))
    _plane(figure, plane, tree)
    draw_deviation(deviation, tree["comparison"].to_dataset())
    return figure


def _plane(figure: Figure, axes: Axes, tree: xr.DataTree) -> None:
    first_order, spinodal, glass = (
        tree[f"lines/{name}"].to_dataset() for name in ("first_order", "spinodal", "glass")
    )
    axes.fill_between(glass["pattern_load"], 0, glass["temperature"], color=GLASS, lw=0)
    axes.fill_betweenx(spinodal["temperature"], 0, spinodal["pattern_load"], color=METASTABLE, lw=0)
    axes.fill_betweenx(
        first_order["temperature"], 0, first_order["pattern_load"], color=RETRIEVAL, lw=0
    )
    for name, (color, style, label) in LINES.items():
        line = tree[f"lines/{name}"].to_dataset()
        axes.plot(line["pattern_load"], line["temperature"], style, color=color, label=label)
    draw_points(figure, axes, tree["simulation"].to_dataset())
    for text, x, y in (
        ("paramagnet", 0.03, 1.4),
        ("spin glass", 0.085, 1.0),
        ("retrieval\nmetastable", 0.092, 0.15),
        ("retrieval", 0.025, 0.1),
    ):
        axes.text(x, y, text, ha="center", va="center", style="italic")
    axes.set(
        xlim=(0, 0.16),
        ylim=(0, 2.0),
        xlabel=r"patterns per neuron, $\alpha$",
        ylabel="temperature, $T$",
        title="Replica-symmetric theory (lines) and simulation (points)",
    )
    axes.legend(loc="upper right")
