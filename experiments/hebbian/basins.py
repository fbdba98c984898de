"""Basins of attraction of stored patterns: how much of a pattern brings back all of it.

Runs of parallel dynamics at T = 0 start from states that have the overlap m_0 with a pattern, and
otherwise are random. Overlaps after one and after two steps are compared with exact formulas. The
fraction of runs that end at the pattern gives the overlap of half retrieval, drawn next to where
signal and Gaussian noise put the border (S. Amari and K. Maginu, Neural Networks 1, 63 (1988), for
P = 2), and next to the unstable state of the replica-symmetric equations. That state is a saddle
between states in equilibrium: the noise of the other patterns has adapted to it. For P >= 3 the
variance of the noise cannot change, and both borders are the same.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr

from thermolimit import solvers
from thermolimit.experiments import Store, Tolerance, axis, sweep
from thermolimit.simulations.hebbian import dense_memory as network
from thermolimit.theory.hebbian import basins
from thermolimit.theory.hebbian.dense_memory import Model, ZeroTemperature


@dataclass(frozen=True)
class Grid:
    """What is computed. Sizes and loads belong to P = 2, 3, 4."""

    pairs: tuple[int, ...] = (500, 2000)  # numbers of spins
    triples: tuple[int, ...] = (128, 256)
    quadruples: tuple[int, ...] = (64, 96)
    pair_load: tuple[float, ...] = (0.04, 0.08, 0.12)
    dense_load: tuple[float, ...] = (0.1, 0.2, 0.3)
    start_overlap: tuple[float, ...] = tuple(np.arange(1, 16) / 16)
    compared: tuple[float, ...] = (0.25, 0.5, 0.75)  # some of them, for the first steps
    steps: int = 20  # until the end of a run
    replicas: int = 16
    seed: int = 1
    resolution: int = 60  # points of the theory over the load


PROFILES = {
    "quick": Grid(),
    "full": Grid(
        pairs=(1000, 4000, 16000),
        triples=(128, 256, 512),
        quadruples=(64, 96, 144),
        pair_load=(0.02, 0.04, 0.06, 0.08, 0.1, 0.12),
        dense_load=(0.05, 0.1, 0.15, 0.2, 0.25, 0.3),
        steps=100,
        replicas=64,
        resolution=200,
    ),
}
# A spin is not in its own field, and products of few spins have fewer distinct indices. After one
# step this is known exactly, at most 7.3 / N: see the tests. After two it was measured with sizes
# and seeds of no profile: -22(2) / N at P = 3 and -21(1) / N at P = 4, load 0.05; 11(1) / N at most
# at the loads of the quick profile.
TOLERANCE = Tolerance(standard_errors=4, bias={"first": 8.0, "second": 25.0}, size="n_spins")


def networks(grid: Grid) -> dict[int, tuple[tuple[int, ...], tuple[float, ...]]]:
    """Numbers of spins and loads by interaction order."""
    return {
        2: (grid.pairs, grid.pair_load),
        3: (grid.triples, grid.dense_load),
        4: (grid.quadruples, grid.dense_load),
    }


def predict(grid: Grid) -> xr.Dataset:
    """Overlaps after one and two steps."""
    return first_steps(grid, grid.start_overlap)


def first_steps(grid: Grid, start_overlap: Any) -> xr.Dataset:
    """The exact theory at all loads."""
    return solvers.evaluate(
        basins.first_steps, start_overlap=start_overlap,
        pattern_load=sorted({*grid.pair_load, *grid.dense_load}), interaction_order=(2, 3, 4),
    )  # fmt: skip


def measure(grid: Grid, store: Store | None = None) -> xr.Dataset:
    """Runs from states that share a part of a pattern, and the overlap of half retrieval."""
    data = xr.Dataset()
    for order, (sizes, loads) in networks(grid).items():
        about = {"interaction_order": (order,), "n_spins": sizes, "pattern_load": loads}
        kept = {name: store / f"{name}_{order}" if store else None for name in ("first", "last")}
        early = _run(grid, kept["first"], start_overlap=grid.compared, burn_in=(0, 1), **about)
        last = _run(
            grid, kept["last"], start_overlap=grid.start_overlap, burn_in=grid.steps - 1, **about
        )
        for part in (_by_step(early), last[["retrieved"]].drop_vars("burn_in")):
            data = data.merge(part, join="outer", compat="no_conflicts")
    return data.assign(half_retrieval(data["retrieved"]))


def _run(grid: Grid, store: Store | None, **axes: Any) -> xr.Dataset:
    return sweep(
        network.simulate, store=store, seed=grid.seed, replicas=grid.replicas, engine="numba",
        temperature=0.0, dynamics="parallel", sweeps=1, **axes,
    )  # fmt: skip


def _by_step(data: xr.Dataset) -> xr.Dataset:
    """Overlaps after one and two steps, of different runs; a point counts if both have run."""
    first, second = (data["overlap"].sel(burn_in=k, drop=True) for k in (0, 1))
    ran = (data["status"] == solvers.Status.OK).all("burn_in")
    status = xr.where(ran, solvers.Status.OK, solvers.Status.MISSING)
    return xr.Dataset({"first": first, "second": second, "status": status})


def half_retrieval(retrieved: xr.DataArray) -> dict[str, xr.DataArray]:
    """Overlap m_0 at which half of the networks end at the pattern, and its standard error.

    Between the last two overlaps around 1/2 the fraction is taken as linear. The error has two
    parts: binomial, and the spacing of the overlaps over sqrt(12). NaN where there is none.

    Parameters
    ----------
    retrieved : DataArray
        Fractions in [0, 1] of two networks each, over ``start_overlap`` and ``replica``.
    """
    fraction = retrieved.mean("replica").sortby("start_overlap")
    count = 2 * retrieved.sizes["replica"]
    m = fraction["start_overlap"].values

    def crossing(p):
        below = np.flatnonzero(p < 0.5)
        if not np.isfinite(p).all() or not below.size or below[-1] == m.size - 1:
            return np.nan, np.nan
        i = below[-1]
        width = m[i + 1] - m[i]
        slope = (p[i + 1] - p[i]) / width
        binomial = 0.5 / np.sqrt(count) / slope
        return m[i] + (0.5 - p[i]) / slope, np.hypot(binomial, width / np.sqrt(12))

    where, error = xr.apply_ufunc(
        crossing, fraction, input_core_dims=[["start_overlap"]], output_core_dims=[[], []],
        vectorize=True,
    )  # fmt: skip
    label = "overlap of half retrieval"
    return {
        "half_retrieval": where.assign_attrs(long_name=label, units="1"),
        "half_retrieval_error": error.assign_attrs(long_name=f"{label}, standard error", units="1"),
    }


def lines(grid: Grid) -> dict[str, xr.Dataset]:
    """Borders over the load: of signal and noise, and of the replica-symmetric equations."""
    found = {}
    for order, bounds in ((2, (0.002, 0.2)), (3, (0.01, 0.5)), (4, (0.01, 0.5))):
        loads = networks(grid)[order][1]
        border = solvers.evaluate(
            basins.signal_to_noise, interaction_order=order,
            pattern_load=axis(*bounds, grid.resolution, include=loads),
        )  # fmt: skip
        # there is none beyond the capacity
        found[f"border_{order}"] = border.where(border["status"] == solvers.Status.OK, drop=True)
        branch = solvers.trace_branch(
            ZeroTemperature(Model(order)), "pattern_load", start="retrieval",
            pattern_load=loads[0], bounds=bounds,
        )  # fmt: skip
        found[f"saddle_{order}"] = branch.where(branch["growth_rate"] > 0, drop=True)
    found["steps"] = first_steps(grid, np.linspace(0, 1, grid.resolution))
    return found
