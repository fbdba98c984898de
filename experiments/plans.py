"""What is asked of a sweep: a task, a grid, and replicas."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from math import inf
from typing import Any

import jax
import numpy as np
import xarray as xr

from thermolimit.leaves import Interval, Leaf
from thermolimit.simulations import Engines
from thermolimit.solvers.formulas import qualified_name
from thermolimit.solvers.grid import Grid, make_grid
from thermolimit.solvers.signature import signature

from .blocks import Blocks, cut
from .keys import point_keys
from .tasks import Lanes, Output, Task


@dataclass(frozen=True, eq=False)
class Plan:
    """A sweep before anything is computed.

    Parameters
    ----------
    task : Task
        What is computed at one point and replica.
    twin : callable
        The same, or a jitted program with the same results.
    grid : Grid
        The points.
    seed, replicas : int or None
        Without them it is a formula.
    """

    task: Task
    twin: Callable[..., Any]
    grid: Grid
    seed: int | None
    replicas: int | None

    @property
    def name(self) -> str:
        """Of the function."""
        return qualified_name(self.task.run)

    @property
    def dims(self) -> tuple[str, ...]:
        """Dimensions of the grid, and ``replica``."""
        return self.grid.dims if self.replicas is None else (*self.grid.dims, "replica")

    @property
    def shape(self) -> tuple[int, ...]:
        """Sizes of ``dims``."""
        return self.grid.shape if self.replicas is None else (*self.grid.shape, self.replicas)

    def blocks(self, lanes: float) -> Blocks:
        """Blocks of at most ``lanes`` points and replicas; arguments that fix shapes never vary."""
        fixing = {dim for name in self.task.face.fixed for dim in self.grid.coords[name].dims}
        return cut(self.shape, [dim in fixing for dim in self.dims], lanes)

    def lanes(self, part: tuple[slice, ...]) -> Lanes:
        """All lanes of a part of the grid, in its order."""
        points = self._numbers[part[: len(self.grid.dims)]].ravel()
        columns = {name: column[points] for name, column in self.grid.columns.items()}
        face = self.task.face
        fixed = {name: columns[name][0].item() for name in face.fixed}
        if self.replicas is None:
            return Lanes(fixed, (points,), {name: columns[name] for name in face.numbers})
        replicas = np.arange(self.replicas)[part[-1]]
        said = {name: column.tolist() for name, column in columns.items()}
        keys = point_keys(self.seed or 0, points.size, said)
        numbers = {name: np.repeat(columns[name], replicas.size) for name in face.numbers}
        draws = np.repeat(keys, replicas.size, axis=0), np.tile(replicas, points.size)
        return Lanes(fixed, draws, numbers)

    def place(self, part: tuple[slice, ...], lane: int) -> dict[str, Any]:
        """Coordinates of a lane of a part of the grid."""
        points = self._numbers[part[: len(self.grid.dims)]].ravel()
        replicas = 1 if self.replicas is None else part[-1].stop - part[-1].start
        point, replica = points[lane // replicas], lane % replicas
        coordinates = {name: column[point].item() for name, column in self.grid.columns.items()}
        return coordinates | (
            {} if self.replicas is None else {"replica": part[-1].start + replica}
        )

    @cached_property
    def _numbers(self) -> np.ndarray:
        """Of the points, in the shape of the grid."""
        return np.arange(self.grid.points).reshape(self.grid.shape)

    @cached_property
    def outputs(self) -> dict[str, Output]:
        """What is computed at every lane."""
        return self.task.outputs(self._one_of_each_shape(), self.twin)

    def _one_of_each_shape(self) -> Iterator[Lanes]:
        axes = [self.grid.columns[name] for name in self.task.face.fixed]
        seen = set()
        blocks = self.blocks(inf)
        for block in range(len(blocks)):
            part = blocks.slices(block)
            first = self._numbers[part[: len(self.grid.dims)]].flat[0]
            shape = tuple(axis[first].item() for axis in axes)
            if shape not in seen:
                seen.add(shape)
                yield self.lanes(tuple(slice(s.start, s.start + 1) for s in part))

    def coordinates(self) -> xr.Dataset:
        """A dataset with everything but the results."""
        random = self.task.face.random
        coords = {} if random is None else {"replica": ("replica", np.arange(self.replicas or 0))}
        about = {
            "simulation" if random else "formula": self.name,
            "device": jax.default_backend() if random == "key" else "cpu",
            "precision": str(self.task.bits),
        }
        seed = {} if random is None else {"seed": str(self.seed)}
        return self.grid.dataset({}, {}, coords=coords, attrs=about | seed)


def plan(
    simulate: Callable[..., Any] | Engines,
    axes: Mapping[str, Any],
    *,
    seed: int | None,
    replicas: int | None,
    engine: str | None,
    precision: int,
    tile: int,
) -> Plan:
    """Check everything that is asked; see ``sweep``."""
    if engine is not None and not isinstance(simulate, Engines):
        raise ValueError(f"engine = {engine!r}, but {qualified_name(simulate)} has only one")
    if precision not in (32, 64):
        raise ValueError(f"precision = {precision} is neither 32 nor 64")
    run = simulate.choose(engine) if isinstance(simulate, Engines) else simulate
    twin = simulate.jax if isinstance(simulate, Engines) else run
    face = signature(run)
    if face.random is None and not (seed is None and replicas is None):
        raise TypeError(f"{qualified_name(run)} takes neither key nor rng; it is a formula")
    if face.random is not None:
        if seed is None or replicas is None:
            raise TypeError(f"{qualified_name(run)} is a simulation: give seed and replicas")
        seed, replicas = _whole("seed", seed), _positive("replicas", replicas)
    grid = make_grid(face.complete(axes), face.arguments)
    task = Task(run, grid.whole, precision, _positive("tile", tile))
    return Plan(task, twin, grid, seed, replicas)


def _whole(name: str, value: int) -> int:
    return int(Leaf(name, integer=True).checked(value))


def _positive(name: str, value: int) -> int:
    return int(Leaf(name, interval=Interval(1, inf, closed=True), integer=True).checked(value))
