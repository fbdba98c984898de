"""Retrieval in the Hopfield network: replica-symmetric theory against Glauber dynamics.

Amit, Gutfreund and Sompolinsky, Phys. Rev. Lett. 55, 1530 (1985) and Ann. Phys. 173, 30 (1987).
Runs start at the stored pattern. Overlap, Edwards-Anderson overlap, crosstalk and energy are
compared where a retrieval state exists; beyond its spinodal runs are shown, not compared.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import xarray as xr

from thermolimit import solvers
from thermolimit.experiments import Tolerance, axis, sweep
from thermolimit.simulations.hebbian import hopfield as network
from thermolimit.solvers import SinhTrapezoid, Status
from thermolimit.solvers.failures import mark
from thermolimit.theory.hebbian import hopfield


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
    resolution: int = 32  # points of the theory per axis, and of each line


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

HALVINGS = 20  # of the bracket of a line
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
    # beyond the spinodal the search that began at a pattern ends in another state
    solved = (data["start"] == "retrieval") & (data["status"] == Status.OK)
    return mark(data, solved & ~(data["overlap"] > 0.01), Status.MISSING)


def measure(grid: Grid) -> xr.Dataset:
    """Monte Carlo from the stored pattern, over independent patterns."""
    data = sweep(
        network.simulate,
        seed=grid.seed,
        replicas=grid.replicas,
        n_spins=grid.n_spins,
        pattern_load=grid.pattern_load,
        temperature=grid.temperature,
        sweeps=grid.sweeps,
        burn_in=grid.burn_in,
    )
    return data.assign_coords(start="retrieval")


def lines(grid: Grid) -> dict[str, xr.Dataset]:
    """Transition lines; all but the glass transition, which is explicit, are bracketed."""
    T = np.linspace(0.005, 0.985, grid.resolution)
    few, many = np.full_like(T, 1e-5), np.full_like(T, 0.2)
    alpha = np.linspace(0.1, 0.1375, grid.resolution)
    warm, cold = np.full_like(alpha, 0.05), np.full_like(alpha, 5e-4)
    return {
        "spinodal": _between(_retrieval_exists, (few, T), (many, T)),
        "first_order": _between(_retrieval_is_lowest, (few, T), (many, T)),
        "almeida_thouless": _between(_replicas_are_symmetric, (alpha, warm), (alpha, cold)),
        "glass": solvers.evaluate(
            hopfield.glass_transition,
            pattern_load=np.linspace(0.01, 0.4, grid.resolution) ** 2,  # evenly in temperature
        ),
    }


Points = tuple[np.ndarray, np.ndarray]  # pattern loads and temperatures


def _between(
    holds: Callable[[xr.Dataset], xr.DataArray], inside: Points, outside: Points
) -> xr.Dataset:
    """The last point on the way from ``inside`` to ``outside`` where ``holds`` is certified.

    NaN unless it is true at ``inside`` and false at ``outside``.
    """
    bracketed = holds(_states(*inside)).values & ~holds(_states(*outside)).values
    for _ in range(HALVINGS):
        alpha, T = ((near + far) / 2 for near, far in zip(inside, outside, strict=True))
        true = holds(_states(alpha, T)).values
        inside = np.where(true, alpha, inside[0]), np.where(true, T, inside[1])
        outside = np.where(true, outside[0], alpha), np.where(true, outside[1], T)
    names = {"pattern_load": r"patterns per neuron, $\alpha$", "temperature": "temperature, $T$"}
    columns = {}
    for (name, label), near, far in zip(names.items(), inside, outside, strict=True):
        located = np.where(bracketed, near, np.nan)
        columns[name] = ("point", located, {"long_name": label, "units": "1"})
        columns[f"{name}_bracket"] = ("point", far - near, {"long_name": f"bracket in {label}"})
    return xr.Dataset(columns)


def _states(pattern_load: np.ndarray, temperature: np.ndarray) -> xr.Dataset:
    return solvers.saddle_points(
        COLD,
        start=("retrieval", "spin_glass"),
        on_failure="keep",  # next to a line the search may be slow: no state, as far as we know
        pattern_load=xr.DataArray(pattern_load, dims="point"),
        temperature=xr.DataArray(temperature, dims="point"),
    )


def _retrieval_exists(states: xr.Dataset) -> xr.DataArray:
    retrieval = states.sel(start="retrieval")
    return (retrieval["status"] == Status.OK) & (retrieval["overlap"] > 0.01)


def _retrieval_is_lowest(states: xr.Dataset) -> xr.DataArray:
    f = states["free_energy"]
    return _retrieval_exists(states) & (f.sel(start="retrieval") < f.sel(start="spin_glass"))


def _replicas_are_symmetric(states: xr.Dataset) -> xr.DataArray:
    return _retrieval_exists(states) & (states["replicon"].sel(start="retrieval") > 0)
