"""Mixtures of three patterns: overlaps and energies by temperature, overlaps by load."""

from __future__ import annotations

import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from thermolimit.figures.marks import draw_means, largest

ORDERS = (2, 3, 4)
LABELS = {
    "overlap": "overlap with each mixed pattern, $m$",
    "energy": "energy per spin, $u$",
}


def draw(tree: xr.DataTree) -> Figure:
    """Theory as lines, thick where stable; simulation as points."""
    figure = Figure(figsize=(13, 4.4))
    *over_temperature, load = figure.subplots(1, 3)
    for axes, name in zip(over_temperature, LABELS, strict=True):
        _over_temperature(axes, tree, name)
    over_temperature[0].legend()
    _over_load(load, tree)
    return figure


def _over_temperature(axes: Axes, tree: xr.DataTree, name: str) -> None:
    simulated = largest(tree["comparison"].to_dataset())
    for k, order in enumerate(ORDERS):
        states = tree[f"lines/mixture_{order}"].to_dataset()
        limit = states.attrs["instability"]
        stable = (states["temperature"] <= limit) & (states["growth_rate"] < 0)
        axes.plot(states["temperature"], states[name], ":", color=f"C{k}", lw=1)
        kept = states.where(stable, drop=True)
        axes.plot(
            kept["temperature"], kept[name], color=f"C{k}",
            label=rf"$P = {order}$, stable to $T = {limit:.4f}$",
        )  # fmt: skip
        one = simulated.sel(interaction_order=order).dropna("temperature", subset=[f"{name}_error"])
        draw_means(
            axes, one["temperature"], one[f"{name}_simulation"], one[f"{name}_error"], k,
            f"$P = {order}$, $N = {int(one['n_spins'])}$",
        )  # fmt: skip
    axes.set(
        xlabel="temperature, $T$",
        ylabel=LABELS[name],
        title="Few patterns: theory (lines, dotted where\nunstable), simulation (points)",
    )


def _over_load(axes: Axes, tree: xr.DataTree) -> None:
    for k, order in enumerate(ORDERS):
        for name, style, words in (("load", "-", "mixture"), ("pattern_load", "--", "pattern")):
            line = tree[f"lines/{name}_{order}"].to_dataset()
            axes.plot(
                line["pattern_load"], line["overlap"], style, color=f"C{k}",
                label=rf"$P = {order}$, {words}, $\alpha \leq {line['pattern_load'].max():.4f}$",
            )  # fmt: skip
        axes.set(
            xlabel=r"load, $\alpha = P!\, K / 2 N^{P-1}$",
            ylabel="overlap, $m$",
            xlim=(0, 0.41),
            ylim=(0, 1.02),
            title="Load that is endured at $T = 0$,\nwith the unstable states below (theory)",
        )
    axes.legend(fontsize=6.5, loc="lower right")
