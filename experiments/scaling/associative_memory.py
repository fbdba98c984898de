"""Scaling laws of an associative memory: Gaussian scores against random embeddings.

V. Cabannes, E. Dohmatob and A. Bietti, arXiv:2310.02984. Tokens of Zipf frequencies are stored with
their frequencies, with the square roots of them, or only the d / 8 most frequent with equal
strength. Compared is the error at every dimension d and number of samples T, infinitely many
included (``n_samples = 0``). The theory at finite T is a mean over drawn histograms.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr

from thermolimit import solvers
from thermolimit.experiments import Store, Tolerance, sweep
from thermolimit.simulations.scaling import associative_memory as network
from thermolimit.theory.scaling import associative_memory


@dataclass(frozen=True)
class Grid:
    """What is computed."""

    alpha: float = 2.0
    n_tokens: int = 1000
    n_classes: int = 4
    dimension: tuple[int, ...] = (32, 64, 128, 256, 512)
    n_samples: tuple[int, ...] = (30, 300, 3000)
    replicas: int = 32
    histograms: int = 64  # of the theory at finite T, whose mean has an error too
    seed: int = 1
    resolution: int = 14  # points of the theory over d, and over T


PROFILES = {
    "quick": Grid(),
    "full": Grid(
        n_tokens=4000,
        dimension=(32, 64, 128, 256, 512, 1024),
        n_samples=(10, 30, 100, 300, 1000, 3000, 10_000),
        replicas=128,
        histograms=512,
        resolution=32,
    ),
}
# Scores are Gaussian and independent for d >> 1 only. A thousand memories at each of six d from 24
# to 300, seeds and sizes of no profile, miss the theory of infinite data by -0.14(3) / d for
# frequencies, -0.09(1) / d for square roots and -0.02(1) / d for a threshold.
TOLERANCE = Tolerance(standard_errors=4, bias={"error": 0.25}, size="dimension")

MEMORIES = ("frequencies", "square_roots", "threshold")
SHARE = 8  # a threshold keeps the d / 8 most frequent tokens
DRAWN = 0.5  # exponent of the strengths that are drawn over T


def memories(dimension: np.ndarray | tuple[int, ...]) -> dict[str, Any]:
    """Scheme, exponent and threshold of each memory, along with the dimensions."""
    d = np.array(dimension)
    kept = np.outer([0, 0, 1], np.maximum(d // SHARE, 1))
    names = {"memory": list(MEMORIES)}
    return {
        "scheme": xr.DataArray(["power", "power", "threshold"], names, ["memory"]),
        "rho": xr.DataArray([1.0, 0.5, 0.0], names, ["memory"]),
        "kept": xr.DataArray(kept, names | {"dimension": d}, ["memory", "dimension"]),
    }


def predict(grid: Grid) -> xr.Dataset:
    """Errors at every simulated point."""
    axes = {"dimension": grid.dimension, **memories(grid.dimension)}
    at = [_infinite_data(grid, axes)]
    at += [_finite_data(grid, n_samples, axes) for n_samples in grid.n_samples]
    return xr.concat(at, "n_samples")


def lines(grid: Grid) -> dict[str, xr.Dataset]:
    """Errors over d with their limiting slopes, over T, and those of infinite memories."""
    # whole numbers of tokens above the threshold
    kept = np.geomspace(min(grid.dimension), max(grid.dimension), grid.resolution) / SHARE
    d = SHARE * np.unique(np.maximum(kept.round(), 1)).astype(int)
    over_d = {"dimension": d, **memories(d)}
    slopes = {name: axis for name, axis in memories(d).items() if name != "kept"}
    T = np.unique(np.geomspace(3, 3 * max(grid.n_samples), grid.resolution).round()).astype(int)
    ends = grid.dimension[:: max(1, len(grid.dimension) // 2)]
    over_t = {"dimension": ends, "rho": DRAWN}
    return {
        "dimension": _infinite_data(grid, over_d),
        "exponents": solvers.evaluate(associative_memory.exponents, alpha=grid.alpha, **slopes),
        "samples": xr.concat([_finite_data(grid, n, over_t) for n in T], "n_samples"),
        "infinite_memory": solvers.evaluate(
            associative_memory.infinite_memory, alpha=grid.alpha, n_samples=T,
            n_tokens=grid.n_tokens, n_classes=grid.n_classes,
        ),
    }  # fmt: skip


def measure(grid: Grid, store: Store | None = None) -> xr.Dataset:
    """Exact errors of memories with random embeddings, and samples of their own."""
    return sweep(
        network.simulate, store=store, seed=grid.seed, replicas=grid.replicas, alpha=grid.alpha,
        n_tokens=grid.n_tokens, n_classes=grid.n_classes, dimension=grid.dimension,
        n_samples=(network.INFINITE, *grid.n_samples), **memories(grid.dimension),
    )  # fmt: skip


def _infinite_data(grid: Grid, axes: dict[str, Any]) -> xr.Dataset:
    data = solvers.evaluate(
        associative_memory.infinite_data, alpha=grid.alpha, n_tokens=grid.n_tokens,
        n_classes=grid.n_classes, **axes,
    )  # fmt: skip
    return data.assign_coords(n_samples=network.INFINITE)


def _finite_data(grid: Grid, n_samples: int, axes: dict[str, Any]) -> xr.Dataset:
    p = associative_memory.zipf(grid.alpha, grid.n_tokens)
    rng = np.random.default_rng([grid.seed, n_samples])
    data = solvers.evaluate(
        associative_memory.finite_data, alpha=grid.alpha, n_classes=grid.n_classes,
        counts=rng.multinomial(n_samples, p, size=grid.histograms), **axes,
    )  # fmt: skip
    averaged = data.drop_vars(["counts", "spread"])
    return averaged.assign_coords(n_samples=n_samples, n_tokens=grid.n_tokens)
