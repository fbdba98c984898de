"""Retrieval in dense Hebbian networks: theory with its glass against Glauber dynamics.

P spins interact, and K = (2 alpha / P!) N^(P-1) patterns are stored. E. Gardner, J. Phys. A 20,
3453 (1987); E. Agliari et al., arXiv:2212.00606. Runs start at a pattern. Overlap, Edwards-Anderson
overlap and energy are compared where a retrieval state exists; beyond its spinodal runs are shown.
"""

from __future__ import annotations

from dataclasses import dataclass

import xarray as xr

from thermolimit import solvers
from thermolimit.experiments import Store, Tolerance, axis, inverse_size_fit, sweep
from thermolimit.simulations.hebbian import dense_memory as network
from thermolimit.theory.hebbian.dense_glass import OneStep
from thermolimit.theory.hebbian.dense_memory import Model, ReplicaSymmetric

from ._states import fallen, stable, without


@dataclass(frozen=True)
class Grid:
    """What is computed, for one interaction order P."""

    interaction_order: int = 3
    pattern_load: tuple[float, ...] = (0.1, 0.2, 0.55)
    temperature: tuple[float, ...] = (0.3, 0.5)
    n_spins: tuple[int, ...] = (150, 300, 450)
    sweeps: int = 100
    burn_in: int = 100
    replicas: int = 24
    seed: int = 1
    resolution: int = 24  # points of the theory per axis


PROFILES = {
    "quick": Grid(),
    "full": Grid(n_spins=(200, 400, 800), sweeps=200, replicas=60, resolution=60),
    "quartic": Grid(interaction_order=4, n_spins=(64, 96, 128), replicas=24),
}
# Biases of order 1 / N are expected: N spins have fewer than N^P / P! products of P, which raises
# the energy of a pattern by P (P - 1) / 4N, and lowers the fields by a fraction of that order.
TOLERANCE = Tolerance(
    standard_errors=4, bias={"overlap": 1.0, "self_overlap": 1.0, "energy": 3.0}, size="n_spins"
)
LARGEST_LOAD, HOTTEST, COLDEST = 0.6, 1.4, 0.03


def predict(grid: Grid) -> xr.Dataset:
    """The retrieval state in the plane."""
    theory = ReplicaSymmetric(Model(grid.interaction_order))
    data = solvers.saddle_points(
        theory,
        start="retrieval",
        pattern_load=axis(0.01, LARGEST_LOAD, grid.resolution, include=grid.pattern_load),
        temperature=axis(COLDEST, HOTTEST, grid.resolution, include=grid.temperature),
    )
    data = data.assign_coords(interaction_order=grid.interaction_order)
    return without(data, fallen(data))


def measure(grid: Grid, store: Store | None = None) -> xr.Dataset:
    """Monte Carlo from a stored pattern, over independent patterns."""
    data = sweep(
        network.simulate,
        store=store,
        seed=grid.seed,
        replicas=grid.replicas,
        interaction_order=grid.interaction_order,
        n_spins=grid.n_spins,
        pattern_load=grid.pattern_load,
        temperature=grid.temperature,
        sweeps=grid.sweeps,
        burn_in=grid.burn_in,
    )
    return data.assign_coords(start="retrieval")


def trend(comparison: xr.Dataset) -> xr.Dataset:
    """Deviation of the overlap as a straight line in 1 / N, at every point."""
    return inverse_size_fit(comparison, "overlap")


def lines(grid: Grid) -> dict[str, xr.Dataset]:
    """Transition lines, followed from one branch of each state."""
    model = Model(grid.interaction_order)
    theory, glass = ReplicaSymmetric(model), OneStep(model)
    states = OneStep(model, equilibrium=False)
    retrieval = solvers.trace_branch(
        theory, "temperature", start="retrieval", pattern_load=0.1, temperature=0.3,
        bounds=(COLDEST, HOTTEST),
    )  # fmt: skip
    paramagnet = solvers.trace_branch(
        theory, "temperature", start="paramagnet", pattern_load=0.1, temperature=0.9,
        bounds=(COLDEST, HOTTEST),
    )  # fmt: skip
    many = solvers.trace_branch(
        states, "temperature", start="spin_glass", pattern_load=0.3, temperature=0.34,
        bounds=(0.25, 0.6),
    )  # fmt: skip
    loaded = solvers.trace_branch(
        theory, "temperature", start="retrieval", pattern_load=0.35, temperature=0.3,
        bounds=(COLDEST, HOTTEST),
    )  # fmt: skip
    plane = {"along": "pattern_load", "bounds": (0.001, LARGEST_LOAD)}
    found = {
        "spinodal": solvers.spinodal(theory, retrieval, **plane),
        "first_order": solvers.coexistence(theory, retrieval, paramagnet, **plane),
        "almeida_thouless": stable(solvers.zero_of(theory, loaded, "replicon", **plane)),
        "dynamical_glass": solvers.spinodal(states, many, **plane),
        "static_glass": solvers.zero_of(states, many, "complexity", **plane),
    }
    if grid.interaction_order == 3:  # retrieval is lower than the glass up to its spinodal
        return found
    cold = {"parameter": "pattern_load", "temperature": 0.15}
    remembered = solvers.trace_branch(
        theory, start="retrieval", pattern_load=0.3, bounds=(0.02, LARGEST_LOAD), **cold
    )
    frozen = solvers.trace_branch(
        glass, start="spin_glass", pattern_load=0.35, bounds=(0.1, LARGEST_LOAD), **cold
    )
    found["first_order_glass"] = solvers.coexistence(
        theory, remembered, frozen, glass, along="temperature", bounds=(COLDEST, 0.5)
    )
    return found
