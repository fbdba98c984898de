"""Detecting patterns in noise that grows as the root of the size: theory against Monte Carlo.

K = alpha N patterns are stored in a network of four-spin interactions through pairs of entries that
bear noise of standard deviation omega = w sqrt(N), as strong as 11 w at N = 128, where the signal
is 1. F. Alemanno, M. Centonze and A. Fachechi, arXiv:1912.00666, call it ultra-detection. The model
of the noise is this package's own. That curves of different N collapse on w is the question. What
is endured of it falls with the load, as (alpha_s / 4 alpha)^(1/4) in the end, alpha_s that of four
spins: up to K of order N^3 and omega of order 1, which is ultra-storage.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import xarray as xr

from thermolimit import solvers
from thermolimit.experiments import Store, Tolerance, axis, fields, sweep
from thermolimit.simulations.hebbian import ultra_detection as network
from thermolimit.solvers import Status
from thermolimit.solvers.failures import mark
from thermolimit.theory.hebbian.ultra_detection import UltraDetection


@dataclass(frozen=True)
class Grid:
    """What is computed."""

    pattern_load: tuple[float, ...] = (0.1, 0.5)
    noise: tuple[float, ...] = (0.1, 0.2, 0.3, 0.4, 1.0)  # the last one is beyond the end
    temperature: float = 0.4
    n_spins: tuple[int, ...] = (64, 128)
    sweeps: int = 60
    burn_in: int = 60
    replicas: int = 24
    seed: int = 1
    resolution: int = 60  # points of the theory over the noise


PROFILES = {
    "quick": Grid(),
    "full": Grid(n_spins=(100, 200), sweeps=200, burn_in=100, replicas=60, resolution=200),
}
# Pairs have no diagonal: X of the retrieved pattern is m^2 - 1 / N.
TOLERANCE = Tolerance(standard_errors=4, bias={"overlap": 1.0, "self_overlap": 1.0}, size="n_spins")
LOUDEST = 0.8
LOADS = (0.01, 1000.0)  # of the end of the state


def predict(grid: Grid) -> xr.Dataset:
    """The retrieval state over the noise, up to its end."""
    data = solvers.saddle_points(
        UltraDetection(), start="retrieval", pattern_load=grid.pattern_load,
        noise=axis(0.0, LOUDEST, grid.resolution, include=grid.noise),
        temperature=grid.temperature, on_failure="keep",
    )  # fmt: skip
    # beyond the end of the state the search leaves it, or goes where formulas mean nothing
    return mark(data, ~((data["status"] == Status.OK) & (data["overlap"] > 0.5)), Status.MISSING)


def lines(grid: Grid) -> dict[str, xr.Dataset]:
    """The noise at which the retrieval state ends, over the load."""
    loads = np.geomspace(*LOADS, grid.resolution // 2)
    ends = [_endured(grid.temperature, load) for load in loads]
    return {"endured": xr.concat(ends, "pattern_load")}


def _endured(temperature: float, load: float) -> xr.Dataset:
    branch = solvers.trace_branch(
        UltraDetection(), "noise", start="retrieval", pattern_load=load, temperature=temperature,
        noise=0.1 * min(load**-0.25, 1.0), bounds=(0.0, 2.0),
    )  # fmt: skip
    end = solvers.spinodal(UltraDetection(), branch)
    return end[["noise", "overlap", "residual", "certificate", "status"]].reset_coords("noise")


def measure(grid: Grid, store: Store | None = None) -> xr.Dataset:
    """Monte Carlo from a pattern, over independent patterns and noise."""
    data = sweep(
        network.simulate,
        store=store,
        **fields(grid, "seed replicas noise temperature n_spins pattern_load sweeps burn_in"),
    )
    return data.assign_coords(start="retrieval")
