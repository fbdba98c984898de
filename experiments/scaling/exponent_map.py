"""Measured compute-optimal exponents over the plane, against their limits.

E. Paquette et al., arXiv:2405.15074. The exponents of the theory's curves at finite compute, by
least squares through parabolas on isoflop slices, minus those of the limit; and along a cut at one
decay of the data through the phases Ia, II and III. Where they differ, compute is too small for the
limit: near lines between phases, and where the data decay slowly.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import xarray as xr

from thermolimit import solvers
from thermolimit.experiments.compute_optimal import exponents, isoflop
from thermolimit.theory.scaling import frontier, phases

from . import phase_plane


@dataclass(frozen=True)
class Grid:
    """What is computed."""

    largest: float = 1.5  # of alpha and beta
    resolution: int = 6  # points per axis of the map
    flops: tuple[float, float] = (1e8, 1e10)
    slices: int = 5
    dimension: tuple[float, float] = (1e2, 4e6)
    sizes: int = 20
    cut: float = 0.7  # alpha
    cut_points: int = 9


PROFILES = {"quick": Grid(), "full": Grid(resolution=16, sizes=36, slices=9, cut_points=31)}


def predict(grid: Grid) -> xr.Dataset:
    """Exponents over the plane, where anything scales."""
    spaced = (np.arange(grid.resolution) + 0.5) * grid.largest / grid.resolution
    alpha, beta = (x.ravel() for x in np.meshgrid(spaced, spaced, indexing="ij"))
    scales = alpha + beta > 0.5
    points = (xr.DataArray(x[scales], dims="point") for x in (alpha, beta))
    return exponents_of(grid, *points).set_index(point=("alpha", "beta")).unstack("point")


def lines(grid: Grid) -> dict[str, xr.Dataset]:
    """A cut through the phases, and their lines."""
    beta = np.linspace(0.1, grid.largest, grid.cut_points)
    plane = phase_plane.Grid(largest=grid.largest)
    cut = exponents_of(grid, xr.full_like(xr.DataArray(beta, dims="beta"), grid.cut), beta)
    dense = np.linspace(beta[0], beta[-1], 201)
    return phase_plane.lines(plane) | {
        "cut": cut,
        "cut_limits": solvers.evaluate(phases.exponents, alpha=grid.cut, beta=dense),
        "limits": phase_plane.predict(plane),
    }


def exponents_of(grid: Grid, alpha: xr.DataArray, beta: xr.DataArray | np.ndarray) -> xr.Dataset:
    """Measured exponents, their limits, and the differences."""
    curves = solvers.evaluate(
        frontier.at_flops, alpha=alpha, beta=beta, flops=np.geomspace(*grid.flops, grid.slices),
        dimension=np.geomspace(*grid.dimension, grid.sizes),
    )  # fmt: skip
    limit = solvers.evaluate(phases.exponents, alpha=alpha, beta=beta).drop_vars("status")
    late = curves["loss"].where(curves["step"] >= frontier.EARLIEST)
    found = exponents(isoflop(late))
    for name in limit.data_vars:
        label = limit[name].attrs["long_name"]
        found[f"{name}_limit"] = limit[name].assign_attrs(long_name=f"{label}, limit")
        found[f"{name}_excess"] = (found[name] - limit[name]).assign_attrs(
            long_name=f"{label}, measured - limit", units="1"
        )
    return found
