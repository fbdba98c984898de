"""Retrieval in dense Hebbian networks: theory with its glass against Glauber dynamics.

P spins interact, and K = (2 alpha / P!) N^(P-1) patterns are stored, or archetypes learned from
noisy examples. E. Gardner, J. Phys. A 20, 3453 (1987); E. Agliari et al., arXiv:2212.00606 and
arXiv:2211.14067. Runs start at a pattern. Overlap, Edwards-Anderson overlap and energy are compared
where a retrieval state exists; beyond its spinodal runs are shown.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import xarray as xr

from thermolimit import solvers
from thermolimit.experiments import Store, Tolerance, axis, fields, inverse_size_fit, sweep
from thermolimit.simulations.hebbian import dense_memory as network
from thermolimit.theory.hebbian.dense_glass import OneStep
from thermolimit.theory.hebbian.dense_memory import Model, ReplicaSymmetric

from ._states import fallen, stable, without


@dataclass(frozen=True)
class Grid:
    """What is computed, for one interaction order P and one set of data."""

    interaction_order: int = 3
    protocol: Literal["supervised", "unsupervised"] = "supervised"
    quality: float = 1.0  # of examples; at 1 they are the patterns
    examples: int = 1
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
    "supervised": Grid(
        quality=0.6, examples=20, pattern_load=(0.05, 0.1, 0.45), temperature=(0.3, 0.4)
    ),
    "unsupervised": Grid(
        protocol="unsupervised",
        quality=0.8,
        examples=10,
        pattern_load=(0.03, 0.06, 0.5),
        temperature=(0.3, 0.4),
        n_spins=(100, 150, 200),
        replicas=48,
    ),
}
# Biases of order 1 / N are expected: N spins have fewer than N^P / P! products of P, which raises
# the energy of a pattern by P (P - 1) / 4N, and lowers the fields by a fraction of that order.
TOLERANCE = Tolerance(
    standard_errors=4,
    bias={"overlap": 1.0, "class_overlap": 1.0, "self_overlap": 1.0, "energy": 3.0},
    size="n_spins",
)
LARGEST_LOAD, HOTTEST, COLDEST = 0.6, 1.4, 0.03


def network_of(grid: Grid) -> tuple[Model, dict[str, Any]]:
    """The network, and the data that it has seen."""
    law = "storage" if grid.quality == 1 else "binomial"
    model = Model(grid.interaction_order, grid.protocol, law, most_examples=grid.examples)
    return model, {"quality": grid.quality, "examples": float(grid.examples)}


def predict(grid: Grid) -> xr.Dataset:
    """The retrieval state in the plane."""
    model, seen = network_of(grid)
    data = solvers.saddle_points(
        ReplicaSymmetric(model),
        start="retrieval",
        **seen,
        pattern_load=axis(0.01, LARGEST_LOAD, grid.resolution, include=grid.pattern_load),
        temperature=axis(COLDEST, HOTTEST, grid.resolution, include=grid.temperature),
    )
    data = data.assign_coords(interaction_order=grid.interaction_order, protocol=grid.protocol)
    return without(data, fallen(data))


def measure(grid: Grid, store: Store | None = None) -> xr.Dataset:
    """Monte Carlo from a stored pattern, over independent patterns."""
    data = sweep(
        network.simulate,
        store=store,
        **fields(
            grid,
            "seed replicas interaction_order protocol quality examples "
            "n_spins pattern_load temperature sweeps burn_in",
        ),
    )
    return data.assign_coords(start="retrieval")


def trend(comparison: xr.Dataset) -> xr.Dataset:
    """Deviation of the overlap as a straight line in 1 / N, at every point."""
    return inverse_size_fit(comparison, "overlap")


def lines(grid: Grid) -> dict[str, xr.Dataset]:
    """Transition lines, followed from one branch of each state."""
    model, seen = network_of(grid)
    theory, glass = ReplicaSymmetric(model), OneStep(model)
    states = OneStep(model, equilibrium=False)
    (noise,) = model.noise_powers(**seen).values()  # of a class, in units of that of a pattern

    def branch(
        theory: Any, start: str, load: float, temperature: float,
        bounds: tuple[float, float] = (COLDEST, HOTTEST), along: str = "temperature",
    ) -> xr.Dataset:  # fmt: skip
        return solvers.trace_branch(
            theory, along, start=start, pattern_load=load / noise, temperature=temperature,
            bounds=bounds, **seen,
        )  # fmt: skip

    retrieval = branch(theory, "retrieval", 0.1, 0.3)
    paramagnet = branch(theory, "paramagnet", 0.1, 0.9)
    many = branch(states, "spin_glass", 0.3, 0.34, (COLDEST, 0.6))
    loaded = branch(theory, "retrieval", 0.35, 0.3)
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
    remembered = branch(theory, "retrieval", 0.3, 0.15, (0.02, LARGEST_LOAD), "pattern_load")
    frozen = branch(glass, "spin_glass", 0.35, 0.15, (0.1, LARGEST_LOAD), "pattern_load")
    found["first_order_glass"] = solvers.coexistence(
        theory, remembered, frozen, glass, along="temperature", bounds=(COLDEST, 0.5)
    )
    return found
