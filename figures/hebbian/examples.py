"""Single examples against archetypes: overlaps and energies over the number of examples."""

from __future__ import annotations

import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from thermolimit.figures.marks import OK, draw_means, largest

STYLES = {"example": ("-", "o"), "archetype": ("--", "s")}
LABELS = {  # of the theory, of the simulation
    "overlap": ("overlap", "overlap with the archetype, $m$"),
    "one_overlap": ("example_overlap", "overlap with one example, $n_1$ (points: the largest)"),
    "energy": ("energy", "energy per spin, $u$"),
}


def draw(tree: xr.DataTree) -> Figure:
    """Theory as lines, the largest networks as points."""
    figure = Figure(figsize=(14, 4.8))
    panels = figure.subplots(1, 3)
    theory, comparison = tree["theory"].to_dataset(), tree["comparison"].to_dataset()
    simulated = largest(comparison)
    for axes, (name, (measured, label)) in zip(panels, LABELS.items(), strict=True):
        for k, quality in enumerate(theory["quality"].values):
            _lines(axes, theory.sel(quality=quality), name, f"C{k}")
            _points(axes, simulated.sel(quality=quality), measured, k)
        axes.set(xscale="log", xlabel="examples, $M$", ylabel=label)
        axes.set_xticks([2, 4, 8, 16, 32], ["2", "4", "8", "16", "32"])
        axes.minorticks_off()
    order, T = theory["interaction_order"].item(), theory["temperature"].item()
    panels[0].set_title(rf"$P = {order}$, $T = {T:g}$, $\alpha = 0$, unsupervised")
    panels[1].set_title(f"Theory (lines), simulation (points, N = {int(simulated['n_spins'])})")
    panels[2].set_title(r"Vertical: $M r^P = 1$; cross: the example ends")
    panels[1].legend(fontsize=7.5)
    return figure


def _lines(axes: Axes, theory: xr.Dataset, name: str, color: str) -> None:
    r = theory["quality"].item()
    for start, (style, _) in STYLES.items():
        states = theory.sel(start=start)
        found = states.where(states["status"] == OK).dropna("examples", subset=[name])
        axes.plot(
            found["examples"], found[name], style, color=color,
            label=f"$r = {r:g}$, state of the {start}",
        )  # fmt: skip
        if start == "example":
            axes.plot(found["examples"][-1], found[name][-1], "x", color=color, ms=9, mew=2)
    axes.axvline(r ** -theory["interaction_order"].item(), color=color, lw=0.8, ls=":")


def _points(axes: Axes, simulated: xr.Dataset, name: str, k: int) -> None:
    r = simulated["quality"].item()
    for start, (_, marker) in STYLES.items():
        one = simulated.sel(start=start)
        draw_means(
            axes, one["examples"], one[f"{name}_simulation"], one[f"{name}_error"], k,
            f"$r = {r:g}$, from the {start}", hollow=start == "archetype", fmt=marker,
        )  # fmt: skip
