"""Simulations and formulas on a labelled grid, with random numbers that belong to the point."""

from __future__ import annotations

from collections.abc import Callable
from math import inf, prod
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from thermolimit.simulations import Engines
from thermolimit.solvers.failures import status_variable
from thermolimit.solvers.progress import Progress
from thermolimit.solvers.tiles import TILE

from .chunks import missing
from .plans import Plan, plan
from .resuming import resume
from .stores import Store


def sweep(
    simulate: Callable[..., Any] | Engines,
    /,
    *,
    seed: int | None = None,
    replicas: int | None = None,
    store: Store | Path | str | None = None,
    engine: str | None = None,
    precision: int = 32,
    tile: int = TILE,
    **axes: Any,
) -> xr.Dataset:
    """Run a simulation or a formula on a labelled grid, several replicas per point.

    Parameters
    ----------
    simulate : callable or Engines
        Of one point and one replica, annotated, returning a NamedTuple. First ``key`` (jitted;
        batched over points and replicas) or ``rng`` (a NumPy generator; called one by one), or
        neither: a formula. Other positional arguments are numbers, keyword-only arguments fix
        shapes. A result named ``converged`` has a say in the status.
    seed : int
        Every point draws from the hash of ``seed`` and its coordinates, every replica its own: the
        numbers of a point do not depend on the rest of the grid. None for a formula.
    replicas : int
        Independent runs, disorder included, at each point. None for a formula.
    store : Store or path, optional
        Keep every block of results there, and continue what was begun there.
    engine : {"numba", "jax"}, optional
        Which program of ``Engines``; by default JAX on an accelerator, else Numba.
    precision : {32, 64}
        Of a jitted simulation; one that takes ``rng`` decides itself, a formula has 64.
    tile : int
        Lanes of a batch of a jitted function. Another width changes the last bits.
    **axes : float, str, sequence, or DataArray
        The arguments of ``simulate``, by name.

    Returns
    -------
    xarray.Dataset
        Observables over the axes and ``replica``, and ``status``. Where the size of an observable
        depends on an axis it is that of the largest, with NaN beyond its own.

    Raises
    ------
    TypeError
        For unknown or missing arguments.
    ValueError
        For values outside an argument's range.
    SweepMismatch, Locked
        If the store holds another sweep, or is being written by another process.
    """
    asked = {"seed": seed, "replicas": replicas, "engine": engine, "precision": precision}
    if store is None:
        return _in_memory(plan(simulate, axes, tile=tile, **asked))
    store = store if isinstance(store, Store) else Store(Path(store))
    return resume(store, lambda axes: plan(simulate, axes, tile=tile, **asked), axes)


def _in_memory(asked: Plan) -> xr.Dataset:
    outputs, blocks = asked.outputs, asked.blocks(inf)
    values = {
        name: np.full((*asked.shape, *output.shape), missing(output.dtype), output.dtype)
        for name, output in outputs.items()
    }
    status = np.zeros(asked.shape, np.int8)
    with Progress("sweep", prod(asked.shape)) as progress:
        for block in range(len(blocks)):
            part = blocks.slices(block)
            found = asked.task.compute(outputs, asked.lanes(part), progress)
            status[part] = found.status.reshape(status[part].shape)
            for name, leaf in found.values.items():
                values[name][part] = leaf.reshape(values[name][part].shape)
    return labelled(asked, values, status)


def labelled(asked: Plan, values: dict[str, np.ndarray], status: np.ndarray) -> xr.Dataset:
    """Results with their names."""
    described = {
        name: (asked.dims + output.dims, values[name], output.attrs)
        for name, output in asked.outputs.items()
    }
    data = asked.coordinates().assign(described)
    return data.assign(status=status_variable(asked.dims, status))
