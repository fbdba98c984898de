"""Loss against compute with its frontier, isoflop slices, and the best dimension."""

from __future__ import annotations

import numpy as np
import xarray as xr
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure


def draw(tree: xr.DataTree) -> Figure:
    """Theory as lines, SGD as points; intervals of 95 percent from a bootstrap over W."""
    figure = Figure(figsize=(14, 4.8))
    curves, isoflop, best = figure.subplots(1, 3)
    _curves(curves, tree)
    _isoflop(isoflop, tree)
    _best(best, tree)
    return figure


def _curves(axes: Axes, tree: xr.DataTree) -> None:
    theory, simulated = tree["theory"].to_dataset(), tree["simulation"].to_dataset()
    sizes = theory["dimension"].values
    for index, d in enumerate(sizes):
        color = colormaps["viridis"](index / len(sizes))
        curve, points = theory["loss"].sel(dimension=d), simulated["mean_loss"].sel(dimension=d)
        axes.plot(d * curve["step"], curve, color=color, linewidth=1, zorder=3)
        points = points.isel(step=slice(index % 3, None, 3))
        axes.plot(d * points["step"], points, "o", color=color, ms=3, zorder=4)
    wide = tree["lines/curves"].to_dataset()["loss"].transpose("flops", "dimension")
    axes.plot(wide["flops"], wide[:, ::3], color="0.8", linewidth=0.7, zorder=1)
    front = tree["lines/frontier"].to_dataset()
    axes.plot(front["flops"], front["optimal_loss"], color="k", label="frontier, theory", zorder=5)
    axes.plot([], [], "-", color="C2", label=f"theory, $d = {sizes[0]}$ to ${sizes[-1]}$")
    axes.plot([], [], "o", color="C2", ms=3, label="SGD, mean over $W$")
    axes.plot([], [], color="0.8", label="theory, larger $d$")
    axes.set(
        xscale="log", yscale="log",
        xlabel="compute, $f = d B r$", ylabel="loss, $P$",
        xlim=(float(front["flops"][0]) / 4, float(front["flops"][-1])),
        ylim=(float(front["optimal_loss"].min()) / 1.5, 0.4),
        title=rf"$\alpha = {theory['alpha'].item():g}$, $\beta = {theory['beta'].item():g}$",
    )  # fmt: skip
    axes.legend(loc="lower left")


def _isoflop(axes: Axes, tree: xr.DataTree) -> None:
    theory, simulated = tree["lines/slices"].to_dataset(), tree["simulation"].to_dataset()
    front, flops = tree["lines/same"].to_dataset(), simulated["flops"].values
    for index, f in list(enumerate(flops))[::2]:
        color = colormaps["plasma"](0.85 * index / len(flops))
        curve, one = theory["loss"].sel(flops=f), simulated.sel(flops=f)
        axes.plot(curve["dimension"], curve, color=color, linewidth=1.2, label=_scientific(f))
        below, value, above = (one[f"loss_at_flops{end}"] for end in ("_lower", "", "_upper"))
        axes.errorbar(
            one["dimension"], value, [value - below, above - value], fmt="o", color=color, ms=3.5
        )
        vertex = front.sel(flops=f)
        axes.plot(vertex["optimal_dimension"], vertex["optimal_loss"], "x", color="k", zorder=5)
    d = simulated["dimension"].values
    axes.plot([], [], "x", color="k", label="vertex, theory")
    axes.set(
        xscale="log", yscale="log", xlim=(d[0] / 1.1, 1.6 * d[-1]),
        xlabel="dimension, $d$", ylabel="loss at given compute, $P(f / (d B); d)$",
        title="Isoflop slices: theory (lines), SGD (points)",
    )  # fmt: skip
    axes.set_xticks(d[::2], [str(size) for size in d[::2]])
    axes.set_xticks([], minor=True)
    low, high = (
        float(end) for end in (front["loss_at_flops"].min(), simulated["loss_at_flops"].max())
    )
    axes.set_ylim(0.8 * low, 3 * high)
    axes.legend(ncols=2, loc="upper left")


def _scientific(number: float) -> str:
    power = int(np.floor(np.log10(number)))
    return rf"$f = {number / 10**power:.1f} \times 10^{{{power}}}$"


def _best(axes: Axes, tree: xr.DataTree) -> None:
    simulated, same = tree["simulation"].to_dataset(), tree["lines/same"].to_dataset()
    wide, limit = tree["lines/frontier"].to_dataset(), tree["lines/limit"].to_dataset()
    d = simulated["optimal_dimension"]
    bars = [d - simulated["optimal_dimension_lower"], simulated["optimal_dimension_upper"] - d]
    axes.plot(wide["flops"], wide["optimal_dimension"], color="k", label="theory, all $d$")
    axes.plot(same["flops"], same["optimal_dimension"], "x", color="C1", label="theory, same $d$")
    axes.errorbar(d["flops"], d, np.array(bars), fmt="o", color="C0", label="SGD, same $d$")
    axes.set(
        xscale="log", yscale="log", xlim=(d["flops"][0] / 2, 30 * d["flops"][-1]),
        ylim=(float(d.min()) / 3, 8 * float(d.max())), xlabel="compute, $f = d B r$",
        ylabel="best dimension, $d^*$", title="Best dimension at given compute",
    )  # fmt: skip
    axes.legend(loc="upper left")
    rows = [
        _row(simulated, "loss_exponent", r"\eta"),
        _row(simulated, "dimension_exponent", r"\xi"),
        rf"theory, same $d$, $f$:  $\eta = {same['loss_exponent'].item():.3f}$, "
        rf"$\xi = {same['dimension_exponent'].item():.3f}$",
        rf"limit:  $\eta = {limit['loss_exponent'].item():.3f}$, "
        rf"$\xi = {limit['dimension_exponent'].item():.3f}$",
    ]
    axes.text(0.97, 0.03, "\n".join(rows), transform=axes.transAxes, ha="right", va="bottom")


def _row(data: xr.Dataset, name: str, symbol: str) -> str:
    value, low, high = (data[f"{name}{end}"].item() for end in ("", "_lower", "_upper"))
    return rf"SGD:  ${symbol} = {value:.3f}$ [{low:.3f}, {high:.3f}]"
