"""What a sweep computes: a simulation or a formula, at some lanes, tile by tile."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

from thermolimit.solvers.calls import called, over_lanes
from thermolimit.solvers.formulas import at_point
from thermolimit.solvers.precision import simulation_precision, theory_precision
from thermolimit.solvers.progress import Progress
from thermolimit.solvers.saddle import Status
from thermolimit.solvers.signature import Signature, signature

from .chunks import missing
from .keys import generator, key
from .long_runs import LongRun


class Lanes(NamedTuple):
    """Points and replicas; the arguments that fix shapes are the same for all."""

    fixed: dict[str, Any]
    draws: tuple[np.ndarray, ...]  # keys of the points (lanes, 2), replicas; of a formula, numbers
    numbers: dict[str, np.ndarray]

    def part(self, chosen: Any) -> Lanes:
        """Some of them."""
        draws = tuple(column[chosen] for column in self.draws)
        return Lanes(self.fixed, draws, {n: column[chosen] for n, column in self.numbers.items()})

    def first(self) -> Any:
        """(draw, numbers) of the first."""
        return tuple(x[0] for x in self.draws), {n: column[0] for n, column in self.numbers.items()}

    def __len__(self) -> int:
        return len(self.draws[0])


class Output(NamedTuple):
    """One array that a task returns for every lane."""

    dims: tuple[str, ...]
    shape: tuple[int, ...]  # the largest, if it depends on an argument that fixes shapes
    dtype: np.dtype
    attrs: dict[str, str]
    shapes: frozenset[tuple[int, ...]] = frozenset([()])  # all of them


class Computed(NamedTuple):
    """Results over lanes, and what went wrong: (first lane, number of lanes, message)."""

    values: dict[str, np.ndarray]
    status: np.ndarray
    errors: list[tuple[int, int, str]]


@dataclass(frozen=True, eq=False)
class Task:
    """A function with everything that belongs to all of its lanes.

    Parameters
    ----------
    run : callable
        A simulation, which takes ``key`` or ``rng``, or a formula.
    whole : mapping
        Arguments with dimensions of their own.
    precision : int
        32 or 64 bits of a jitted simulation.
    tile : int
        Lanes of a batch.
    """

    run: Callable[..., Any]
    whole: Mapping[str, np.ndarray]
    precision: int
    tile: int

    @cached_property
    def face(self) -> Signature:
        """How it is called."""
        return signature(self.run)

    @property
    def bits(self) -> int:
        """Those of a formula are 64; a function that is not jitted decides itself."""
        return self.precision if self.face.random == "key" else 64

    def settings(self) -> AbstractContextManager[None]:
        """Precision and device, to be entered wherever it runs."""
        return simulation_precision(self.precision) if self.face.random else theory_precision()

    def outputs(self, shapes: Iterable[Lanes], twin: Callable[..., Any]) -> dict[str, Output]:
        """What it returns, from one lane of each shape.

        ``twin`` is a jitted program with the same results, if there is one: it tells their shapes
        without being run.
        """
        with self.settings():
            found = [self._shapes(lanes.part(slice(1)), twin) for lanes in shapes]
        outputs = {}
        for name, described in self.face.results.items():
            each = [leaves[name] for leaves in found]
            ranks = {len(leaf.shape) for leaf in each}
            if ranks != {len(described.dims)}:
                raise TypeError(
                    f"{name} has {max(ranks)} dimensions, and is declared to have "
                    f"{len(described.dims)}: ({', '.join(described.dims)})"
                )
            sizes = frozenset(leaf.shape for leaf in each)
            shape = tuple(max(along) for along in zip(*sizes, strict=True))
            dtype = np.result_type(*(leaf.dtype for leaf in each))
            if dtype == np.float32 and self.bits == 64:
                raise TypeError(f"{name} is float32, and the sweep has 64 bits")
            outputs[name] = Output(described.dims, shape, dtype, described.attrs, sizes)
        return outputs

    def _shapes(self, lane: Lanes, twin: Callable[..., Any]) -> dict[str, Any]:
        """Result name -> its shape and type, without the dimension of the lanes."""
        if hasattr(twin, "lower"):
            call = partial(_once(signature(twin).random), twin, lane.fixed, self.whole)
            with suppress(NotImplementedError):  # a twin need not do everything
                found = jax.eval_shape(call, lane.first())._asdict()
                same = twin is self.run
                return found if same else {name: _float64(leaf) for name, leaf in found.items()}
        if not any(leaf.dims for leaf in self.face.results.values()):
            return {name: np.zeros(()) for name in self.face.results}
        return {name: values[0] for name, values in self._call(lane, None).items()}

    def _call(
        self, lanes: Lanes, progress: Progress | None, checkpoints: Path | None = None
    ) -> dict[str, np.ndarray]:
        """Results of a tile; a function that is not jitted has tiles of one lane."""
        plain = inspect.unwrap(self.run)
        if hasattr(plain, "pieces"):
            long_run = LongRun(plain.pieces, self.whole, lanes.fixed, self.tile)
            found = long_run(lanes.draws, lanes.numbers, checkpoints)
        elif self.face.jitted:
            batch = over_lanes(
                _once(self.face.random), self.run, lanes.fixed, self.whole, self.tile
            )
            found = batch((lanes.draws, lanes.numbers), None)._asdict()
        else:
            lane = lanes.first()
            results = _once(self.face.random)(self.run, lanes.fixed, self.whole, lane)
            if not hasattr(results, "_asdict"):
                names = ", ".join(self.face.results)
                raise TypeError(f"it returned {type(results).__name__}, and no tuple of {names}")
            found = {name: _float64(np.asarray(x)[None]) for name, x in results._asdict().items()}
        if progress is not None:
            progress.advance(len(lanes))
        return found

    def nothing(self, outputs: Mapping[str, Output], count: int, said: str) -> Computed:
        """What stands for lanes that failed."""
        values = {
            name: np.full((count, *output.shape), missing(output.dtype), output.dtype)
            for name, output in outputs.items()
        }
        return Computed(values, np.full(count, Status.ERROR, np.int8), [(0, count, said)])

    def compute(
        self,
        outputs: Mapping[str, Output],
        lanes: Lanes,
        progress: Progress | None = None,
        tolerant: bool = False,
        checkpoints: Path | None = None,
    ) -> Computed:
        """Run all lanes; where ``tolerant``, an exception costs its own tile only.

        Long recorded runs keep their state in the folder ``checkpoints``, and continue from there.
        """
        count = len(lanes)
        values, status, _ = self.nothing(outputs, count, "")
        errors, inside = [], {}
        width = self.tile if self.face.jitted else 1
        with self.settings():
            for first in range(0, count, width):
                part = slice(first, min(first + width, count))
                try:
                    found = self._call(lanes.part(part), progress, checkpoints)
                    _check(found, outputs)
                except Exception as error:
                    if not tolerant:
                        raise
                    errors.append((first, part.stop - first, _message(error, self.tile)))
                    continue
                status[part] = Status.OK
                for name, leaf in found.items():
                    inside[name] = tuple(map(slice, leaf.shape[1:]))  # of the largest shape
                    values[name][(part, *inside[name])] = leaf
        if inside:
            own = {name: leaf[(slice(None), *inside[name])] for name, leaf in values.items()}
            status = np.where(status == Status.OK, _judge(own), status)
        return Computed(values, status.astype(np.int8), errors)


def _float64(leaf: Any) -> Any:
    """At least float64: what is not jitted may return 0 here and 0.5 there."""
    if leaf.dtype == np.float64:
        return leaf
    dtype = np.result_type(leaf.dtype, np.float64)
    if isinstance(leaf, jax.ShapeDtypeStruct):
        return jax.ShapeDtypeStruct(leaf.shape, dtype)
    return leaf.astype(dtype)


def _check(found: Mapping[str, np.ndarray], outputs: Mapping[str, Output]) -> None:
    for name, output in outputs.items():
        got = found[name]
        if got.shape[1:] not in output.shapes or got.dtype != output.dtype:
            raise TypeError(
                f"{name} is {got.dtype} of shape {got.shape[1:]}, "
                f"and was declared {output.dtype} of shape {output.shape}"
            )


def _judge(found: Mapping[str, np.ndarray]) -> np.ndarray:
    """Status of every lane; a result named ``converged`` has a say in it."""
    lanes = len(next(iter(found.values())))
    finite = [np.isfinite(leaf.reshape(lanes, -1)).all(axis=1) for leaf in found.values()]
    status = np.where(np.all(finite, axis=0), Status.OK, Status.NOT_FINITE)
    if "converged" in found:
        status[(status == Status.OK) & ~found["converged"].astype(bool)] = Status.NOT_CONVERGED
    return status


def _message(error: Exception, tile: int) -> str:
    said = f"{type(error).__name__}: {error}"
    if "RESOURCE_EXHAUSTED" in said or isinstance(error, MemoryError):
        said += f" (a smaller tile than {tile}, in a new store, needs less memory)"
    return said


def _once(random: str | None) -> Callable[..., Any]:
    return {"key": _with_key, "rng": _with_rng, None: at_point}[random]


def _with_key(run: Callable[..., Any], fixed: dict[str, Any], whole: Any, lane: Any) -> Any:
    draw, numbers = lane
    return run(key(*draw), **numbers, **whole, **fixed)


def _with_rng(run: Callable[..., Any], fixed: dict[str, Any], whole: Any, lane: Any) -> Any:
    draw, numbers = lane
    return called(run, generator(*draw), **numbers, **whole, **fixed)
