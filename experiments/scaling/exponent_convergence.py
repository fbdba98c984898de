"""How slowly compute-optimal exponents reach their limits: local slopes over nine decades.

E. Paquette et al., arXiv:2405.15074. The slope of the frontier on a sliding window of compute, at
points across the line between the phases II and III and at one point of every other phase; and the
exact loss over its approximation by power-law pieces. All on the deterministic equivalent.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import xarray as xr

from thermolimit import solvers
from thermolimit.experiments.compute_optimal import isoflop, local_exponents
from thermolimit.theory.scaling import frontier, phases, pieces, random_features

from ._networks import networks


@dataclass(frozen=True)
class Grid:
    """What is computed."""

    alpha: float = 0.7
    beta: tuple[float, ...] = (0.6, 0.7, 0.8, 1.2)  # across the line beta = alpha
    other_alpha: tuple[float, ...] = (0.75, 0.4, 0.4)  # Ia, Ib, IVa
    other_beta: tuple[float, ...] = (0.25, 0.3, 1.0)
    flops: tuple[float, float] = (1e4, 1e12)
    slices: int = 25
    window: int = 7
    dimension: tuple[float, float] = (20, 6e6)
    sizes: int = 34
    ratio_dimension: tuple[int, ...] = (200, 800, 3200, 12800)  # of loss over approximation
    reduced_step_size: float = 0.5  # step size in units of 1 / sum_j j^(-2 alpha)
    ratio: int = 4  # of the dimension of the data to that of the model


PROFILES = {
    "quick": Grid(),
    "full": Grid(beta=(0.6, 0.65, 0.7, 0.75, 0.8, 1.2), slices=49, window=13, sizes=67),
}


def predict(grid: Grid) -> xr.Dataset:
    """Local exponents over compute at all points, with their limits."""
    alpha = (grid.alpha,) * len(grid.beta) + grid.other_alpha
    point = {"alpha": alpha, "beta": grid.beta + grid.other_beta}
    points = {name: xr.DataArray(list(x), dims="point") for name, x in point.items()}
    curves = solvers.evaluate(
        frontier.at_flops, **points, flops=np.geomspace(*grid.flops, grid.slices),
        dimension=np.geomspace(*grid.dimension, grid.sizes),
        reduced_step_size=grid.reduced_step_size, ratio=float(grid.ratio),
    )  # fmt: skip
    late = curves["loss"].where(curves["step"] >= frontier.EARLIEST)
    limit = solvers.evaluate(phases.exponents, **points)
    return local_exponents(isoflop(late), window=grid.window).assign(
        phase=phases.phases(limit),
        loss_exponent_limit=limit["loss_exponent"],
        dimension_exponent_limit=limit["dimension_exponent"],
    )


def lines(grid: Grid) -> dict[str, xr.Dataset]:
    """The exact loss over its approximations, for the first of ``beta`` above ``alpha``."""
    beta = min(b for b in grid.beta if b > grid.alpha)
    step = np.unique(np.geomspace(10, 1e7, 60).round().astype(int))
    sizes = networks(grid.ratio_dimension, grid.ratio, grid.alpha, grid.reduced_step_size)
    given = {"alpha": grid.alpha, "beta": beta, "step": step, **sizes}
    exact = solvers.evaluate(random_features.loss, **given)["loss"]
    parts = solvers.evaluate(pieces.pieces, **given)
    ratios = xr.Dataset({"of_sum": exact / parts["sum"], "of_level": exact / parts["level"]})
    # where the spectrum ends the pieces do
    spectrum = sizes["dimension"] ** (2 * grid.alpha) / sizes["step_size"]
    return {"ratios": ratios.where(ratios["step"] < spectrum)}
