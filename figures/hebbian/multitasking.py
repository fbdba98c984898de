"""Overlaps of a multitasking network with its patterns, their hierarchy, and its phase diagrams."""

from __future__ import annotations

import matplotlib as mpl
import numpy as np
import xarray as xr
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from thermolimit.figures.marks import OK, draw_means, largest

WORDS = {
    "undecided": "undecided",
    "ergodic": "ergodic",
    "pure": "pure: one pattern",
    "hierarchical": "hierarchical: different overlaps",
    "mixed": "mixed: some are equal",
    "symmetric": "symmetric: all are equal",
}
TINTS = {
    "undecided": "#ffffff",
    "ergodic": "#f4f4f4",
    "pure": "#cfe2f3",
    "hierarchical": "#fde3c8",
    "mixed": "#e4dcf0",
    "symmetric": "#dcead7",
}
LINES = {
    "critical": ("k", "-", r"$T_c = 1 - d$"),
    "pure": ("C0", "-", "pure state unstable"),
    "symmetric": ("C2", "-", "symmetric state unstable"),
    "end": ("C1", "--", r"$m_k \to (1 - d)\, d^{k - 1}$ ends"),
    "exchange": ("C1", "-", "it is no longer lowest"),
}
SELECTION = (2 / 3, 1.0)  # d_s, where the pure state hands over to the symmetric one
JUMP = 0.04  # of an overlap in units of 1 - d, from one point of the theory to the next


def draw(tree: xr.DataTree) -> Figure:
    """Overlaps over the dilution and over the patterns; below, one diagram per number of them."""
    names = [name for name in tree["lines"].children if name.startswith("phases_")]
    # a file does not keep the order of its groups
    diagrams = sorted(int(name.removeprefix("phases_")) for name in names)
    figure = Figure(figsize=(11, 8.2))
    upper, lower = figure.subfigures(2, 1, height_ratios=(1, 1.12), squeeze=False)[:, 0]
    dilution, hierarchy = upper.subplots(1, 2)
    _over_dilution(dilution, tree)
    _over_patterns(hierarchy, tree)
    planes = lower.subplots(1, len(diagrams), sharey=True, squeeze=False)[0]
    handles: dict[str, Artist] = {}
    for axes, n_patterns in zip(planes, diagrams, strict=True):
        handles |= _diagram(axes, tree, n_patterns)
    planes[0].set_ylabel("reduced temperature, $T / (1 - d)$")
    lower.legend(
        handles=list(handles.values()), labels=list(handles), loc="outside lower center", ncols=5
    )
    return figure


def _over_dilution(axes: Axes, tree: xr.DataTree) -> None:
    theory, simulated = tree["theory"].to_dataset(), largest(tree["comparison"].to_dataset())
    overlaps = theory["overlaps"].where(theory["status"] == OK).transpose("dilution", "pattern")
    d = theory["dilution"].values
    # where the state becomes another one the lines have a gap
    jumps = np.flatnonzero(np.abs(np.diff(overlaps[:, 0] / (1 - d))) > JUMP) + 1
    for k in range(overlaps.sizes["pattern"]):
        axes.plot(
            np.insert(d, jumps, np.nan), np.insert(overlaps.values[:, k], jumps, np.nan),
            color=f"C{k}", label=f"$m_{k + 1}$, theory",
        )  # fmt: skip
        one = simulated.isel(pattern=k)
        draw_means(
            axes, one["dilution"], one["overlaps_simulation"], one["overlaps_error"], k,
            f"$m_{k + 1}$, N = {int(one['n_spins'])}",
        )  # fmt: skip
    reduced = (theory["temperature"] / (1 - theory["dilution"])).values[0]
    axes.set(
        xlabel="dilution, $d$",
        ylabel=r"overlap with pattern $k$, $m_k$",
        xlim=(0, 1),
        ylim=(0, None),
        title=f"{overlaps.sizes['pattern']} patterns at $T = {reduced:g}\\,(1 - d)$: "
        "theory (lines), simulation (points)",
    )
    axes.legend(ncols=2)


def _over_patterns(axes: Axes, tree: xr.DataTree) -> None:
    theory = tree["lines/hierarchy"].to_dataset()
    simulated = largest(tree["comparison"].to_dataset())
    for k, d in enumerate(theory["dilution"].values):
        overlaps = theory["overlaps"].sel(dilution=d)
        axes.plot(
            1 + np.arange(overlaps.size), overlaps, color=f"C{k}",
            label=rf"$d = {d:g}$, slope $\ln d = {np.log(d):.2f}$",
        )  # fmt: skip
        if d in simulated["dilution"]:
            one = simulated.sel(dilution=d)
            draw_means(
                axes, 1 + np.arange(one.sizes["pattern"]), one["overlaps_simulation"],
                one["overlaps_error"], k,
            )  # fmt: skip
    axes.set_yscale("log")
    axes.set(
        xlabel="pattern, $k$",
        ylabel=r"overlap, $m_k$",
        title=rf"Hierarchy $m_k = (1 - d)\, d^{{k - 1}}$ of {overlaps.size} patterns at "
        r"$T \to 0$ (lines)",
    )
    axes.legend(title=f"points: {simulated.sizes['pattern']} patterns, simulated as on the left")


def _diagram(axes: Axes, tree: xr.DataTree, n_patterns: int) -> dict[str, Artist]:
    """One plane of dilution and temperature; returns the handles of a legend by their labels."""
    data = tree[f"lines/phases_{n_patterns}"].to_dataset()
    handles = _tints(axes, data)
    for name, (color, style, label) in LINES.items():
        node = name if name in ("critical", "pure") else f"{name}_{n_patterns}"
        if node not in tree["lines"].children:
            continue
        line = tree[f"lines/{node}"].to_dataset()
        reduced = line["temperature"] / (1 - line["dilution"])
        handles |= {label: axes.plot(line["dilution"], reduced, style, color=color)[0]}
    handles |= {
        r"$d_s = 2 / 3$": axes.plot(*SELECTION, "D", color="k", mfc="w", zorder=4, ls="none")[0]
    }
    axes.set(
        xlim=(0, data["dilution"].max()),
        ylim=(0, data["reduced_temperature"].max()),
        xlabel="dilution, $d$",
        title=f"$K = {n_patterns}$ patterns",
    )
    return handles


def _tints(axes: Axes, data: xr.Dataset) -> dict[str, Artist]:
    phase = data["phase"].transpose("reduced_temperature", "dilution")
    meanings: list[str] = phase.attrs["flag_meanings"].split()
    tints = [TINTS[name] for name in meanings]
    axes.pcolormesh(
        data["dilution"], data["reduced_temperature"], phase, cmap=ListedColormap(tints),
        vmin=-0.5, vmax=len(tints) - 0.5, shading="nearest", rasterized=True,
    )  # fmt: skip
    edge = mpl.rcParams["axes.edgecolor"]
    return {
        WORDS[name]: Patch(fc=TINTS[name], ec=edge, lw=0.5)
        for code, name in enumerate(meanings)
        if (phase == code).any()
    }
