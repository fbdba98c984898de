"""Mixture states of three stored patterns: overlaps, energies, stability and load.

D. J. Amit, H. Gutfreund and H. Sompolinsky, Phys. Rev. A 32, 1007 (1985). Runs of Glauber dynamics
start at the majority of the only three patterns of a network. Below the temperature at which a
difference between the overlaps grows they stay, but for the differences that a finite network has
from the start: runs that have gone to a pattern are left out and counted. Of the others overlap,
Edwards-Anderson overlap and energy are compared. The load that a mixture endures at T = 0 is drawn
next to that of a pattern.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import xarray as xr

from thermolimit import solvers
from thermolimit.experiments import Store, Tolerance, fields, sweep
from thermolimit.simulations.hebbian import dense_memory as network
from thermolimit.solvers import Status
from thermolimit.solvers.failures import mark
from thermolimit.theory.hebbian import dense_memory, mixtures
from thermolimit.theory.hebbian.dense_memory import Model

ORDERS = (2, 3, 4)
MIXED = 3  # patterns
LEFT = 0.2  # a run whose overlap is farther from 1/2 has gone to a pattern
LOWEST = 0.02  # temperature of the lines


@dataclass(frozen=True)
class Grid:
    """What is computed."""

    stability: tuple[float, ...] = (0.3, 0.5, 0.6)  # T in units of that where it becomes unstable
    n_spins: tuple[int, ...] = (4000, 32000)
    sweeps: int = 20
    burn_in: int = 20
    replicas: int = 12
    seed: int = 1


PROFILES = {
    "quick": Grid(),
    "full": Grid(
        stability=(0.2, 0.3, 0.4, 0.5, 0.55, 0.6),
        n_spins=(4000, 16000, 64000),
        sweeps=200,
        burn_in=100,
        replicas=64,
    ),
}
# The random overlaps of three patterns, of order 1 / sqrt(N), enter by their squares, and are
# enhanced as the mixture becomes unstable. Derived in the tests, the largest coefficients of 1 / N
# are -2.7, -14.3 and 2.5, those of pairs at 0.6 of the unstable temperature; at 0.8 they would be
# -17, -75 and 12.
TOLERANCE = Tolerance(
    standard_errors=4, bias={"overlap": 3.0, "self_overlap": 15.0, "energy": 3.0}, size="n_spins"
)


def mixture(order: int) -> mixtures.ReplicaSymmetric:
    """Three patterns, of any finite number."""
    return mixtures.ReplicaSymmetric(Model(order), n_mixed=MIXED)


@lru_cache
def branch(order: int) -> xr.Dataset:
    """Overlap of the mixture over the temperature, up to where it ends."""
    return solvers.trace_branch(
        mixture(order), "temperature", start="mixture", pattern_load=0.0, temperature=LOWEST * 2,
        bounds=(LOWEST, 1.0),
    )  # fmt: skip


@lru_cache
def instability(order: int) -> float:
    """Temperature at which a difference between the mixed patterns begins to grow."""
    found = solvers.zero_of(mixture(order), branch(order), "splitting")
    return found["temperature"].item()


def temperatures(grid: Grid, order: int) -> np.ndarray:
    """What is simulated; four digits."""
    return np.round(np.array(grid.stability) * instability(order), 4)


def predict(grid: Grid) -> xr.Dataset:
    """The mixture of a finite number of patterns."""
    found = [
        solvers.saddle_points(
            mixture(order), start="mixture", pattern_load=0.0, temperature=temperatures(grid, order)
        ).expand_dims(interaction_order=[order])
        for order in ORDERS
    ]
    names = ["overlap", "self_overlap", "energy", "status"]
    alike = [data[names].drop_vars("pattern_load") for data in found]
    return xr.concat(alike, "interaction_order", join="outer")


def measure(grid: Grid, store: Store | None = None) -> xr.Dataset:
    """Monte Carlo from the majority of three patterns, over independent patterns."""
    runs = [_run(grid, order, store / str(order) if store else None) for order in ORDERS]
    data = runs[0]
    for other in runs[1:]:
        data = data.merge(other, join="outer", compat="no_conflicts")
    return data


def _run(grid: Grid, order: int, store: Store | None) -> xr.Dataset:
    sizes = np.array(grid.n_spins)
    load = MIXED * math.factorial(order) / (2.0 * sizes ** (order - 1))
    data = sweep(
        network.simulate,
        store=store,
        engine="numba",
        **fields(grid, "seed replicas sweeps burn_in"),
        interaction_order=(order,),
        n_spins=sizes,
        pattern_load=xr.DataArray(load, {"n_spins": sizes}, ["n_spins"]),
        temperature=temperatures(grid, order),
        start="mixture",
    )
    left = abs(data["overlap"] - mixtures.majority_overlap(MIXED)) > LEFT
    return mark(data, left, Status.MISSING).drop_vars("pattern_load")


def lines(grid: Grid) -> dict[str, xr.Dataset]:
    """States over the temperature and, at T = 0, over the load."""
    del grid  # branches choose their own points
    found = {}
    for order in ORDERS:
        states = branch(order)
        found[f"mixture_{order}"] = states.assign_attrs(instability=instability(order))
        for name, theory, start in (
            ("load", mixtures.ZeroTemperature(Model(order), n_mixed=MIXED), "mixture"),
            ("pattern_load", dense_memory.ZeroTemperature(Model(order)), "retrieval"),
        ):
            found[f"{name}_{order}"] = solvers.trace_branch(
                theory, "pattern_load", start=start, pattern_load=0.01, bounds=(0.001, 0.45)
            )
    return found
