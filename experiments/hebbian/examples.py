"""Single examples against archetypes: states of an unsupervised dense network over the examples.

E. Agliari et al., arXiv:2211.14067, for the network. Runs start at an archetype, which the network
has never seen, or at one of its M examples of quality r, which it has. About M r^P = 1 examples
cease to be deeper than the archetype; they end as states at a larger M. Beyond it runs from an
example are shown, not compared: they should end at the archetype.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import xarray as xr

from thermolimit import solvers
from thermolimit.experiments import Store, Tolerance, fields, sweep
from thermolimit.simulations.hebbian import dense_memory as network
from thermolimit.theory.hebbian.examples import SingleExample

from ._states import without

STARTS = ("example", "archetype")
MOST = 32  # examples of the theory
APART = 0.05  # n_1 - n_2 of a state that knows its example; it jumps from above 0.6 to 0


@dataclass(frozen=True)
class Grid:
    """What is computed."""

    interaction_order: int = 3
    temperature: float = 0.1
    quality: tuple[float, ...] = (0.5, 0.6)
    examples: tuple[int, ...] = (2, 3, 5, 9, 11, 17, 25)
    n_spins: tuple[int, ...] = (1000, 4000)
    sweeps: int = 20
    burn_in: int = 20
    replicas: int = 16
    seed: int = 1


PROFILES = {
    "quick": Grid(),
    "full": Grid(
        examples=(2, 3, 4, 5, 9, 11, 17, 21, 25, 32),
        n_spins=(1000, 4000, 16000),
        sweeps=100,
        burn_in=50,
        replicas=48,
    ),
}
# Without repeated indices the energy of an example is higher by P (P - 1) / (4 N M r^P), 6 / N at
# the smallest M r^P, 1 / 4. Cold examples show no flip and so no error: at 1 - n_1 = 0.1 / N about
# 30 flips would have been seen. Not simulated are the last M before the example ends (6 and 7,
# 12 to 15), where chance has ended the examples of a few finite networks already.
TOLERANCE = Tolerance(
    standard_errors=4, bias={"energy": 6.0, "example_overlap": 0.1}, size="n_spins"
)


def predict(grid: Grid) -> xr.Dataset:
    """Both states at all numbers of examples, where they exist and are stable."""
    data = solvers.saddle_points(
        SingleExample(grid.interaction_order),
        temperature=grid.temperature,
        quality=np.array(grid.quality),
        examples=np.arange(2.0, MOST + 1),
    )
    at_example = data["start"] == "example"
    ended = at_example & (data["one_overlap"] - data["other_overlap"] < APART)
    # an even number of examples may leave spins undecided, and any of the examples decides them
    unstable = data["growth_rate"] > 0
    data = without(data, ended | unstable)
    # at the archetype the largest of M overlaps is measured, which chance raises by N^(-1/2)
    return data.assign(example_overlap=data["one_overlap"].where(at_example))


def measure(grid: Grid, store: Store | None = None) -> xr.Dataset:
    """Monte Carlo from both starts, over independent archetypes and examples."""
    return xr.concat([_run(grid, s, store / s if store else None) for s in STARTS], "start")


def _run(grid: Grid, start: str, store: Store | None) -> xr.Dataset:
    return sweep(
        network.simulate,
        store=store,
        engine="numba",
        **fields(
            grid,
            "seed replicas interaction_order n_spins temperature quality examples sweeps burn_in",
        ),
        pattern_load=0.0,
        protocol="unsupervised",
        start=start,
    )
