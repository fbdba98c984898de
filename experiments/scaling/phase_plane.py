"""The 4+3 phases of compute-optimal scaling in the plane of data and target decay.

E. Paquette et al., arXiv:2405.15074. Which pieces of the loss are equal at the best dimension, and
the exponents of loss and dimension that follow.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import xarray as xr

from thermolimit import solvers
from thermolimit.theory.scaling import phases


@dataclass(frozen=True)
class Grid:
    """What is computed."""

    largest: float = 1.5  # of alpha and beta
    resolution: int = 151  # points per axis


PROFILES = {"quick": Grid(), "full": Grid(resolution=601)}


def predict(grid: Grid) -> xr.Dataset:
    """Phases and exponents on a grid between the lines."""
    spaced = (np.arange(grid.resolution) + 0.5) * grid.largest / grid.resolution
    data = solvers.evaluate(phases.exponents, alpha=spaced, beta=spaced)
    # below alpha + beta = 1/2 there are no exponents, which is not a failure
    return data.drop_vars("status").assign(phase=phases.phases(data))


def lines(grid: Grid) -> dict[str, xr.Dataset]:
    """Lines between the phases."""
    found = {}
    for line in phases.BOUNDARIES:
        ends = np.minimum(line.points(grid.largest), grid.largest)
        found["_".join(line.sides)] = xr.Dataset(
            {"alpha": ("point", ends[:, 0]), "beta": ("point", ends[:, 1])},
            attrs={"equation": line.latex},
        )
    return found
