"""Local exponents against compute, their distance from the limit, and the loss over its pieces."""

from __future__ import annotations

import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

SYMBOLS = {"loss_exponent": r"\eta", "dimension_exponent": r"\xi"}


def draw(tree: xr.DataTree) -> Figure:
    """Slopes near a line between phases, all distances, ratios."""
    figure = Figure(figsize=(14, 8.4))
    axes = figure.subplots(2, 2)
    data = tree["theory"].to_dataset()
    near = data.isel(point=(data["alpha"] == data["alpha"][0]).values)
    for panel, name in zip(axes[0], SYMBOLS, strict=True):
        _slopes(panel, near, name)
    _distances(axes[1, 0], data)
    _ratios(axes[1, 1], tree["lines/ratios"].to_dataset())
    return figure


def _label(point: xr.Dataset) -> str:
    meanings = point["phase"].attrs["flag_meanings"].split()
    name = meanings[int(point["phase"])].replace("boundary", "II/III")
    return rf"$\alpha = {point['alpha'].item():g}$, $\beta = {point['beta'].item():g}$ ({name})"


def _slopes(axes: Axes, data: xr.Dataset, name: str) -> None:
    for index in range(data.sizes["point"]):
        one = data.isel(point=index)
        axes.plot(one["flops"], one[name], color=f"C{index}", label=_label(one))
        axes.axhline(one[f"{name}_limit"].item(), color=f"C{index}", linestyle=":", linewidth=1.2)
    axes.set(
        xscale="log", xlabel="compute, $f = d B r$", ylabel=f"local exponent, ${SYMBOLS[name]}(f)$",
        title=rf"Slope of the frontier, ${SYMBOLS[name]}$ (dotted: limits)",
    )  # fmt: skip
    axes.legend()


def _distances(axes: Axes, data: xr.Dataset) -> None:
    for index in range(data.sizes["point"]):
        one = data.isel(point=index)
        distance = abs(one["loss_exponent"] - one["loss_exponent_limit"])
        axes.plot(one["flops"], distance, color=f"C{index}", label=_label(one))
    axes.set(
        xscale="log", yscale="log", ylim=(1e-5, 0.2), xlabel="compute, $f = d B r$",
        ylabel=r"$|\eta(f) - \eta|$", title="Distance from the limit",
    )  # fmt: skip
    axes.legend(ncols=2, loc="lower left")


def _ratios(axes: Axes, data: xr.Dataset) -> None:
    for index, d in enumerate(data["dimension"].values):
        one = data.sel(dimension=d)
        axes.plot(d * one["step"], one["of_sum"], color=f"C{index}", label=f"$d = {d}$")
        axes.plot(d * one["step"], one["of_level"], color=f"C{index}", linestyle="--")
    axes.axhline(1, color="k", linewidth=0.8)
    axes.plot([], [], "--", color="0.4", label="with the levels of both")
    alpha, beta = (data[name].values.flat[0] for name in ("alpha", "beta"))
    axes.set(
        xscale="log", ylim=(0.6, 2), xlabel="compute, $f = d B r$",
        ylabel="loss / approximation",
        title=rf"Loss over $F_{{pp}} + F_{{ac}} + F_0 + K_{{pp}} / \gamma B$ at "
        rf"$\alpha = {alpha:g}$, $\beta = {beta:g}$",
    )  # fmt: skip
    axes.legend(loc="upper right")
