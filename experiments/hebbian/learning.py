"""Overlap with archetypes that are known from noisy examples only: theory against Glauber dynamics.

E. Agliari et al., arXiv:2212.00606 (supervised) and arXiv:2211.14067 (unsupervised). M examples of
every class are stored, together or one by one, and runs start at the archetype, which the network
has never seen. The theory has the exact law of the class means. Few examples of low quality are
left out: without supervision a single example then attracts more than the archetype.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import xarray as xr

from thermolimit import solvers
from thermolimit.experiments import Store, Tolerance, fields, sweep
from thermolimit.simulations.hebbian import dense_memory as network
from thermolimit.theory.hebbian.dense_memory import Model, ReplicaSymmetric

from ._states import fallen, without

PROTOCOLS = ("supervised", "unsupervised")


@dataclass(frozen=True)
class Grid:
    """What is computed."""

    interaction_order: int = 3
    pattern_load: float = 0.03
    temperature: float = 0.4
    quality: float = 0.6
    examples: tuple[int, ...] = (8, 16, 32)
    n_spins: tuple[int, ...] = (150, 250)
    sweeps: int = 60
    burn_in: int = 60
    replicas: int = 24
    seed: int = 1


PROFILES = {
    "quick": Grid(),
    "full": Grid(n_spins=(200, 400), sweeps=200, burn_in=100, replicas=48),
    "quartic": Grid(interaction_order=4, quality=0.8, examples=(6, 12, 24), n_spins=(64, 96)),
}
# N spins have fewer than N^P / P! products of P: see dense_phase_diagram.
TOLERANCE = Tolerance(
    standard_errors=4,
    bias={"overlap": 1.0, "class_overlap": 1.0, "self_overlap": 1.0, "energy": 3.0},
    size="n_spins",
)
MOST = 64  # examples of the lines


def predict(grid: Grid) -> xr.Dataset:
    """The retrieval state of both protocols at the simulated numbers of examples."""
    found = [states(grid, grid.interaction_order, p, grid.examples) for p in PROTOCOLS]
    data = xr.concat(found, "protocol").assign_coords(protocol=list(PROTOCOLS))
    return data.assign_coords(interaction_order=grid.interaction_order)


def states(grid: Grid, order: int, protocol, examples) -> xr.Dataset:
    """Retrieval states of one network over the examples."""
    theory = ReplicaSymmetric(Model(order, protocol, "binomial", most_examples=MOST))
    data = solvers.saddle_points(
        theory, start="retrieval", pattern_load=grid.pattern_load, temperature=grid.temperature,
        quality=grid.quality, examples=np.array(examples, float),
    )  # fmt: skip
    return without(data, fallen(data))


def lines(grid: Grid) -> dict[str, xr.Dataset]:
    """The same at all numbers of examples, for several interaction orders."""
    return {
        f"{protocol}_{order}": states(grid, order, protocol, range(1, MOST + 1))
        for protocol in PROTOCOLS
        for order in (2, 3, 4)
    }


def measure(grid: Grid, store: Store | None = None) -> xr.Dataset:
    """Monte Carlo from an archetype, over independent archetypes and examples."""
    data = sweep(
        network.simulate,
        store=store,
        **fields(
            grid,
            "seed replicas interaction_order n_spins pattern_load temperature "
            "quality examples sweeps burn_in",
        ),
        protocol=PROTOCOLS,
    )
    return data.assign_coords(start="retrieval")
