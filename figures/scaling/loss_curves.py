"""Loss of SGD over the steps in six regions of the phase plane, with its pieces."""

from __future__ import annotations

import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from thermolimit.figures.marks import draw_means

PIECES = {
    "forcing_pure_point": (":", "$F_{pp}$"),
    "forcing_continuous": ("-.", "$F_{ac}$"),
    "irreducible_loss": ("--", "$F_0$"),
    "kernel_pure_point": ((0, (5, 1, 1, 1, 1, 1)), r"$K_{pp} / \gamma B$"),
}


def draw(tree: xr.DataTree) -> Figure:
    """Theory as lines, simulated means with standard errors as points, pieces dashed."""
    theory, comparison = tree["theory"].to_dataset(), tree["comparison"].to_dataset()
    pieces = tree["lines/pieces"].to_dataset()
    figure = Figure(figsize=(11, 7))
    grid = figure.subplots(2, 3, sharex=True)
    for panel, axes in enumerate(grid.flat):
        one = theory.isel(panel=panel)
        _panel(axes, one, comparison.isel(panel=panel))
        _pieces(axes, pieces.isel(panel=panel))
        region = f"phase {one['phase'].item()}".replace("phase boundary", "boundary")
        axes.set(
            xscale="log", yscale="log",
            title=rf"$\alpha = {one['alpha']:g}$, $\beta = {one['beta']:g}$: {region}",
        )  # fmt: skip
    for axes in grid[-1]:
        axes.set_xlabel("step, $r$")
    for axes in grid[:, 0]:
        axes.set_ylabel("loss, $P$")
    handles, labels = grid[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=5)
    return figure


def _panel(axes: Axes, theory: xr.Dataset, comparison: xr.Dataset) -> None:
    for k, d in enumerate(theory["dimension"].values):
        loss = theory["loss"].sel(dimension=d)
        axes.plot(loss["step"], loss, color=f"C{k}", label=f"theory, $d = {d}$")
    for k, d in enumerate(theory["dimension"].values):
        loss = theory["loss"].sel(dimension=d)
        simulated = comparison.sel(dimension=d)
        draw_means(
            axes, loss["step"], loss * simulated["relative_loss_simulation"],
            loss * simulated["relative_loss_error"], k, f"SGD, $d = {d}$",
            ms=3.5, mew=0.5, elinewidth=0.8,
        )  # fmt: skip
    lowest, highest = float(theory["loss"].min()), float(theory["loss"].max())
    axes.set_ylim(lowest / 3, 2 * highest)


def _pieces(axes: Axes, pieces: xr.Dataset) -> None:
    scales = {"kernel_pure_point": pieces["step_size"] * pieces["batch"]}
    d = int(pieces["dimension"])
    for name, (style, label) in PIECES.items():
        piece = (pieces[name] / scales.get(name, 1)).broadcast_like(pieces["step"])
        if (piece > 0).any():
            axes.plot(pieces["step"], piece, ls=style, color="0.35", lw=1.2)
        # also where a piece is zero, for the legend
        axes.plot([], [], ls=style, color="0.35", lw=1.2, label=f"{label}, $d = {d}$")
