"""Deviation of dense networks from their limit over 1 / N, and how many keep their archetype."""

from __future__ import annotations

import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from thermolimit.figures.marks import marker
from thermolimit.figures.overlaps import draw_trend


def draw(tree: xr.DataTree) -> Figure:
    """One column per interaction order: deviation of the overlap, fraction of retrieval."""
    comparison, trend = tree["comparison"].to_dataset(), tree["trend"].to_dataset()
    simulation = tree["simulation"].to_dataset()
    orders = comparison["interaction_order"].values
    figure = Figure(figsize=(4.0 * len(orders), 6.2))
    upper, lower = figure.subplots(2, len(orders), sharex="col", height_ratios=(2.4, 1))
    for deviation, kept, P in zip(upper, lower, orders, strict=True):
        at = {"interaction_order": P}
        _fractions(kept, simulation["retrieval_fraction"].sel(at).dropna("n_spins", how="all"))
        measured = comparison.sel(at).dropna("n_spins", subset=["overlap_error"], how="all")
        fits = trend.sel(at)
        draw_trend(
            deviation,
            {name: (measured.sel(network=name), fits.sel(network=name))
             for name in measured["network"].values},
        )  # fmt: skip
        deviation.set(xlabel="", title=f"$P = {P}$")
        sizes = measured["n_spins"].values
        kept.set(xlim=(-0.05 / sizes.min(), 1.08 / sizes.min()), xlabel="$1 / N$")
        kept.tick_params(axis="x", rotation=45)
    for axes in (*upper[1:], *lower[1:]):
        axes.set_ylabel("")
    upper[0].legend()
    return figure


def _fractions(axes: Axes, fraction: xr.DataArray) -> None:
    for k, name in enumerate(fraction["network"].values):
        one = fraction.sel(network=name)
        axes.plot(1 / one["n_spins"], one, marker(k) + "-", lw=0.9, color=f"C{k}")
    axes.set(ylim=(0, 1.05), ylabel="fraction that retrieves")
