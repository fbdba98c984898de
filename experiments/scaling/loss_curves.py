"""Loss curves of SGD on random features in six regions of the phase plane.

E. Paquette, C. Paquette, L. Xiao and J. Pennington, arXiv:2405.15074. Every replica has its own W.
The loss spans many decades: it is compared in units of the deterministic equivalent of its average
over W, which is exact at large d. Pieces of the loss are drawn at the largest d. Step sizes are so
small that the loss has a finite variance in all regions, and its mean an error bar.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr

from thermolimit import solvers
from thermolimit.experiments import Store, Tolerance, sweep
from thermolimit.simulations import log_steps
from thermolimit.simulations.scaling import random_features as network
from thermolimit.theory.scaling import phases, pieces, random_features

from ._networks import networks
from ._relative import relative


@dataclass(frozen=True)
class Grid:
    """What is computed; one panel for each pair of alpha and beta."""

    alpha: tuple[float, ...] = (0.75, 1.25, 1.0, 0.25, 0.33, 0.45)
    beta: tuple[float, ...] = (0.25, 0.75, 2.0, 2.0, 0.45, 0.33)
    dimension: tuple[int, ...] = (50, 100, 200)
    ratio: int = 10  # of the features of the data to those of the model
    reduced_step_size: float = 0.25  # step size in units of 1 / sum_j j^(-2 alpha)
    last_step: int = 30_000
    per_decade: int = 6
    replicas: int = 32
    seed: int = 1


PROFILES = {
    "quick": Grid(),
    "full": Grid(dimension=(100, 200, 400, 800), last_step=1_000_000, replicas=64),
}
# the mean over W is above the equivalent, by 1 to 3 / d of it
TOLERANCE = Tolerance(standard_errors=4, bias={"relative_loss": 3.5}, size="dimension")


def panels(grid: Grid) -> dict[str, Any]:
    """Exponents of each panel, and what goes with it and with the dimension."""
    panel = np.arange(len(grid.alpha))
    alpha, beta = (xr.DataArray(np.array(x), {"panel": panel}, ["panel"])
                   for x in (grid.alpha, grid.beta))  # fmt: skip
    sizes = networks(grid.dimension, grid.ratio, alpha, grid.reduced_step_size)
    return {"alpha": alpha, "beta": beta, **sizes}


def steps(grid: Grid) -> np.ndarray:
    """Where the loss is recorded; at step 0 all runs are equal."""
    return log_steps(grid.last_step, grid.per_decade)[1:]


def predict(grid: Grid) -> xr.Dataset:
    """Deterministic equivalent, and 1 as the simulated loss in units of it."""
    data = solvers.evaluate(random_features.loss, **panels(grid), step=steps(grid))
    names = [phases.phase(*point) for point in zip(grid.alpha, grid.beta, strict=True)]
    return relative(data, data).assign_coords(phase=("panel", names))


def measure(grid: Grid, store: Store | None = None) -> xr.Dataset:
    """SGD, in units of the theory."""
    data = sweep(
        network.simulate, store=store, seed=grid.seed, replicas=grid.replicas, **panels(grid),
        step=steps(grid),
    )  # fmt: skip
    return relative(data, predict(grid)).drop_vars("loss")


def lines(grid: Grid) -> dict[str, xr.Dataset]:
    """Pieces of the loss at the largest dimension."""
    largest = {
        name: value.isel(dimension=-1) if "dimension" in value.dims else value
        for name, value in panels(grid).items()
    }
    return {"pieces": solvers.evaluate(pieces.pieces, **largest, step=steps(grid))}
