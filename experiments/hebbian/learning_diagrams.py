"""How many noisy examples a dense Hebbian network needs: diagrams of load, examples and noise.

E. Agliari et al., arXiv:2212.00606 (supervised) and arXiv:2211.14067 (unsupervised). With
supervision all depends on rho, the entropy of the examples of a class; without it the noise of
other classes is that of the products of P entries, and many more examples are needed, of order
r^(-2P) at quality r. Class means are Gaussian, archetypes have the energy -N / 2.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr

from thermolimit import solvers
from thermolimit.solvers import Status
from thermolimit.solvers.failures import mark
from thermolimit.theory.hebbian.dense_memory import Model, ReplicaSymmetric, ZeroTemperature
from thermolimit.theory.hebbian.example_law import dataset_entropy
from thermolimit.theory.hebbian.learning import (
    Protocol,
    retrieval,
    spinodal_load,
    supervised_examples,
    unsupervised_examples,
)

from ._states import fallen, without


@dataclass(frozen=True)
class Grid:
    """What is computed."""

    interaction_order: int = 3  # of the planes of examples and quality
    pattern_load: float = 0.1
    accuracy: tuple[float, ...] = (0.9, 0.95, 0.99)
    low_quality: tuple[float, ...] = (0.1, 0.15, 0.2, 0.3, 0.4, 0.5)
    resolution: int = 40  # points per axis


PROFILES = {"quick": Grid(), "full": Grid(resolution=160)}

ORDERS = (2, 3, 4)
PAIR_LOAD = 0.05  # of P = 2, which stores less
UNSUPERVISED_QUALITY = 0.7
ENTROPIES = (0.1, 0.5)  # of the overlaps without load
HOTTEST = 3.0
NOISIEST = 100.0  # largest rho
MOST = 1e5  # examples


def lines(grid: Grid) -> dict[str, xr.Dataset]:
    """Largest loads, overlaps and thresholds in the planes, scaling of thresholds, temperatures."""
    found = {"accuracy": accuracy(grid), "law": law(grid)}
    found["capacity_2"] = capacity_of_pairs()
    for order in ORDERS[1:]:
        found[f"capacity_{order}"] = capacity(order, grid.resolution)
        found[f"unsupervised_capacity_{order}"] = unsupervised_capacity(order, grid.resolution)
    for protocol in ("supervised", "unsupervised"):
        found[f"{protocol}_plane"] = plane(grid, protocol)
    for order in ORDERS:
        found[f"threshold_{order}"] = threshold(grid, order)
        found[f"overlap_{order}"] = overlap(order, grid.resolution)
        found[f"hottest_{order}"] = hottest(order, loads(grid)[order])
        if order > 2:  # without load pairs have no fold, but T_c = 1 + rho
            found[f"hottest_unloaded_{order}"] = hottest(order, 0.0)
    return found


def loads(grid: Grid) -> dict[int, float]:
    """Of every interaction order."""
    return {order: PAIR_LOAD if order == 2 else grid.pattern_load for order in ORDERS}


def capacity(order: int, resolution: int) -> xr.Dataset:
    """Largest load of supervised learning at T = 0 over rho, by one example of each quality."""
    rho = np.geomspace(1e-3, NOISIEST, 4 * resolution)
    quality = xr.DataArray((1 + rho) ** -0.5, {"entropy": rho}, ["entropy"])
    return solvers.evaluate(spinodal_load, quality=quality, examples=1.0, interaction_order=order)


def unsupervised_capacity(order: int, resolution: int) -> xr.Dataset:
    """The same without supervision, at one quality, down to one example."""
    one = float(dataset_entropy(UNSUPERVISED_QUALITY, 1.0))
    rho = np.geomspace(1e-3, one, 4 * resolution)
    examples = xr.DataArray(np.maximum(one / rho, 1.0), {"entropy": rho}, ["entropy"])
    return solvers.evaluate(
        spinodal_load, quality=UNSUPERVISED_QUALITY, examples=examples,
        interaction_order=order, protocol="unsupervised",
    )  # fmt: skip


def capacity_of_pairs() -> xr.Dataset:
    """Largest load of P = 2 with supervision, followed over the quality of one example."""
    theory = ZeroTemperature(Model(2, law="gauss"))
    branch = solvers.trace_branch(
        theory, "pattern_load", start="retrieval", pattern_load=0.05, quality=1.0, examples=1.0,
        bounds=(1e-4, 0.3),
    )  # fmt: skip
    line = solvers.spinodal(theory, branch, along="quality", bounds=((1 + NOISIEST) ** -0.5, 1.0))
    return with_entropy(line)


def plane(grid: Grid, protocol: Protocol) -> xr.Dataset:
    """Overlap of the retrieval state, and the largest load, over examples and quality at T = 0."""
    plane: dict[str, Any] = {
        "examples": np.geomspace(1.0, MOST, grid.resolution),
        "quality": np.linspace(0.05, 0.95, grid.resolution),
    }
    kind = {"interaction_order": grid.interaction_order, "protocol": protocol}
    ends = solvers.evaluate(spinodal_load, **kind, **plane)
    states = solvers.evaluate(retrieval, pattern_load=grid.pattern_load, **kind, **plane)
    states = states.assign(capacity=ends["capacity"])
    return mark(states, ~(states["capacity"] > grid.pattern_load), Status.MISSING)


def accuracy(grid: Grid) -> xr.Dataset:
    """Examples that supervised learning needs to be as accurate as asked for."""
    return solvers.evaluate(
        supervised_examples, pattern_load=grid.pattern_load, overlap=grid.accuracy,
        quality=np.linspace(0.05, 0.95, 4 * grid.resolution),
        interaction_order=grid.interaction_order,
    )  # fmt: skip


def law(grid: Grid) -> xr.Dataset:
    """Fewest examples of unsupervised learning in the limit of low quality."""
    stored = solvers.evaluate(
        spinodal_load, quality=1.0, examples=1.0, interaction_order=grid.interaction_order
    )
    return solvers.evaluate(
        unsupervised_examples, pattern_load=grid.pattern_load,
        quality=np.linspace(0.05, 0.95, 4 * grid.resolution),
        capacity=stored["capacity"].item(), interaction_order=grid.interaction_order,
    )  # fmt: skip


def threshold(grid: Grid, order: int) -> xr.Dataset:
    """Fewest examples of unsupervised learning; times r^(2P) they depend little on r."""
    theory, load = ZeroTemperature(Model(order, "unsupervised", "gauss")), loads(grid)[order]
    found = [fewest(theory, order, load, quality) for quality in grid.low_quality]
    line = xr.concat(found, "quality")
    return line.assign(collapsed=line["examples"] * line["quality"] ** (2 * order))


def fewest(theory: ZeroTemperature, order: int, load: float, quality: float) -> xr.Dataset:
    """Where the state that begins with very many examples ends."""
    guess = quality ** (-2 * order)
    branch = solvers.trace_branch(
        theory, "examples", start="retrieval", pattern_load=load, quality=quality,
        examples=3 * guess, bounds=(min(1.0, 0.1 * guess), 6 * guess),
    )  # fmt: skip
    end = solvers.spinodal(theory, branch)
    return end[["examples", "residual"]].assign_coords(quality=quality)


def hottest(order: int, load: float) -> xr.Dataset:
    """Temperature above which there is no retrieval state, with supervision, over the quality."""
    theory = ReplicaSymmetric(Model(order, law="gauss"))
    retrieval = solvers.trace_branch(
        theory, "temperature", start="retrieval", pattern_load=load, temperature=0.3,
        quality=1.0, examples=1.0, bounds=(0.05, HOTTEST),
    )  # fmt: skip
    line = solvers.spinodal(theory, retrieval, along="quality", bounds=(0.5, 1.0))
    return with_entropy(line)


def overlap(order: int, resolution: int) -> xr.Dataset:
    """Overlap without load over the temperature, for examples of several entropies."""
    rho = np.array(ENTROPIES)
    examples = xr.DataArray((1 / 0.1**2 - 1) / rho, {"entropy": rho}, ["entropy"])
    states = solvers.saddle_points(
        ReplicaSymmetric(Model(order, law="gauss")), start="retrieval", pattern_load=0.0,
        temperature=np.linspace(0.02, 1.5, 4 * resolution), quality=0.1, examples=examples,
    )  # fmt: skip
    return without(states, fallen(states))


def with_entropy(line: xr.Dataset) -> xr.Dataset:
    """The entropy of one example along a line."""
    rho = 1 / line["quality"] ** 2 - 1
    return line.assign(entropy=rho.assign_attrs(long_name=r"entropy of the data, $\rho$"))
