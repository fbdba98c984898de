"""From a theory, its controls and its starts to flat lanes of numbers, and back to named axes."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from functools import partial
from typing import Any, NamedTuple

import jax
import numpy as np
import xarray as xr

from thermolimit.leaves import Leaf, check_names, leaves, unknown_name

from .failures import OnFailure, settle, status_variable
from .grid import Grid, make_grid
from .mean_field import Order, Theory
from .tiles import map_tiles


class Lanes(NamedTuple):
    """One lane per point and start, the starts of one point side by side."""

    grid: Grid
    starts: list[str]
    single: bool  # one start, given by name: a scalar coordinate, not a dimension
    orders: Order  # where each lane begins: arrays (points * starts, ...)
    numbers: dict[str, np.ndarray]  # control parameters of each lane

    @property
    def count(self) -> int:
        """Number of lanes."""
        return self.grid.points * len(self.starts)


def expect(theory: Any, kind: type[Theory]) -> None:
    """Raise TypeError unless ``theory`` is a frozen dataclass of this kind."""
    if isinstance(theory, type):
        raise TypeError(f"{theory.__name__} is a class; pass an instance, {theory.__name__}()")
    name = type(theory).__name__
    if not isinstance(theory, kind):
        raise TypeError(f"{name} is no {kind.__name__} theory")
    if not dataclasses.is_dataclass(theory) or type(theory).__hash__ is None:
        raise TypeError(f"{name} must be a dataclass with frozen=True")


def flatten(theory: Theory, data: xr.Dataset) -> tuple[Order, dict[str, Any], dict[str, Any]]:
    """Orders, numbers and whole controls of the states in a labelled dataset; undoes ``fold``."""
    dims = data["status"].dims

    def flat(name: str, own: tuple[str, ...]) -> np.ndarray:
        sizes = {dim: data.sizes[dim] for dim in (*dims, *own)}
        values = data.variables[name].set_dims(sizes).values
        return values.reshape(-1, *values.shape[len(dims) :])

    described = leaves(theory.Control)
    numbers = {name: flat(name, ()) for name, leaf in described.items() if not leaf.dims}
    whole = {name: data[name].values for name, leaf in described.items() if leaf.dims}
    orders = {name: flat(name, leaf.dims) for name, leaf in leaves(theory.Order).items()}
    return theory.Order(**orders), numbers, whole


def lay_out(
    theory: Theory, start: str | Iterable[str] | None, controls: Mapping[str, Any]
) -> Lanes:
    """Check names and values, broadcast the axes and evaluate the starts.

    To be called in ``theory_precision``.
    """
    known, defaults = theory.Control._fields, theory.Control._field_defaults  # type: ignore
    check_names("control parameter", controls, known, [n for n in known if n not in defaults])
    unset = {name: value for name, value in defaults.items() if name not in controls}
    grid = make_grid({**controls, **unset}, leaves(theory.Control))
    theory.check({**grid.columns, **grid.whole})
    names = [start] if isinstance(start, str) else list(theory.starts if start is None else start)
    for name in names:
        if name not in theory.starts:
            raise ValueError(unknown_name("start", name, list(theory.starts)))
    if not names or len(set(names)) < len(names):
        raise ValueError(f"start = {names} names no start, or one twice")
    per_start = [_begin(theory, name, grid) for name in names]
    return Lanes(
        grid,
        names,
        isinstance(start, str),
        jax.tree.map(lambda *values: _interleave(values), *per_start),
        {name: np.repeat(column, len(names)) for name, column in grid.columns.items()},
    )


def fold(
    theory: Theory,
    lanes: Lanes,
    values: Mapping[str, np.ndarray],
    described: Mapping[str, Leaf],
    on_failure: OnFailure,
) -> xr.Dataset:
    """Give the results of all lanes their dimensions, coordinates and provenance."""
    starts, single = lanes.starts, lanes.single
    inner = () if single else ("start",)
    folded = {
        name: value if single else value.reshape(-1, len(starts), *value.shape[1:])
        for name, value in values.items()
    }
    structure = {
        field.name: getattr(theory, field.name)
        for field in dataclasses.fields(theory)  # type: ignore[arg-type]
        if isinstance(getattr(theory, field.name), (int, float, str))
    }
    coords = structure | {"start": starts[0] if single else ("start", np.array(starts))}
    status = folded.pop("status")
    data = lanes.grid.dataset(folded, described, inner, coords, {"theory": repr(theory)})
    dims = lanes.grid.dims + inner
    shape = lanes.grid.shape + (() if single else (len(starts),))
    data = data.assign(status=status_variable(dims, status.reshape(shape)))
    return settle(data, on_failure)


def _begin(theory: Theory, name: str, grid: Grid) -> Order:
    """One start at all points: arrays (points, ...)."""
    start = theory.starts[name]
    if callable(start):
        return map_tiles(partial(_begin_tile, theory, name, grid.whole), grid.columns)
    return jax.tree.map(
        lambda value: np.broadcast_to(np.asarray(value, float), (grid.points, *np.shape(value))),
        start,
    )


@partial(jax.jit, static_argnums=(0, 1))
def _begin_tile(theory: Theory, name: str, whole: Any, numbers: Any) -> Order:
    start: Any = theory.starts[name]
    return jax.vmap(lambda point: start(theory.Control(**point, **whole)))(numbers)


def _interleave(values: tuple[np.ndarray, ...]) -> np.ndarray:
    stacked = np.stack(values, axis=1)
    return stacked.reshape(-1, *stacked.shape[2:])
