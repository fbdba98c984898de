"""Phase diagram of a dense network with simulated overlaps, and simulation minus theory."""

from __future__ import annotations

import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from thermolimit.figures.overlaps import draw_deviation, draw_points

LINES = {
    "spinodal": ("C1", "-", "retrieval appears"),
    "first_order": ("C0", "-", "retrieval lower than paramagnet"),
    "first_order_glass": ("C0", "--", "retrieval lower than glass"),
    "dynamical_glass": ("C2", ":", r"$T_d$, glass states appear"),
    "static_glass": ("k", "-", r"$T_s$, glass (one step of breaking)"),
}


def draw(tree: xr.DataTree) -> Figure:
    """Two panels: the plane of load and temperature, and the deviation from theory against N."""
    figure = Figure(figsize=(10.5, 4.6))
    plane, deviation = figure.subplots(1, 2, width_ratios=(1.35, 1))
    _plane(figure, plane, tree)
    draw_deviation(deviation, tree["comparison"].to_dataset())
    return figure


def _plane(figure: Figure, axes: Axes, tree: xr.DataTree) -> None:
    lines = tree["lines"].children
    for name, (color, style, label) in LINES.items():
        if name in lines:
            line = lines[name].to_dataset()
            axes.plot(line["pattern_load"], line["temperature"], style, color=color, label=label)
    axes.axline((0, 0), slope=1, color="0.6", lw=0.8, label=r"$T = \alpha$ (Nishimori)")
    draw_points(figure, axes, tree["simulation"].to_dataset())
    order = int(tree["theory"].to_dataset()["interaction_order"])
    axes.set(
        xlim=(0, 0.6),
        ylim=(0, 1.1),
        xlabel=r"load, $\alpha = P!\,K / 2 N^{P-1}$",
        ylabel="temperature, $T$",
        title=f"P = {order}: theory (lines) and simulation (points)",
    )
    axes.legend(loc="upper right", fontsize="small")
