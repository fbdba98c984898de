"""Retrieval in the Hopfield network: replica-symmetric theory against Glauber dynamics.

Amit, Gutfreund and Sompolinsky, Phys. Rev. Lett. 55, 1530 (1985) and Ann. Phys. 173, 30 (1987).
Runs start at the stored pattern. Overlap, Edwards-Anderson overlap, crosstalk and energy are
compared where a retrieval state exists; beyond its spinodal runs are shown, not compared.
"""

from __future__ import annotations

from dataclasses import dataclass

import xarray as xr

from thermolimit import solvers
from thermolimit.experiments import Store, Tolerance, axis, fields, sweep
from thermolimit.simulations.hebbian import hopfield as network
from thermolimit.solvers import SinhTrapezoid
from thermolimit.theory.hebbian import hopfield

from ._states import fallen, stable, without


@dataclass(frozen=True)
class Grid:
    """What is computed. The simulated loads and sizes make whole numbers of patterns."""

    pattern_load: tuple[float, ...] = (0.02, 0.05, 0.14)
    temperature: tuple[float, ...] = (0.2, 0.3, 0.4, 0.8)
    n_spins: tuple[int, ...] = (500, 1000, 2000)
    sweeps: int = 200
    burn_in: int = 100
    replicas: int = 32
    seed: int = 1
    resolution: int = 32  # points of the theory per axis


THEORY = hopfield.ReplicaSymmetric()
PROFILES = {
    "quick": Grid(),
    "full": Grid(
        pattern_load=(0.02, 0.03, 0.04, 0.05, 0.14),
        n_spins=(500, 1000, 2000, 4000),
        sweeps=400,
        burn_in=200,
        replicas=100,
        resolution=100,
    ),
}
# No allowance for the bias of order 1 / N (the noise comes from K - 1 of the K patterns, the energy
# misses the diagonal of the retrieved one): with these sizes and replicas it is within the errors.
TOLERANCE = Tolerance(standard_errors=4, size="n_spins")

COLD = hopfield.ReplicaSymmetric(SinhTrapezoid(201))  # certified down to T = 0.001


def predict(grid: Grid) -> xr.Dataset:
    """All states in the plane, and the phases they make."""
    data = solvers.saddle_points(
        THEORY,
        pattern_load=axis(0.002, 0.16, grid.resolution, include=grid.pattern_load),
        temperature=axis(0.02, 1.5, grid.resolution, include=grid.temperature),
    )
    data = solvers.certify(THEORY, data, rule=SinhTrapezoid(301))
    data = data.assign(phase=hopfield.phases(data))
    return without(data, (data["start"] == "retrieval") & fallen(data))


def measure(grid: Grid, store: Store | None = None) -> xr.Dataset:
    """Monte Carlo from the stored pattern, over independent patterns."""
    data = sweep(
        network.simulate,
        store=store,
        **fields(grid, "seed replicas n_spins pattern_load temperature sweeps burn_in"),
    )
    return data.assign_coords(start="retrieval")


def lines(grid: Grid) -> dict[str, xr.Dataset]:
    """Transition lines, followed from one branch of each state."""
    plane = {"along": "pattern_load", "bounds": (0.001, 0.16)}

    def branch(start: str, pattern_load: float, temperature: float, coldest: float) -> xr.Dataset:
        return solvers.trace_branch(
            COLD, "temperature", start=start, pattern_load=pattern_load, temperature=temperature,
            bounds=(coldest, 1.5),
        )  # fmt: skip

    retrieval = branch("retrieval", 0.05, 0.2, 0.005)
    spin_glass = branch("spin_glass", 0.05, 0.2, 0.005)
    paramagnet = branch("paramagnet", 0.05, 1.4, 0.005)
    loaded = branch("retrieval", 0.12, 0.05, 0.0005)
    return {
        "spinodal": solvers.spinodal(COLD, retrieval, **plane),
        "first_order": solvers.coexistence(COLD, retrieval, spin_glass, **plane),
        "almeida_thouless": stable(solvers.zero_of(COLD, loaded, "replicon", **plane)),
        "glass": solvers.continuous_transition(COLD, paramagnet, **plane),
    }
