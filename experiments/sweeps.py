"""Simulations on a labelled grid, with random numbers that belong to the point."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from functools import lru_cache, partial
from math import inf
from typing import Any

import jax
import numpy as np
import xarray as xr

from thermolimit.leaves import Interval, Leaf
from thermolimit.simulations import Engines
from thermolimit.solvers.failures import status_variable
from thermolimit.solvers.formulas import qualified_name
from thermolimit.solvers.grid import Grid, make_grid
from thermolimit.solvers.precision import simulation_precision
from thermolimit.solvers.progress import Progress
from thermolimit.solvers.saddle import Status
from thermolimit.solvers.signature import by_shape, signature
from thermolimit.solvers.tiles import in_order, map_each, map_tiles

DIGITS = 12  # of a coordinate: linspace(0, 1, 11)[3] is not linspace(0, 1, 101)[30]


def sweep(
    simulate: Callable[..., Any] | Engines,
    /,
    *,
    seed: int,
    replicas: int,
    engine: str | None = None,
    precision: int = 32,
    **axes: Any,
) -> xr.Dataset:
    """Run a simulation on a labelled grid, several replicas per point.

    Parameters
    ----------
    simulate : callable or Engines
        Of one point and one replica, annotated, returning a NamedTuple. First ``key`` (jitted;
        batched over points and replicas) or ``rng`` (a NumPy generator; called one by one). Other
        positional arguments are numbers, keyword-only arguments fix shapes.
    seed : int
        Every point draws from the hash of ``seed`` and its coordinates, every replica its own: the
        numbers of a point do not depend on the rest of the grid.
    replicas : int
        Independent runs, disorder included, at each point.
    engine : {"numba", "jax"}, optional
        Which program of ``Engines``; by default JAX on an accelerator, else Numba.
    precision : {32, 64}
        Of a jitted simulation; one that takes ``rng`` decides itself.
    **axes : float, str, sequence, or DataArray
        The arguments of ``simulate``, by name.

    Returns
    -------
    xarray.Dataset
        Observables over the axes and ``replica``, and ``status``.

    Raises
    ------
    TypeError
        For unknown or missing arguments.
    ValueError
        For values outside an argument's range.
    """
    replicas = int(
        Leaf("replicas", interval=Interval(1, inf, closed=True), integer=True).checked(replicas)
    )
    seed = int(Leaf("seed", integer=True).checked(seed))
    if engine is not None and not isinstance(simulate, Engines):
        raise ValueError(f"engine = {engine!r}, but {qualified_name(simulate)} has only one")
    run = simulate.choose(engine) if isinstance(simulate, Engines) else simulate
    face = signature(run)
    if face.random is None:
        raise TypeError(f"{qualified_name(run)} takes neither key nor rng; it is a formula")
    grid = make_grid(face.complete(axes), face.arguments)
    points = point_keys(seed, grid)
    columns = {name: np.repeat(column, replicas) for name, column in grid.columns.items()}
    draws = (np.repeat(points, replicas, axis=0), np.tile(np.arange(replicas), grid.points))
    groups = []
    total = grid.points * replicas
    with simulation_precision(precision), Progress("simulation", total) as progress:
        for fixed, index in by_shape(columns, face.fixed, total):
            numbers = {name: columns[name][index] for name in face.numbers}
            lanes = (draws[0][index], draws[1][index], numbers)
            if face.random == "key":
                call = partial(_batch(run, tuple(fixed.items())), grid.whole)
                found = map_tiles(call, lanes, progress)
            else:
                found = map_each(partial(_with_rng, run, fixed, grid.whole), lanes, progress)
            groups.append((index, found))
    values = in_order(groups)._asdict()
    return _dataset(grid, replicas, values, face.results, {
        "simulation": qualified_name(run),
        "seed": str(seed),
        "device": jax.default_backend() if face.random == "key" else "cpu",
        "precision": str(precision) if face.random == "key" else "64",
    })  # fmt: skip


def point_key(seed: int, coordinates: Mapping[str, Any]) -> np.ndarray:
    """Two words of 32 bits: the SHA-256 of the seed and the sorted coordinates at 12 digits."""
    said = [f"{name}={_said(value)}" for name, value in sorted(coordinates.items())]
    digest = hashlib.sha256("\n".join([f"seed={seed}", *said]).encode()).digest()
    return np.frombuffer(digest[:8], dtype=">u4").astype(np.uint32)


def point_keys(seed: int, grid: Grid) -> np.ndarray:
    """Keys of all points of a grid, array (points, 2).

    Arguments with dimensions of their own, such as record times, are not part of a point.
    """
    rows = [{name: v[i] for name, v in grid.columns.items()} for i in range(grid.points)]
    return np.array([point_key(seed, row) for row in rows])


def _said(value: Any) -> str:
    if np.asarray(value).dtype.kind not in "biuf":
        return str(value)
    return f"{float(value) + 0.0:.{DIGITS}g}"  # -0.0 is 0.0


def _with_rng(run: Callable[..., Any], fixed: dict[str, Any], whole: Any, lane: Any) -> Any:
    words, replica, numbers = lane
    rng = np.random.default_rng([*words, replica])
    return run(rng, **numbers, **whole, **fixed)


@lru_cache(maxsize=256)
def _batch(run: Callable[..., Any], fixed: tuple[tuple[str, Any], ...]) -> Callable[..., Any]:
    """One jitted program per simulation and shape, so that the next tile compiles nothing."""

    def one(whole: Any, words: Any, replica: Any, numbers: Any) -> Any:
        # the generator is named, so that the user's default does not change the numbers
        key = jax.random.fold_in(jax.random.wrap_key_data(words, impl="threefry2x32"), replica)
        return run(key, **numbers, **whole, **dict(fixed))

    return jax.jit(lambda whole, lanes: jax.vmap(partial(one, whole))(*lanes))


def _dataset(
    grid: Grid, replicas: int, values: dict[str, np.ndarray], described: Any, attrs: dict[str, str]
) -> xr.Dataset:
    folded = {name: v.reshape(-1, replicas, *v.shape[1:]) for name, v in values.items()}
    coords = {"replica": ("replica", np.arange(replicas))}
    data = grid.dataset(folded, described, ("replica",), coords, attrs)
    shape = (*grid.shape, replicas)
    finite = [np.isfinite(v.reshape(*shape, -1)).all(axis=-1) for v in values.values()]
    status = np.where(np.all(finite, axis=0), Status.OK, Status.NOT_FINITE)
    return data.assign(status=status_variable((*grid.dims, "replica"), status))
