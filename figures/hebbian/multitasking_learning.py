"""Overlaps of a multitasking network against temperature, and its loss against its energy."""

from __future__ import annotations

import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from thermolimit.figures.marks import OK, draw_means, largest, over_replicas


def draw(tree: xr.DataTree) -> Figure:
    """One panel of overlaps per entropy of the examples, and loss against energy."""
    states = tree["lines/states"].to_dataset()
    states = states.where(states["status"] == OK)
    simulated = largest(tree["simulation"].to_dataset())
    entropies = states["entropy"].values
    figure = Figure(figsize=(4.2 * (len(entropies) + 1), 4.4))
    *panels, cost = figure.subplots(1, len(entropies) + 1)
    for axes, rho in zip(panels, entropies, strict=True):
        _overlaps(axes, states.sel(entropy=rho), simulated.sel(entropy=rho))
        axes.set_title(rf"$\rho = {rho:g}$" + (": stored" if rho == 0 else ": learned"))
    for k, rho in enumerate(entropies):
        one, points = states.sel(entropy=rho), simulated.sel(entropy=rho)
        cost.plot(one["energy"], one["loss"], color=f"C{k}", label=rf"theory, $\rho = {rho:g}$")
        energy, loss = points["energy"].mean("replica"), over_replicas(points["loss"])
        draw_means(cost, energy, *loss, k, rf"$\rho = {rho:g}$")
    cost.set(xlabel="energy per spin, $u$", ylabel=r"loss", title="Loss = constant + 2 x energy")
    cost.legend()
    return figure


def _overlaps(axes: Axes, theory: xr.Dataset, simulated: xr.Dataset) -> None:
    for k in range(theory.sizes["pattern"]):
        # equal overlaps lie on each other: thinner lines above thicker ones
        axes.plot(
            theory["temperature"], abs(theory["overlaps"].isel(pattern=k)),
            color=f"C{k}", lw=4 - 1.2 * k, label=f"$m_{k + 1}$, theory",
        )  # fmt: skip
        overlap = over_replicas(simulated["overlaps"].isel(pattern=k))
        label = f"$m_{k + 1}$, N = {int(simulated['n_spins'])}"
        draw_means(axes, simulated["temperature"], *overlap, k, label)
    axes.set(xlabel="temperature, $T$", ylabel=r"overlap with pattern $k$, $m_k$", ylim=(0, None))
    axes.legend()
