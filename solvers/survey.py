"""The transition lines that a grid of states asks for.

Between two neighbouring points of the grid a state may vanish, lose stability, change places with
another one in free energy, or lose its replica symmetry. Every such edge must be explained by a
line that passes there: as long as one is not, the state is followed across the edge and what is
found becomes a line. What remains is named.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import combinations
from typing import Any, NamedTuple

import jax
import numpy as np
import xarray as xr
from jax.flatten_util import ravel_pytree

from thermolimit.leaves import leaves

from .branches import Followed, follow_state, read
from .failures import ConvergenceError
from .grid import make_grid
from .guesses import Candidate, branch_points, equal_free_energies, folds, zeros
from .labelled import solve_lanes
from .lanes import Lanes, flatten
from .located import ALONG, VALUE, Line, distinct_parts, follow, located, stable_parts
from .polylines import distance
from .saddle import Status
from .transitions import BranchPoint, Coexistence, Fold, Transition, Zero

NEAR = 1.0  # in cells of the grid: a line that passes an edge at this distance explains it
SAME_LINE = 0.3  # in cells: a transition this near to a line lies on it
SAME_STATE = 0.1  # in units of 1 + |order|, from one cell to the next
RETURNED = 1e-4  # in units of 1 + |order|: brought back to the same state
MIRRORED = "mirrored"  # a continuous transition seen from a state that breaks the symmetry
PATIENCE = 5  # edges of one kind that are tried in vain before the others are given up


class Edge(NamedTuple):
    """Two neighbours on the grid, as indices (x, y); ``inside`` is where the state is stable."""

    inside: tuple[int, int]
    outside: tuple[int, int]


class Question(NamedTuple):
    """What happens at some edges, and the lines that would answer."""

    states: list[str]
    kinds: tuple[str, ...]
    what: str
    edges: list[Edge]


@dataclass
class Survey:
    """Lines found so far in the plane of two controls, and sentences about what was not found."""

    theory: Any
    data: xr.Dataset  # states over x, y and start, with ``state`` and ``stable``
    x: str
    y: str
    lines: list[Line] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)

    def run(self) -> None:
        """Explain all edges; to be called in ``theory_precision``."""
        questions = list(self._questions())
        # a symmetric state is asked before those that break the symmetry, if it is a start
        for question in questions:
            self._explain(question._replace(kinds=tuple(set(question.kinds) - {MIRRORED})))
        for question in questions:
            reason = self._explain(question)
            left = self._unexplained(question)
            if left:
                self.missing.append(
                    f"{question.what}: no line at {len(left)} edges of the grid, the first near "
                    f"{self._place(left[0])} ({reason})"
                )

    def _questions(self) -> Iterator[Question]:
        starts = [str(name) for name in self.data["start"].values]
        own = {name: self._owned(name) for name in starts}
        ends, equal = ("spinodal", "continuous", MIRRORED), ("coexistence",)
        for name in starts:
            edges = self._irreversible(name, list(_edges(own[name])))
            yield Question([name], ends, f"the end of {name!r}", edges)
            if "replicon" in self.data:
                edges = list(_edges(self._grid("replicon", name) > 0, own[name]))
                yield Question([name], ("replicon",), f"the replicon of {name!r}", edges)
        for a, b in combinations(starts, 2) if "free_energy" in self.data else ():
            lower = self._grid("free_energy", a) < self._grid("free_energy", b)
            edges = list(_edges(lower, own[a] & own[b]))
            yield Question([a, b], equal, f"coexistence of {a!r} and {b!r}", edges)

    def _grid(self, variable: str, name: str) -> np.ndarray:
        return self.data[variable].sel(start=name).transpose(self.x, self.y).values

    def _owned(self, name: str) -> np.ndarray:
        """Where the start finds its own state, and it is stable."""
        return (self._grid("state", name) == name) & self._grid("stable", name)

    def _explain(self, question: Question) -> str:
        """Find lines until each edge has one nearby, or nothing more is found; returns why not."""
        failures: list[str] = []
        tried: set[Edge] = set()
        while len(failures) < PATIENCE:
            edges = [edge for edge in self._unexplained(question) if edge not in tried]
            if not edges:
                break
            edge = edges[len(edges) // 2]
            tried.add(edge)
            try:
                self._cross(edge, question)
            except ConvergenceError as error:
                failures.append(str(error))
            else:
                if not self._explained(edge, question):
                    failures.append(f"nothing found across {self._place(edge)}")
        return failures[0] if failures else ""

    def _unexplained(self, question: Question) -> list[Edge]:
        return [edge for edge in question.edges if not self._explained(edge, question)]

    def _explained(self, edge: Edge, question: Question) -> bool:
        """Whether a line of these states passes, or of any that meet in a continuous transition."""
        middle = (np.array(edge.inside) + np.array(edge.outside)) / 2
        return any(
            line.kind in question.kinds
            and (line.states == question.states or line.kind == "continuous")
            and distance(middle, self.in_cells(line)) < NEAR
            for line in self.lines
        )

    def in_cells(self, line: Line) -> np.ndarray:
        """Array (points, 2): where the line is on the grid, in units of its cells."""
        values = {line.system.of: VALUE, line.system.along: ALONG}
        return np.stack(
            [self._cells(name, line.branch.z[:, values[name]]) for name in (self.x, self.y)], axis=1
        )

    def _cells(self, name: str, values: Any) -> np.ndarray:
        axis = self.data[name].values
        return np.interp(values, axis, np.arange(axis.size))

    def _cross(self, edge: Edge, question: Question) -> None:
        """Follow the states of an edge across it, and turn what happens there into lines."""
        of, along = (self.y, self.x) if edge.inside[0] == edge.outside[0] else (self.x, self.y)
        followed = [self._follow(edge.inside, name, of) for name in question.states]
        for system, candidates in self._candidates(followed, of, along, question.kinds):
            for near in _nearest(candidates):
                if not self._known(system, near, followed[0], question.states):
                    line = located(system, followed[0], question.states, near, system.kind)
                    bounds = {VALUE: self._span(of), ALONG: self._span(along)}
                    for part in stable_parts(follow(line, bounds)):
                        self.lines += distinct_parts(part)

    def _candidates(
        self, followed: list[Followed], of: str, along: str, kinds: tuple[str, ...]
    ) -> Iterator[tuple[Any, list[Candidate]]]:
        if "spinodal" in kinds:
            fold, crossing = Fold(self.theory, of, along), BranchPoint(self.theory, of, along)
            yield fold, folds(fold, followed[0])
            yield crossing, branch_points(crossing, followed[0], MIRRORED in kinds)
        if "replicon" in kinds:
            zero = Zero(self.theory, of, along, "replicon")
            yield zero, zeros(zero, followed[0])
        if "coexistence" in kinds:
            both = Coexistence(self.theory, of, along)
            yield both, equal_free_energies(both, followed[0], followed[1])

    def _known(
        self, system: Transition, near: Candidate, followed: Followed, states: list[str]
    ) -> bool:
        """Whether a transition lies on a line that has been found already."""
        along: Any = system.along
        at = {system.of: near.unknown.value, along: getattr(followed.control, along)}
        here = np.array([self._cells(name, at[name]) for name in (self.x, self.y)])
        order = _flat(system.orders(near.unknown))
        for line in self.lines:
            if type(line.system) is not type(system) or line.states != states:
                continue
            places = self.in_cells(line)
            if distance(here, places) < SAME_LINE:
                k = int(np.argmin(np.linalg.norm(places - here, axis=1)))
                unknown = jax.tree.map(lambda x, k=k: x[k], line.branch.points.unknown)
                there = _flat(line.system.orders(unknown))
                if np.max(np.abs(there - order) / (1 + np.abs(order))) < SAME_STATE:
                    return True
        return False

    def _irreversible(self, name: str, edges: list[Edge]) -> list[Edge]:
        """Edges across which the state cannot be taken and brought back.

        Where one can, it only bears another name on the other side.
        """
        if not edges:
            return []
        inside, outside = (np.array([edge[side] for edge in edges]) for side in (0, 1))
        begun, there = self._states(name, inside), self._states(name, outside)
        taken = self._solve(begun.orders, there.numbers, name)
        back = self._solve(flatten(self.theory, taken)[0], begun.numbers, name)
        orders, returned = (_rows(order) for order in (begun.orders, flatten(self.theory, back)[0]))
        away = np.max(np.abs(orders - returned) / (1 + np.abs(orders)), axis=1)
        kept = (taken["status"] == Status.OK) & (taken["growth_rate"] < 0)
        same = (away < RETURNED) & kept.values
        return [edge for edge, reversible in zip(edges, same, strict=True) if not reversible]

    def _states(self, name: str, points: np.ndarray) -> _States:
        """What a start has found at points of the grid, given as indices (x, y)."""
        x, y = (xr.DataArray(column, dims="edge") for column in points.T)
        return _States(
            *flatten(self.theory, self.data.sel(start=name).isel({self.x: x, self.y: y}))
        )

    def _solve(self, orders: Any, numbers: dict[str, np.ndarray], name: str) -> xr.Dataset:
        """States from these orders at these controls."""
        whole = {n: self.data[n] for n in self.theory.Control._fields if n not in numbers}
        lines = {n: xr.DataArray(values, dims="edge") for n, values in numbers.items()}
        grid = make_grid(lines | whole, leaves(self.theory.Control))
        lanes = Lanes(grid, [name], True, orders, grid.columns)
        return solve_lanes(self.theory, lanes, "keep")

    def _follow(self, point: tuple[int, int], name: str, parameter: str) -> Followed:
        found = self._states(name, np.array([point]))
        numbers = {n: values[0] for n, values in found.numbers.items()}
        control = self.theory.Control(**numbers, **found.whole)
        order = jax.tree.map(lambda x: x[0], found.orders)
        span = self._span(parameter)
        return read(self.theory, follow_state(self.theory, parameter, name, order, control, span))

    def _span(self, name: str) -> tuple[float, float]:
        axis = self.data[name].values
        return float(axis.min()), float(axis.max())

    def _place(self, edge: Edge) -> str:
        values = [
            self.data[n].values[i] for n, i in zip((self.x, self.y), edge.inside, strict=True)
        ]
        return f"{self.x} = {values[0]:g}, {self.y} = {values[1]:g}"


class _States(NamedTuple):
    orders: Any
    numbers: dict[str, np.ndarray]
    whole: dict[str, np.ndarray]


def _edges(flag: np.ndarray, where: np.ndarray | None = None) -> Iterator[Edge]:
    """Neighbours on the grid with different flags, and both in ``where``."""
    where = np.ones_like(flag) if where is None else where
    for step in ((1, 0), (0, 1)):
        here = tuple(slice(0, size - d) for size, d in zip(flag.shape, step, strict=True))
        there = tuple(slice(d, None) for d in step)
        for i, j in np.argwhere((flag[here] != flag[there]) & where[here] & where[there]):
            ends = (int(i), int(j)), (int(i + step[0]), int(j + step[1]))
            yield Edge(*ends) if flag[ends[0]] else Edge(*ends[::-1])


def _nearest(candidates: list[Candidate]) -> list[Candidate]:
    """Those next to the start on either side."""
    ordered = sorted(candidates, key=lambda candidate: candidate.arclength)
    before = [candidate for candidate in ordered if candidate.arclength < 0]
    return before[-1:] + ordered[len(before) : len(before) + 1]


def _flat(orders: Any) -> np.ndarray:
    return np.asarray(ravel_pytree(orders)[0])


def _rows(orders: Any) -> np.ndarray:
    """Array (points, unknowns)."""
    return np.concatenate([np.reshape(x, (len(x), -1)) for x in jax.tree.leaves(orders)], axis=1)
