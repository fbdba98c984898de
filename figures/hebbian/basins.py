"""Basins of attraction: first steps, retrieval by initial overlap, and their borders by load."""

from __future__ import annotations

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from thermolimit.figures.marks import draw_means

ORDERS = (2, 3, 4)


def draw(tree: xr.DataTree) -> Figure:
    """Overlaps after one and two steps; fraction retrieved; borders of the basins."""
    figure = Figure(figsize=(13, 4.6))
    first, probability, border = figure.subplots(1, 3)
    _first_steps(first, tree)
    _probability(probability, tree)
    _border(border, tree)
    return figure


def _sizes(data: xr.Dataset, name: str, order: int) -> np.ndarray:
    """Numbers of spins that were simulated with this interaction order."""
    one = data[name].sel(interaction_order=order)
    return one.dropna("n_spins", how="all")["n_spins"].values


def _load(data: xr.Dataset, order: int) -> float:
    """The second load, or the only one."""
    one = data["retrieved"].sel(interaction_order=order)
    return one.dropna("pattern_load", how="all")["pattern_load"].values[:2][-1]


def _first_steps(axes: Axes, tree: xr.DataTree) -> None:
    comparison, simulation = tree["comparison"].to_dataset(), tree["simulation"].to_dataset()
    theory = tree["lines/steps"].to_dataset()
    for k, order in enumerate(ORDERS):
        alpha = _load(simulation, order)
        line = theory.sel(interaction_order=order, pattern_load=alpha)
        size = _sizes(comparison, "first_simulation", order)[-1]
        one = comparison.sel(interaction_order=order, pattern_load=alpha, n_spins=size)
        for name, style in (("first", "-"), ("second", "--")):
            axes.plot(line["start_overlap"], line[name], style, color=f"C{k}")
            draw_means(
                axes, one["start_overlap"], one[f"{name}_simulation"], one[f"{name}_error"], k,
                rf"$P = {order}$, $\alpha = {alpha:g}$, $N = {size}$" if name == "first" else None,
                hollow=name == "second",
            )  # fmt: skip
    axes.axline((0, 0), slope=1, color="0.6", lw=0.8)
    axes.set(
        xlabel="initial overlap, $m_0$",
        ylabel="overlap after parallel steps",
        xlim=(0, 1),
        ylim=(-0.03, 1.03),
        title="One step (full) and two (dashed, open):\ntheory (lines), simulation (points)",
    )
    axes.legend(loc="lower right")


def _probability(axes: Axes, tree: xr.DataTree) -> None:
    simulation = tree["simulation"].to_dataset()
    for k, order in enumerate(ORDERS):
        alpha = _load(simulation, order)
        sizes = _sizes(simulation, "retrieved", order)[-2:]
        for size in sizes:
            one = simulation["retrieved"].sel(
                interaction_order=order, pattern_load=alpha, n_spins=size
            )
            p, count = one.mean("replica"), 2 * one.sizes["replica"]
            draw_means(
                axes, p["start_overlap"], p, np.sqrt(p * (1 - p) / count), k,
                rf"$P = {order}$, $\alpha = {alpha:g}$, $N = {size}$",
                hollow=size < sizes[-1], ls="-", lw=0.7,
            )  # fmt: skip
        line = tree[f"lines/border_{order}"].to_dataset().sel(pattern_load=alpha)
        axes.axvline(line["critical_overlap"].item(), color=f"C{k}", ls="-", lw=1.2)
    axes.set(
        xlabel="initial overlap, $m_0$",
        ylabel="fraction retrieved at $T = 0$",
        xlim=(0, 1),
        ylim=(-0.03, 1.45),
        yticks=np.linspace(0, 1, 6),
        title="Retrieval by initial overlap\n(vertical lines: signal and Gaussian noise)",
    )
    axes.legend(loc="upper left", fontsize=7)


def _border(axes: Axes, tree: xr.DataTree) -> None:
    simulation = tree["simulation"].to_dataset()
    for k, order in enumerate(ORDERS):
        line = tree[f"lines/border_{order}"].to_dataset()
        axes.plot(
            line["pattern_load"], line["critical_overlap"], color=f"C{k}",
            label=f"$P = {order}$, signal and noise",
        )  # fmt: skip
        saddle = tree[f"lines/saddle_{order}"].to_dataset()
        axes.plot(
            saddle["pattern_load"], saddle["class_overlap"], "--", color=f"C{k}", lw=2.4,
            alpha=0.6, label=f"$P = {order}$, unstable RS state",
        )  # fmt: skip
        size = _sizes(simulation, "half_retrieval", order)[-1]
        one = simulation.sel(interaction_order=order, n_spins=size)
        draw_means(
            axes, one["pattern_load"], one["half_retrieval"], one["half_retrieval_error"], k,
            f"$P = {order}$, simulation, $N = {size}$",
        )  # fmt: skip
    axes.set(
        xlabel=r"load, $\alpha = P!\, K / 2 N^{P-1}$",
        ylabel="smallest overlap that is retrieved, $m_0^*$",
        xlim=(0, None),
        ylim=(0, 1.02),
        title="Borders of the basins of attraction:\nhalf of the runs (points), theory (lines)",
    )
    axes.legend(fontsize=6.5, loc="lower right")
