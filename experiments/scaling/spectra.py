"""Spectra of random features, and the target along them: drawn W against the fixed point.

E. Paquette, C. Paquette, L. Xiao and J. Pennington, arXiv:2405.15074. Eigenvalues of
D^(1/2) W W^T D^(1/2) are counted in bins, and also the power <U_i, D^(1/2) b>^2 of the target.
Bounds of bins lie between the j^(-2 alpha): isolated eigenvalues of finite networks are spread more
widely than in the theory, which knows their number.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr

from thermolimit import solvers
from thermolimit.experiments import Store, Tolerance, sweep
from thermolimit.simulations.scaling import densities as network
from thermolimit.theory.scaling import densities

from ._networks import sizes


@dataclass(frozen=True)
class Grid:
    """What is computed."""

    alpha: tuple[float, ...] = (1.0, 0.4)
    beta: float = 0.7
    dimension: tuple[int, ...] = (100, 200, 400)
    ratio: int = 4  # of the features of the data to those of the model
    rank: tuple[float, ...] = (0.2, 1.5, 2.5, 4.5, 8.5, 16.5, 32.5, 64.5, 128.5, 256.5, 2000.0)
    replicas: int = 60
    seed: int = 1
    resolution: int = 200  # of the lines


PROFILES = {
    "quick": Grid(),
    "full": Grid(dimension=(100, 200, 400, 800, 1600), replicas=200),
}
# at d = 100 one eigenvalue and 1 / 200 of the power may be found in the next bin
TOLERANCE = Tolerance(
    standard_errors=4, bias={"eigenvalues": 100.0, "target_power": 0.5}, size="dimension"
)


def bins(grid: Grid) -> dict[str, Any]:
    """What theory and simulation have in common."""
    given = {"alpha": grid.alpha, "beta": grid.beta, "rank": grid.rank}
    return given | sizes(grid.dimension, grid.ratio)


def predict(grid: Grid) -> xr.Dataset:
    """Masses of all bins from the deterministic equivalent."""
    return located(solvers.evaluate(densities.masses, **bins(grid)))


def measure(grid: Grid, store: Store | None = None) -> xr.Dataset:
    """The same of drawn W."""
    return sweep(
        network.simulate, store=store, seed=grid.seed, replicas=grid.replicas, **bins(grid)
    )


def lines(grid: Grid) -> dict[str, xr.Dataset]:
    """The theory in narrow bins at the largest dimension."""
    d = grid.dimension[-1]
    narrow = {"rank": np.geomspace(0.5, 2 * d, grid.resolution), "dimension": d}
    given = bins(grid) | narrow | {"n_features": grid.ratio * d}
    return {"narrow": located(solvers.evaluate(densities.masses, **given))}


def located(data: xr.Dataset) -> xr.Dataset:
    """With the middle of each bin, and its width in the logarithm of the eigenvalue."""
    bounds = -2 * data["alpha"] * np.log(data["rank"])
    lower, upper = bounds.isel(rank=slice(1, None)), bounds.isel(rank=slice(None, -1))
    middle, width = (np.exp((upper.values + lower.values) / 2), upper.values - lower.values)
    return data.assign_coords(
        eigenvalue=(("alpha", "bin"), middle), width=(("alpha", "bin"), width)
    )
