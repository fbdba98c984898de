"""Momentum that knows the dimension: DANA against SGD on random features.

D. Ferbach et al., arXiv:2505.16098. One W for each d; the mean loss given W, from the exact closure
of the second moments, against simulated runs that share this W. The step size is the same for all;
gamma_3 is 0 (SGD), gamma_2 / d (DANA-constant), or gamma_2 (1 + t)^(-1 / (2 alpha))
(DANA-decaying), times a factor below 1 that keeps the mean square stable.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr

from thermolimit import solvers
from thermolimit.experiments import Store, Tolerance, sweep
from thermolimit.simulations import log_steps
from thermolimit.simulations.scaling import disorder
from thermolimit.simulations.scaling import momentum as network
from thermolimit.theory.scaling import momentum, quenched

from ._networks import networks

DRAW = 1  # the W that all runs of one dimension share


@dataclass(frozen=True)
class Grid:
    """What is computed."""

    alpha: float = 1.0
    beta: float = 0.7
    dimension: tuple[int, ...] = (100, 200, 400)
    ratio: int = 5  # of the features of the data to those of the model
    reduced_step_size: float = 0.25  # gamma_2 in units of 1 / sum_j j^(-2 alpha)
    momentum: float = 0.5  # factor of gamma_3
    last_step: int = 10_000
    per_decade: int = 8
    replicas: int = 48
    seed: int = 1


PROFILES = {
    "quick": Grid(),
    "full": Grid(dimension=(100, 200, 400, 800, 1600), last_step=1_000_000, replicas=64),
}
TOLERANCE = Tolerance(standard_errors=4, size="dimension")
ALGORITHMS = ("SGD", "DANA-constant", "DANA-decaying")


def steps(grid: Grid) -> np.ndarray:
    """Where the loss is recorded; at step 0 all runs are equal."""
    return log_steps(grid.last_step, grid.per_decade)[1:]


def numbers(grid: Grid) -> dict[str, Any]:
    """What differs between the algorithms or the dimensions."""
    sizes = networks(grid.dimension, grid.ratio, grid.alpha, grid.reduced_step_size)

    def each(*values: float) -> xr.DataArray:
        return xr.DataArray(list(values), {"algorithm": list(ALGORITHMS)}, ["algorithm"])

    shares = each(0.0, 1.0, 0.0) / sizes["dimension"] + each(0.0, 0.0, 1.0)
    return {
        **sizes,
        "momentum_size": sizes["step_size"] * grid.momentum * shares,
        "decay": each(0.0, 0.0, 1 / (2 * grid.alpha)),
        "damping": 4 + (grid.alpha + grid.beta) / grid.alpha,
    }


def predict(grid: Grid) -> xr.Dataset:
    """Exact mean loss given the W of each dimension."""
    return xr.concat(
        [_predicted(grid, d) for d in grid.dimension],
        "dimension",
        coords="different",
        compat="equals",
    )


def _predicted(grid: Grid, dimension: int) -> xr.Dataset:
    v = grid.ratio * dimension
    j = np.arange(1.0, v + 1)
    W = disorder.shared_disorder(DRAW, dimension=dimension, n_features=v)
    modes = quenched.modes(W, j ** (-2 * grid.alpha), j**-grid.beta)
    here = {
        name: value.sel(dimension=dimension, drop=True) if "dimension" in value.dims else value
        for name, value in numbers(grid).items()
        if name in ("step_size", "momentum_size", "decay")
    }
    data = solvers.evaluate(
        momentum.loss, **modes._asdict(), **here, damping=numbers(grid)["damping"],
        step=steps(grid),
    )  # fmt: skip
    return data.drop_vars(["eigenvalues", "weights"]).assign_coords(dimension=dimension)


def measure(grid: Grid, store: Store | None = None) -> xr.Dataset:
    """Runs with the same W for each dimension."""
    return sweep(
        network.simulate, store=store, seed=grid.seed, replicas=grid.replicas, alpha=grid.alpha,
        beta=grid.beta, draw=DRAW, step=steps(grid), **numbers(grid),
    )  # fmt: skip
