"""Right answers to unseen images, and overlaps with their archetypes."""

from __future__ import annotations

import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from thermolimit.figures.marks import draw_means, over_replicas


def draw(tree: xr.DataTree) -> Figure:
    """One row per protocol: accuracy and overlap over the examples, accuracy over temperature."""
    data = tree["simulation"].to_dataset()
    figure = Figure(figsize=(11, 3.6 * data.sizes["protocol"] + 0.4))
    rows = figure.subplots(data.sizes["protocol"], 3, sharex="col", sharey="col", squeeze=False)
    coldest, largest = data["temperature"].values.min(), data["examples"].values.max()
    for row, protocol in zip(rows, data["protocol"].values, strict=True):
        one = data.sel(protocol=protocol)
        cold = one.sel(temperature=coldest)
        _lines(row[0], cold["accuracy"], "examples")
        baseline = cold["nearest_mean"].mean(("replica", "interaction_order"))
        row[0].plot(baseline["examples"], baseline, "k--", label="nearest mean, no dynamics")
        _lines(row[1], cold["overlap"], "examples")
        image = cold["image_overlap"].mean(("replica", "interaction_order"))
        row[1].plot(image["examples"], image, "k:", label="unseen image, no dynamics")
        _lines(row[2], one["accuracy"].sel(examples=largest), "temperature")
        row[0].set(ylabel="fraction of right answers", title=f"{protocol}, $T = {coldest:g}$")
        row[1].set(ylabel="overlap with the archetype, $m$", title=f"{protocol}, $T = {coldest:g}$")
        row[2].set(ylabel="fraction of right answers", title=f"{protocol}, $M = {largest}$")
    for axes in rows[-1, :2]:
        axes.set_xscale("log")
        axes.set(xlabel="images learned per class, $M$")
        axes.set_xticks(data["examples"].values, [str(n) for n in data["examples"].values])
        axes.minorticks_off()
    rows[-1, 2].set_xlabel("temperature, $T$")
    handles = dict(zip(*reversed(rows[0, 0].get_legend_handles_labels()), strict=True))
    handles |= dict(zip(*reversed(rows[0, 1].get_legend_handles_labels()), strict=True))
    figure.legend(
        list(handles.values()), list(handles), loc="outside lower center", ncols=len(handles)
    )
    figure.suptitle(f"{data.attrs['source']}: starting at an unseen image", fontsize="medium")
    return figure


def _lines(axes: Axes, samples: xr.DataArray, along: str) -> None:
    """Means over independent splits with standard errors, one line per interaction order."""
    for k, order in enumerate(samples["interaction_order"].values):
        one = over_replicas(samples.sel(interaction_order=order))
        draw_means(axes, samples[along], *one, k, f"$P = {order}$", ls="-", lw=0.9)
    axes.set_ylim(0, 1)
