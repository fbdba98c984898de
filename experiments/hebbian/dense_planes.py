"""Phase diagrams of dense networks over one another: 3, 4, 5 and 6 spins that interact.

The load alpha counts K = (2 alpha / P!) N^(P-1) patterns, in which the capacities of all P are of
order 1: E. Gardner, J. Phys. A 20, 3453 (1987). Lines are those of ``dense_phase_diagram``; the
overlap of the retrieval state is that of the limit T -> 0, up to its spinodal. As P grows the glass
becomes that of the random energy model, T_s = sqrt(alpha / 4 log 2).
"""

from __future__ import annotations

from dataclasses import dataclass

import xarray as xr

from thermolimit import solvers
from thermolimit.experiments import axis
from thermolimit.theory.hebbian.dense_memory import Model, ZeroTemperature

from . import dense_phase_diagram
from ._states import fallen, without


@dataclass(frozen=True)
class Grid:
    """What is computed."""

    interaction_order: tuple[int, ...] = (3, 4, 5, 6)
    resolution: int = 60  # loads of the overlap


PROFILES = {"quick": Grid(), "full": Grid(resolution=400)}


def predict(grid: Grid) -> xr.Dataset:
    """The retrieval state at T = 0 over the load."""
    states: list[xr.Dataset] = []
    for P in grid.interaction_order:
        data = solvers.saddle_points(
            ZeroTemperature(Model(P)),
            start="retrieval",
            pattern_load=axis(0.005, dense_phase_diagram.LARGEST_LOAD, grid.resolution),
        )
        states.append(without(data, fallen(data)).assign_coords(interaction_order=P))
    return xr.concat(states, dim="interaction_order", combine_attrs="drop_conflicts")


def lines(grid: Grid) -> dict[str, xr.Dataset]:
    """All transition lines, with P at the end of their names."""
    found = {}
    for P in grid.interaction_order:
        one = dense_phase_diagram.lines(dense_phase_diagram.Grid(interaction_order=P))
        found |= {f"{name}_{P}": line for name, line in one.items()}
    return found
