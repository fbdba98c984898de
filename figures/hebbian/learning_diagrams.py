"""Where learned archetypes are retrieved: load, entropy, examples, quality, temperature."""

from __future__ import annotations

import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from thermolimit.figures.marks import OK

Lines = dict[str, xr.Dataset]
ORDERS = {2: ("C2", "^"), 3: ("C0", "o"), 4: ("C1", "s")}
ENTROPY = r"entropy of the examples, $\rho = (1 - r^2) / M r^2$"


def draw(tree: xr.DataTree) -> Figure:
    """Load, and both planes of examples; below, scaling of the threshold, and temperatures."""
    figure = Figure(figsize=(14, 8.6))
    (load, supervised, unsupervised), (scaling, hot, overlap) = figure.subplots(2, 3)
    lines = {name: node.to_dataset() for name, node in tree["lines"].children.items()}
    _loads(load, lines)
    _plane(figure, supervised, lines["supervised_plane"])
    _plane(figure, unsupervised, lines["unsupervised_plane"])
    for k, one in enumerate(_along(lines["accuracy"], "overlap")):
        label = rf"$m^* = {one['overlap'].item():g}$"
        supervised.plot(
            one["examples"], one["quality"], ("--", "-.", ":")[k % 3], color="k", label=label
        )
    supervised.set_title("With supervision, $T = 0$")
    law = lines["law"]
    unsupervised.plot(
        law["examples"], law["quality"], "--", color="C3", label=r"$M_c$, law for $r \to 0$"
    )
    unsupervised.set_title("Without supervision, $T = 0$")
    for axes in (supervised, unsupervised):
        axes.legend(loc="upper right")
    _scaling(scaling, lines)
    _temperatures(hot, lines)
    _overlaps(overlap, lines)
    return figure


def _along(data: xr.Dataset, dim: str) -> list[xr.Dataset]:
    return [data.isel({dim: k}) for k in range(data.sizes[dim])]


def _loads(axes: Axes, lines: Lines) -> None:
    for order, (color, _) in ORDERS.items():
        line = lines[f"capacity_{order}"]
        largest = line["pattern_load" if order == 2 else "capacity"]
        axes.plot(line["entropy"], largest, color=color, label=f"$P = {order}$, supervised")
        if order > 2:
            line = lines[f"unsupervised_capacity_{order}"]
            label = f"$P = {order}$, unsupervised, $r = {line['quality'].item():g}$"
            axes.plot(line["entropy"], line["capacity"], "--", color=color, label=label)
            axes.plot(
                line["entropy"][-1], line["capacity"][-1], "D", color=color, mec="k", zorder=3
            )
    axes.set_xscale("log")
    axes.set(
        xlim=(1e-3, None),
        ylim=(0, None),
        xlabel=ENTROPY,
        ylabel=r"largest load, $\alpha_s = P!\,K / 2 N^{P-1}$",
        title="Largest load at $T = 0$ (diamonds: one example)",
    )
    axes.legend()


def _plane(figure: Figure, axes: Axes, plane: xr.Dataset) -> None:
    x, y = plane["examples"], plane["quality"]
    overlap = plane["overlap"].transpose("quality", "examples")
    image = axes.pcolormesh(
        x, y, overlap, cmap="viridis", vmin=0, vmax=1, shading="nearest", rasterized=True
    )
    axes.set_facecolor("0.85")
    figure.colorbar(image, ax=axes, label="overlap with the archetype, $m$")
    capacity = plane["capacity"].transpose("quality", "examples")
    load = plane["pattern_load"].item()
    if capacity.min() < load:
        axes.contour(x, y, capacity, levels=[load], colors="C3")
        axes.plot([], [], color="C3", label=r"the state ends: $\alpha_s = \alpha$")
    axes.set_xscale("log")
    order = plane["interaction_order"].item()
    axes.set(
        xlim=(x.min(), x.max()),
        ylim=(y.min(), y.max()),
        xlabel=rf"examples per class, $M$  ($P = {order}$, $\alpha = {load:g}$)",
        ylabel="quality of the examples, $r$",
    )


def _scaling(axes: Axes, lines: Lines) -> None:
    for order, (color, marker) in ORDERS.items():
        line = lines[f"threshold_{order}"]
        label = rf"$P = {order}$, $\alpha = {line['pattern_load'].values.flat[0]:g}$"
        axes.plot(line["quality"], line["collapsed"], f"{marker}-", color=color, label=label)
    axes.set(
        xlim=(0, None),
        ylim=(0, None),
        xlabel="quality of the examples, $r$",
        ylabel=r"fewest examples, $M_c\, r^{2P}$",
        title="Without supervision, $T = 0$: $M_c \\propto r^{-2P}$",
    )
    axes.legend()


def _temperatures(axes: Axes, lines: Lines) -> None:
    for kind, style in (("hottest", "-"), ("hottest_unloaded", "--")):
        for order, (color, _) in ORDERS.items():
            if f"{kind}_{order}" in lines:
                line = lines[f"{kind}_{order}"]
                label = rf"$P = {order}$, $\alpha = {line['pattern_load'].values.flat[0]:g}$"
                axes.plot(line["entropy"], line["temperature"], style, color=color, label=label)
    axes.set(
        xlim=(0, 2),
        ylim=(0, 3),
        xlabel=ENTROPY,
        ylabel="temperature, $T$",
        title="Retrieval states exist below, with supervision",
    )
    axes.legend(loc="lower right")


def _overlaps(axes: Axes, lines: Lines) -> None:
    for order, (color, _) in ORDERS.items():
        states = lines[f"overlap_{order}"]
        states = states.where(states["status"] == OK)
        for one, style in zip(_along(states, "entropy"), ("-", "--", ":"), strict=False):
            label = rf"$P = {order}$, $\rho = {one['entropy'].item():g}$"
            axes.plot(one["temperature"], one["overlap"], style, color=color, label=label)
    axes.set(
        xlim=(0, None),
        ylim=(0, 1.02),
        xlabel="temperature, $T$",
        ylabel="overlap with the archetype, $m$",
        title=r"Few archetypes, $\alpha = 0$",
    )
    axes.legend(loc="lower left")
