"""Phase diagram of a dense network with simulated overlaps, and simulation minus theory."""

from __future__ import annotations

import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from thermolimit.figures.overlaps import draw_deviation, draw_points, draw_trend

LINES = {
    "spinodal": ("C1", "-", "retrieval appears (RS)"),
    "first_order": ("C0", "-", "retrieval lower than paramagnet"),
    "almeida_thouless": ("C3", "-.", "replica symmetry breaks in retrieval (AT)"),
    "first_order_glass": ("C0", "--", "retrieval lower than glass"),
    "dynamical_glass": ("C2", ":", r"$T_d$, glass states appear (1RSB)"),
    "static_glass": ("k", "-", r"$T_s$, glass is lowest (1RSB)"),
}


def draw(tree: xr.DataTree) -> Figure:
    """Two panels: the plane of load and temperature, and the deviation from theory over 1 / N."""
    figure = Figure(figsize=(10.5, 4.6))
    plane, deviation = figure.subplots(1, 2, width_ratios=(1.35, 1))
    _plane(figure, plane, tree)
    _deviation(deviation, tree)
    return figure


def _deviation(axes: Axes, tree: xr.DataTree) -> None:
    comparison = tree["comparison"].to_dataset()
    if "trend" not in tree.children:  # of less than three sizes
        draw_deviation(axes, comparison)
        return
    points = comparison.stack(point=("pattern_load", "temperature"))
    points = points.dropna("point", how="all", subset=["overlap_difference"])
    trend = tree["trend"].to_dataset()
    curves = {}
    for point in points["point"].values:
        at = dict(zip(("pattern_load", "temperature"), point, strict=True))
        label = r"$\alpha={pattern_load:g}$, $T={temperature:g}$".format(**at)
        curves[label] = comparison.sel(at), trend.sel(at)
    draw_trend(axes, curves)
    axes.set_title("Deviation from the limit, and its fit in $1 / N$")
    axes.legend(ncols=2)


def _plane(figure: Figure, axes: Axes, tree: xr.DataTree) -> None:
    lines = tree["lines"].children
    for name, (color, style, label) in LINES.items():
        if name in lines:
            line = lines[name].to_dataset()
            axes.plot(line["pattern_load"], line["temperature"], style, color=color, label=label)
    theory = tree["theory"].to_dataset()
    order, r, M = (theory[name].item() for name in ("interaction_order", "quality", "examples"))
    seen = "" if r == 1 else rf", {theory['protocol'].item()}, $r = {r:g}$, $M = {M:g}$"
    if r == 1:
        axes.axline((0, 0), slope=1, color="0.6", lw=0.8, label=r"$T = \alpha$ (Nishimori)")
    draw_points(figure, axes, tree["simulation"].to_dataset())
    axes.set(
        xlim=(0, 0.6),
        ylim=(0, 1.4),
        xlabel=r"load, $\alpha = P!\,K / 2 N^{P-1}$",
        ylabel="temperature, $T$",
        title=f"$P = {order}${seen}: theory (lines), simulation (points)",
    )
    axes.legend(loc="upper right", fontsize="small")
