"""Loss of SGD and of two kinds of momentum over the steps, for several dimensions."""

from __future__ import annotations

import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from thermolimit.figures.marks import draw_means


def draw(tree: xr.DataTree) -> Figure:
    """One panel for each dimension: exact means as lines, simulated ones as points."""
    theory, comparison = tree["theory"].to_dataset(), tree["comparison"].to_dataset()
    sizes = theory["dimension"].values
    figure = Figure(figsize=(3.7 * len(sizes), 3.9))
    row = figure.subplots(1, len(sizes), sharey=True, squeeze=False)[0]
    for axes, d in zip(row, sizes, strict=True):
        _panel(axes, theory.sel(dimension=d), comparison.sel(dimension=d))
        axes.set(xscale="log", yscale="log", xlabel="step, $r$", title=f"$d = {d}$")
    row[0].set_ylabel("loss, $P$")
    figure.legend(*row[0].get_legend_handles_labels(), loc="outside lower center", ncols=6)
    return figure


def _panel(axes: Axes, theory: xr.Dataset, comparison: xr.Dataset) -> None:
    for k, name in enumerate(theory["algorithm"].values):
        exact = theory["loss"].sel(algorithm=name)
        axes.plot(exact["step"], exact, color=f"C{k}", label=f"{name}, exact")
        simulated = comparison.sel(algorithm=name)
        draw_means(
            axes, simulated["step"], simulated["loss_simulation"], simulated["loss_error"], k,
            f"{name}, simulated", ms=3.5, mew=0.5, elinewidth=0.8,
        )  # fmt: skip
    irreducible = float(theory["irreducible_loss"])
    axes.axhline(irreducible, color="0.35", ls="--", lw=1.2, label=r"$P_\infty$")
