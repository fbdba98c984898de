"""Overlap with archetypes against the number of examples, and how many networks keep it."""

from __future__ import annotations

import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from thermolimit.figures.marks import OK, draw_means, largest
from thermolimit.figures.overlaps import describe_deviation

COLORS = {2: 2, 3: 0, 4: 1}  # of the interaction orders
STYLES = {"supervised": ("-", "o"), "unsupervised": ("--", "s")}


def draw(tree: xr.DataTree) -> Figure:
    """Three panels."""
    figure = Figure(figsize=(14, 4.6))
    overlap, retrieved, deviation = figure.subplots(1, 3, width_ratios=(1.4, 1, 1.2))
    simulated, comparison = tree["simulation"].to_dataset(), tree["comparison"].to_dataset()
    for name, node in sorted(tree["lines"].children.items()):  # a file does not keep their order
        _line(overlap, name, node.to_dataset())
    _points(overlap, comparison)
    _retrieved(retrieved, simulated)
    _deviations(deviation, comparison)
    return figure


def _line(axes: Axes, name: str, states: xr.Dataset) -> None:
    protocol, _, order = name.rpartition("_")
    found = states["overlap"].where(states["status"] == OK)
    axes.plot(
        states["examples"], found, STYLES[protocol][0], color=f"C{COLORS[int(order)]}",
        label=f"$P = {order}$, {protocol}",
    )  # fmt: skip
    at = {name: states[name].item() for name in ("pattern_load", "temperature", "quality")}
    axes.set(
        xscale="log",
        ylim=(0.4, 1.02),
        xlabel="examples per class, $M$",
        ylabel="overlap with the archetype, $m$",
        title=rf"$\alpha = {at['pattern_load']:g}$, $T = {at['temperature']:g}$, "
        rf"$r = {at['quality']:g}$: theory (lines), simulation (points)",
    )


def _points(axes: Axes, comparison: xr.Dataset) -> None:
    simulated = largest(comparison)
    order = int(simulated["interaction_order"])
    for protocol, (_, marker) in STYLES.items():
        one = simulated.sel(protocol=protocol)
        draw_means(
            axes, one["examples"], one["overlap_simulation"], one["overlap_error"], COLORS[order],
            f"$P = {order}$, {protocol}, N = {int(one['n_spins'])}", fmt=marker, ms=7, zorder=3,
        )  # fmt: skip
    axes.legend(loc="lower right")


def _retrieved(axes: Axes, simulated: xr.Dataset) -> None:
    for k, n_spins in enumerate(simulated["n_spins"].values):
        for protocol, (style, marker) in STYLES.items():
            one = simulated.sel(n_spins=n_spins, protocol=protocol)
            axes.plot(
                one["examples"], one["retrieved"].mean("replica"), marker + style,
                color=f"C{k + 3}", label=f"N = {n_spins}, {protocol}",
            )  # fmt: skip
    axes.set(
        xscale="log",
        ylim=(0, 1.02),
        xlabel="examples per class, $M$",
        ylabel="networks that stay with the archetype",
        title="Retrieval fraction of the simulation",
    )
    axes.legend(loc="lower right")


def _deviations(axes: Axes, comparison: xr.Dataset) -> None:
    sizes = comparison["n_spins"].values
    count = comparison.sizes["examples"]
    for k, examples in enumerate(comparison["examples"].values):
        for protocol, (_, marker) in STYLES.items():
            one = comparison.sel(examples=examples, protocol=protocol)
            side = 1 if protocol == "supervised" else -1
            axes.errorbar(
                sizes * 1.03 ** (2 * k - count + 1 + side / 2), 1e3 * one["overlap_difference"],
                1e3 * one["overlap_error"], fmt=marker, color=f"C{k}",
                label=f"$M = {examples:g}$, {protocol}",
            )  # fmt: skip
    describe_deviation(axes, sizes)
    axes.set_xlim(sizes[0] / 1.4, sizes[-1] * 1.4)
    axes.legend(ncols=2, loc="upper center")
