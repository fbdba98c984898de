"""Measured exponents minus their limits over the plane, and a cut through three phases."""

from __future__ import annotations

import json

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ._planes import draw_lines, hatch_half

WORST = {"loss_exponent": 0.1, "dimension_exponent": 0.2}  # ends of the colour scales
LABELS = {
    "Ia": (1.0, 0.25),
    "Ib": (0.35, 0.35),
    "Ic": (0.12, 1.0),
    "II": (1.2, 0.8),
    "III": (0.8, 1.2),
    "IVa": (0.4, 1.0),
}
SYMBOLS = {"loss_exponent": r"\eta", "dimension_exponent": r"\xi"}


def draw(tree: xr.DataTree) -> Figure:
    """Maps on the left, the cut on the right."""
    figure = Figure(figsize=(14, 4.6))
    loss, dimension, cut = figure.subplots(1, 3)
    low, high = json.loads(tree.attrs["grid"])["flops"]
    for axes, name in ((loss, "loss_exponent"), (dimension, "dimension_exponent")):
        _excess(figure, axes, tree, name)
    loss.set_title(f"Exponent of the loss, $f = {_power_of_ten(low)}$ to ${_power_of_ten(high)}$")
    dimension.set_title(r"Exponent of the dimension; hatched: limit $\xi = 1/2$")
    hatch_half(dimension, tree["lines/limits"].to_dataset()["dimension_exponent"])
    _cut(cut, tree["lines/cut"].to_dataset(), tree["lines/cut_limits"].to_dataset())
    return figure


def _power_of_ten(number: float) -> str:
    return f"10^{{{np.log10(number):g}}}"


def _excess(figure: Figure, axes: Axes, tree: xr.DataTree, name: str) -> None:
    excess = tree["theory"].to_dataset()[f"{name}_excess"].transpose("beta", "alpha")
    mesh = axes.pcolormesh(
        excess["alpha"], excess["beta"], excess, cmap="RdBu_r", vmin=-WORST[name],
        vmax=WORST[name], shading="nearest", rasterized=True,
    )  # fmt: skip
    label = rf"${SYMBOLS[name]}$, measured on the theory $-$ limit"
    figure.colorbar(mesh, ax=axes, label=label, extend="both")
    draw_lines(axes, tree)
    for label, (alpha, beta) in LABELS.items():
        axes.text(alpha, beta, label, ha="center", va="center")
    largest = tree["lines/limits"]["alpha"].max()
    axes.set(
        xlabel=r"decay of the data, $\alpha$", ylabel=r"decay of the target, $\beta$",
        xlim=(0, largest), ylim=(0, largest),
    )  # fmt: skip


def _cut(axes: Axes, cut: xr.Dataset, limits: xr.Dataset) -> None:
    beta, alpha = cut["beta"], cut["alpha"].values.flat[0]
    for index, name in enumerate(SYMBOLS):
        color, symbol = f"C{index}", rf"${SYMBOLS[name]}$"
        axes.plot(limits["beta"], limits[name], color=color, label=f"{symbol}, limit")
        axes.plot(beta, cut[name], "o", color=color, label=f"{symbol}, at this compute")
    for end, label in ((0.5, "Ia"), (alpha, "II"), (beta[-1].item(), "III")):
        axes.axvline(end, color="0.7", linewidth=0.8, zorder=0)
        axes.text(end - 0.03, 0.02, label, ha="right", va="bottom")
    axes.set(
        xlabel=r"decay of the target, $\beta$", ylabel="exponent", ylim=(0, 0.8),
        xlim=(0, beta[-1].item() + 0.05), title=rf"Cut at $\alpha = {alpha:g}$",
    )  # fmt: skip
    axes.legend(ncols=2, loc="lower right", bbox_to_anchor=(0.95, 0.06))
