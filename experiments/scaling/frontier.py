"""The compute-optimal frontier of random features: SGD against the deterministic equivalent.

E. Paquette et al., arXiv:2405.15074. Curves of several dimensions at the line between phases II and
III; their least loss at given compute, by parabolas through isoflop slices. Exponents of the
simulation are compared with those of the theory at the same dimensions and compute, not with the
limit. Losses are averaged over W before the minimum is taken. The theory is the limit of large d:
at finite d the average of the loss is larger, by 1 to 3 / d of it, and 3.5 / d is allowed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr

from thermolimit import solvers
from thermolimit.experiments import Store, Tolerance, sweep
from thermolimit.experiments.compute_optimal import at_flops, bootstrap, exponents, isoflop
from thermolimit.simulations.recording import log_steps
from thermolimit.simulations.scaling import random_features as network
from thermolimit.theory.scaling import frontier, phases, random_features

from ._networks import networks
from ._relative import relative


@dataclass(frozen=True)
class Grid:
    """What is computed."""

    alpha: float = 0.7
    beta: float = 0.7
    dimension: tuple[int, ...] = (32, 45, 64, 90, 128, 181, 256, 362)
    ratio: int = 4  # of the dimension of the data to that of the model
    reduced_step_size: float = 0.5  # step size in units of 1 / sum_j j^(-2 alpha)
    last_step: int = 3000
    flops: tuple[float, float] = (3e3, 4e4)  # of the isoflop slices
    slices: int = 9
    replicas: int = 128
    seed: int = 1
    largest_dimension: float = 2e4  # of the theory
    resolution: int = 30  # dimensions of the theory


PROFILES = {
    "quick": Grid(),
    "full": Grid(
        dimension=(64, 90, 128, 181, 256, 362, 512, 724, 1024),
        last_step=20000,
        flops=(1e4, 4e5),
        slices=13,
        replicas=512,
        largest_dimension=2e5,
        resolution=50,
    ),
}
# the mean over W is above the equivalent, by 1 to 3 / d of it
TOLERANCE = Tolerance(standard_errors=4, bias={"relative_loss": 3.5}, size="dimension")


def steps(grid: Grid) -> np.ndarray:
    """Where curves are recorded."""
    recorded = log_steps(grid.last_step, 20)
    return recorded[recorded >= 10]


def curves(grid: Grid) -> dict[str, Any]:
    """What theory and simulation have in common."""
    sizes = networks(grid.dimension, grid.ratio, grid.alpha, grid.reduced_step_size)
    return {"alpha": grid.alpha, "beta": grid.beta, "step": steps(grid), **sizes}


def predict(grid: Grid) -> xr.Dataset:
    """Loss of the simulated dimensions, and 1 as the simulated loss in units of it."""
    data = solvers.evaluate(random_features.loss, **curves(grid))
    return relative(data, data)


def slices(grid: Grid) -> np.ndarray:
    """Compute of the isoflop slices."""
    return np.geomspace(*grid.flops, grid.slices)


def on_slices(loss: xr.DataArray) -> xr.Dataset:
    """Everything that is measured on curves at common compute."""
    front = isoflop(loss, points=5)
    return front.assign(exponents(front)).assign(loss_at_flops=loss)


def measure(grid: Grid, store: Store | None = None) -> xr.Dataset:
    """One-pass SGD, every replica with its own W; the frontier with intervals of 95 percent."""
    data = sweep(
        network.simulate, store=store, seed=grid.seed, replicas=grid.replicas, **curves(grid)
    )
    loss = data["loss"].where(data["status"] == solvers.Status.OK)
    # the mean over W comes before the interpolation in time, whose logarithm is not linear
    found = bootstrap(loss, lambda one: on_slices(at_flops(one, slices(grid))))
    mean = loss.mean("replica").assign_attrs(long_name="loss, mean over W", units="1")
    return relative(data, predict(grid)).drop_vars("loss").assign(found.assign(mean_loss=mean))


def lines(grid: Grid) -> dict[str, xr.Dataset]:
    """The theory: many dimensions, the frontier, the measures on the simulated dimensions."""
    smallest = min(grid.dimension)
    sizes = np.geomspace(smallest, grid.largest_dimension, grid.resolution)
    far = np.geomspace(grid.flops[0] / 3, grid.largest_dimension**2 / 10, grid.resolution)
    point = {"alpha": grid.alpha, "beta": grid.beta, "reduced_step_size": grid.reduced_step_size}
    point["ratio"] = float(grid.ratio)
    same = solvers.evaluate(
        frontier.at_flops, dimension=grid.dimension, flops=slices(grid), **point
    )
    fine = solvers.evaluate(frontier.at_flops, dimension=sizes, flops=slices(grid), **point)
    wide = solvers.evaluate(frontier.at_flops, dimension=sizes, flops=far, **point)
    wide = wide.where(wide["step"] >= frontier.EARLIEST).drop_vars("status")
    return {
        "same": on_slices(same["loss"]),
        "slices": fine[["loss"]],
        "curves": wide[["loss"]],
        "frontier": isoflop(wide["loss"]),
        "limit": solvers.evaluate(phases.exponents, alpha=grid.alpha, beta=grid.beta),
    }
