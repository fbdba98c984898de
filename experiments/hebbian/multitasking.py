"""Parallel retrieval of diluted patterns: multitasking theory against Glauber dynamics.

E. Agliari et al., arXiv:1111.5191, arXiv:1304.4488 and arXiv:2308.04106. Three patterns are stored
and the runs start in the hierarchical state: every spin follows its first pattern that is not
blank. Overlaps and energy are compared over the dilution, at a low temperature in units of 1 - d.
Left out are dilutions around the end of the hierarchy, where there are two states, and very small
or large ones, where the patterns of a finite network change their order or are lost in its noise.
Diagrams are drawn for several numbers of patterns.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import xarray as xr

from thermolimit import solvers
from thermolimit.experiments import Store, Tolerance, axis, fields, sweep
from thermolimit.simulations.hebbian import multitasking as network
from thermolimit.theory.hebbian import multitasking
from thermolimit.theory.hebbian.multitasking import Multitasking, Parallel


@dataclass(frozen=True)
class Grid:
    """What is computed. Temperatures are T / (1 - d)."""

    n_patterns: int = 3
    dilution: tuple[float, ...] = (0.3, 0.4, 0.5, 0.65, 0.7, 0.75, 0.8)
    reduced_temperature: float = 0.02
    n_spins: tuple[int, ...] = (4000, 16000)
    sweeps: int = 40
    burn_in: int = 40
    replicas: int = 16
    seed: int = 1
    resolution: int = 60  # points of the theory over the dilution
    diagrams: tuple[int, ...] = (2, 3, 4)  # numbers of patterns
    diagram_resolution: int = 32  # points per axis
    steps: int = 8  # patterns of the hierarchy at almost zero temperature


PROFILES = {
    "quick": Grid(),
    "full": Grid(
        dilution=(0.3, 0.35, 0.4, 0.45, 0.5, 0.65, 0.7, 0.75, 0.8),
        n_spins=(8000, 32000),
        sweeps=100,
        burn_in=100,
        replicas=64,
        resolution=200,
        diagram_resolution=80,
    ),
}
TOLERANCE = Tolerance(standard_errors=4, size="n_spins")

COLD = 1e-5  # T / (1 - d) of the hierarchy, below every field in it
HIGHEST = 1.2  # T / (1 - d) of the diagrams
MOST_DILUTED = 0.96
LOW = 0.008  # T / (1 - d) at which lines are found before they are followed


def stored(n_patterns: int) -> Multitasking:
    """The network that stores this many patterns."""
    return Multitasking(n_patterns, "storage")


def temperature(dilution: np.ndarray | tuple[float, ...], reduced: float) -> xr.DataArray:
    """T at every dilution for one T / (1 - d)."""
    d = np.array(dilution)
    return xr.DataArray(reduced * (1 - d), {"dilution": d}, ["dilution"])


def predict(grid: Grid) -> xr.Dataset:
    """The hierarchical state, and what it becomes, over the dilution."""
    d = axis(0.02, MOST_DILUTED, grid.resolution, include=grid.dilution)
    return solvers.saddle_points(
        stored(grid.n_patterns), start="hierarchical", dilution=d,
        temperature=temperature(d, grid.reduced_temperature),
    )  # fmt: skip


def measure(grid: Grid, store: Store | None = None) -> xr.Dataset:
    """Monte Carlo from the hierarchical state, over independent patterns."""
    data = sweep(
        network.simulate,
        store=store,
        **fields(grid, "seed replicas n_patterns n_spins dilution sweeps burn_in"),
        temperature=temperature(grid.dilution, grid.reduced_temperature),
        law="storage",
        start="hierarchical",
    )
    return data.drop_vars("class_overlaps")  # what is stored has no noise: these are the overlaps


def lines(grid: Grid) -> dict[str, xr.Dataset]:
    """Transition lines, phases between them, and the hierarchy at almost zero temperature."""
    found = {"hierarchy": hierarchy(grid), "critical": critical(), "pure": pure()}
    for n_patterns in grid.diagrams:
        found[f"phases_{n_patterns}"] = phases(n_patterns, grid.diagram_resolution)
        found[f"symmetric_{n_patterns}"] = symmetric(n_patterns)
        if n_patterns > 2:  # two patterns are a hierarchy at any dilution
            found |= exchange(n_patterns)
    return found


def hierarchy(grid: Grid) -> xr.Dataset:
    """Overlaps of many patterns at almost zero temperature."""
    d = tuple(x for x in grid.dilution if x <= 0.5)
    return solvers.saddle_points(
        stored(grid.steps), start="hierarchical", dilution=d, temperature=temperature(d, COLD)
    )


def phases(n_patterns: int, resolution: int) -> xr.Dataset:
    """Which state is the equilibrium, in the plane of d and T / (1 - d)."""
    d = np.linspace(0.0, MOST_DILUTED, resolution)
    # as far from 1 as can be: iteration takes for ever there
    below = round(resolution / HIGHEST)
    t = (np.arange(resolution) + 0.5) / below
    reduced = xr.DataArray(t, {"reduced_temperature": t}, ["reduced_temperature"])
    theory = stored(n_patterns)
    # near d_s one start or another may take too long, where the others have arrived
    data = solvers.saddle_points(
        theory, dilution=d, temperature=reduced * temperature(d, 1.0), on_failure="keep"
    )
    found = solvers.descend(theory, data)
    kept = ["class_overlaps", "growth_rate", "residual", "status", "descents"]
    return found[kept].assign(phase=multitasking.phases(found))


def critical() -> xr.Dataset:
    """T_c, above which nothing is retrieved; the same for every number of patterns."""
    theory = Parallel(stored(2))
    ergodic = solvers.trace_branch(
        theory, "temperature", start="ergodic", dilution=0.3, temperature=0.9, bounds=(0.002, 1.2)
    )
    return solvers.continuous_transition(
        theory, ergodic, along="dilution", bounds=(0.0, MOST_DILUTED)
    )


def pure() -> xr.Dataset:
    """Where the pure state begins to serve a second pattern; the same for every number of them."""
    theory = Parallel(stored(2))
    retrieved = solvers.trace_branch(
        theory, "temperature", start="retrieved", dilution=0.3, temperature=0.4,
        bounds=(0.002, 0.69),
    )  # fmt: skip
    line = solvers.zero_of(
        theory, retrieved, "recruiting", along="dilution", bounds=(0.0, MOST_DILUTED)
    )
    return _up_to_the_hottest(line)


def symmetric(n_patterns: int) -> xr.Dataset:
    """Where the symmetric state becomes unstable towards different overlaps."""
    theory = Parallel(stored(n_patterns), n_patterns)
    retrieved = solvers.trace_branch(
        theory, "dilution", start="retrieved", dilution=0.8, temperature=0.1,
        bounds=(0.05, MOST_DILUTED),
    )  # fmt: skip
    line = solvers.zero_of(theory, retrieved, "splitting", along="temperature", bounds=(0.002, 0.9))
    return _up_to_the_hottest(line)


def exchange(n_patterns: int) -> dict[str, xr.Dataset]:
    """Where the hierarchical state ends, and where another one comes to lie lower."""
    theory, along = stored(n_patterns), {"along": "temperature", "bounds": (LOW / 8, 0.5)}

    def branch(dilution: float) -> xr.Dataset:
        return solvers.trace_branch(
            theory, "dilution", start="hierarchical", dilution=dilution, temperature=LOW / 2,
            bounds=(0.3, 0.7),
        )  # fmt: skip

    hierarchical = branch(0.5)
    end = solvers.spinodal(theory, hierarchical, **along)
    beyond = branch(float(end["dilution"].max()) + 0.04)  # the start falls to the next state
    equal = solvers.coexistence(theory, hierarchical, beyond, **along)
    return {
        f"end_{n_patterns}": _up_to_the_hottest(end),
        f"exchange_{n_patterns}": _up_to_the_hottest(equal),
    }


def _up_to_the_hottest(line: xr.Dataset) -> xr.Dataset:
    """The part from the start up to the largest T / (1 - d).

    Beyond, a line is its own mirror image, or belongs to other states.
    """
    reduced = (line["temperature"] / (1 - line["dilution"])).values
    hottest, begun = int(np.argmax(reduced)), int(np.argmin(abs(line["arclength"].values)))
    kept = slice(0, hottest + 1) if begun <= hottest else slice(hottest, None)
    return line.isel(point=kept)
