"""Learning several patterns at once: overlaps against temperature, and the loss that is the energy.

E. Agliari et al., arXiv:2308.04106. Three diluted patterns are stored, or learned from examples
of entropy rho, and runs start in the hierarchical state. To retrieve is to learn: the energy
per spin is a constant plus half the loss, the sum over patterns of the products of the mean squared
distances |x - s|^2 / 2N and |x + s|^2 / 2N. Both are measured, each by its definition. Compared are
temperatures at which every pattern is served; an overlap that vanishes is of order 1 / sqrt(N) in a
finite network, which gives every pattern its better sign.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import xarray as xr

from thermolimit import solvers
from thermolimit.experiments import Store, Tolerance, fields, sweep
from thermolimit.simulations.hebbian import multitasking as network
from thermolimit.theory.hebbian.multitasking import Multitasking

from ._states import without


@dataclass(frozen=True)
class Grid:
    """What is computed."""

    n_patterns: int = 3
    dilution: float = 0.5
    entropy: tuple[float, ...] = (0.0, 0.3)
    temperature: tuple[float, ...] = (0.02, 0.06, 0.1, 0.2, 0.3, 0.4)
    n_spins: tuple[int, ...] = (4000, 16000)
    sweeps: int = 60
    burn_in: int = 60
    replicas: int = 24
    seed: int = 1
    resolution: int = 100  # temperatures of the theory


PROFILES = {
    "quick": Grid(),
    "full": Grid(n_spins=(8000, 32000), sweeps=200, burn_in=100, replicas=64, resolution=200),
}
# The squares of the overlaps fluctuate by order 1 / N, and the energy is half their sum.
TOLERANCE = Tolerance(standard_errors=4, bias={"energy": 3.0, "loss": 6.0}, size="n_spins")
COLDEST, HOTTEST = 0.01, 0.7
SERVED = 0.08  # several times 1 / sqrt(N) of the smallest network


def predict(grid: Grid) -> xr.Dataset:
    """The hierarchical state, and what it becomes, where every pattern is served."""
    data = _states(grid, np.array(grid.temperature))
    return without(data, abs(data["overlaps"]).min("pattern") < SERVED)


def lines(grid: Grid) -> dict[str, xr.Dataset]:
    """The same at many temperatures, wherever it leads."""
    return {"states": _states(grid, np.linspace(COLDEST, HOTTEST, grid.resolution))}


def _states(grid: Grid, temperature: np.ndarray) -> xr.Dataset:
    return solvers.saddle_points(
        Multitasking(grid.n_patterns), start="hierarchical", dilution=grid.dilution,
        entropy=grid.entropy, temperature=temperature,
    )  # fmt: skip


def measure(grid: Grid, store: Store | None = None) -> xr.Dataset:
    """Monte Carlo from the hierarchical state, over independent patterns and examples."""
    return sweep(
        network.simulate,
        store=store,
        **fields(
            grid,
            "seed replicas n_patterns n_spins dilution entropy temperature sweeps burn_in",
        ),
        law="gauss",
        start="hierarchical",
    )
