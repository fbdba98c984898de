"""The phases of compute-optimal scaling, and the exponents of loss and dimension over the plane."""

from __future__ import annotations

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure

from ._planes import draw_lines, hatch_half

TINTS = {
    "none": "#dddddd",
    "boundary": "#ffffff",
    "Ia": "#cfe2f3",
    "Ib": "#b9d3ea",
    "Ic": "#9fc2e0",
    "II": "#dcead7",
    "III": "#fde3c8",
    "IVa": "#e4dcf0",
    "IVb": "#d3c5e8",
}
PIECES = {  # equal at the optimum
    "Ia": r"$F_{pp} = F_0$",
    "Ib": r"$F_{pp} = F_0$",
    "Ic": r"$F_{pp} = F_0$",
    "II": r"$F_{pp} = F_{ac}$",
    "III": r"$K_{pp} = \gamma B\, F_{ac}$",
    "IVa": r"$K_{pp} = \gamma B\, F_0$",
    "IVb": r"$K_{pp} = \gamma B\, F_{pp}$",
}
NARROW = 0.3  # a region less wide than this has its name written upwards


def draw(tree: xr.DataTree) -> Figure:
    """Regions with their names on the left; both exponents on the right."""
    data = tree["theory"].to_dataset()
    figure = Figure(figsize=(14, 4.6))
    regions, loss, dimension = figure.subplots(1, 3, sharey=True)
    _regions(regions, data)
    _coloured(figure, loss, data["loss_exponent"])
    _coloured(figure, dimension, data["dimension_exponent"])
    hatch_half(dimension, data["dimension_exponent"])
    loss.set_title(r"Loss: $P^* \sim f^{-\eta}$")
    dimension.set_title(r"Dimension: $d^* \sim f^{\,\xi}$; hatched: $\xi = 1/2$")
    for axes in (regions, loss, dimension):
        draw_lines(axes, tree)
        axes.set(
            xlabel=r"decay of the data, $\alpha$",
            xlim=(0, data["alpha"].max()),
            ylim=(0, data["beta"].max()),
        )
    regions.set_ylabel(r"decay of the target, $\beta$")
    return figure


def _regions(axes: Axes, data: xr.Dataset) -> None:
    phase = data["phase"].transpose("beta", "alpha")
    meanings: list[str] = phase.attrs["flag_meanings"].split()
    axes.pcolormesh(
        data["alpha"], data["beta"], phase, cmap=ListedColormap([TINTS[m] for m in meanings]),
        vmin=-0.5, vmax=len(meanings) - 0.5, shading="nearest", rasterized=True,
    )  # fmt: skip
    for code, name in enumerate(meanings):
        inside = (phase == code).values
        if name not in PIECES or not inside.any():
            continue
        row, column = np.nonzero(inside)
        alpha, beta = (data[x].values[index] for x, index in (("alpha", column), ("beta", row)))
        width = np.ptp(alpha)
        narrow, small = width < NARROW, width < NARROW / 4
        axes.text(
            alpha.mean(), beta.mean(), f"{name}{'   ' if narrow else chr(10)}{PIECES[name]}",
            ha="center", va="center", rotation=90 if narrow else 0, fontsize=7 if small else 10,
        )  # fmt: skip
    axes.set_title("Pieces of the loss that are equal at the optimum")


def _coloured(figure: Figure, axes: Axes, exponent: xr.DataArray) -> None:
    mesh = axes.pcolormesh(
        exponent["alpha"], exponent["beta"], exponent.transpose("beta", "alpha"),
        cmap="viridis", shading="nearest", rasterized=True,
    )  # fmt: skip
    figure.colorbar(mesh, ax=axes, label=exponent.attrs["long_name"])
