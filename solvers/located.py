"""Transitions from a guess to the root, the lines through them, and where these change nature."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from itertools import pairwise
from typing import Any, NamedTuple

import jax
import numpy as np
from jax import Array

from .branches import Followed
from .continuation import LONGEST_STEP, Branch, insert, locate, passing, trace
from .failures import ConvergenceError
from .guesses import Candidate
from .labelled import SAME
from .newton import Point, flat, solve, solved
from .stability import growth_rate
from .steps import Row
from .tiles import map_tiles
from .transitions import BranchPoint, Transition, cubic_coefficient, quadratic_coefficient

VALUE, ALONG = -2, -1  # of the two controls, in the flat unknowns and parameter of a transition
AT_REST = 1e-5  # a line that turns in one control while the other changes by less has a cusp
MIRRORED = 1e-9  # a line that comes back to within this of itself is its mirror image
MARGINAL = 1e-6  # a larger growth rate is that of an unstable state
STRAIGHT = 1e-8
ZERO = 1e-9  # of the largest value on the line
SYMMETRIC = 1e-6  # a smaller quadratic coefficient is rounding
FEATURES = ("regular", "turns", "turns_along", "cusp", "tricritical", "included")


class Line(NamedTuple):
    """A located transition, and the line through it if there is a second control."""

    system: Transition
    followed: Followed
    kind: str
    states: list[str]
    bracket: tuple[float, float]
    branch: Branch

    def part(self, first: int, last: int) -> Line:
        """Points ``first`` up to ``last``, not included."""
        kept = {name: getattr(self.branch, name)[first:last] for name in Row._fields}
        return self._replace(branch=self.branch._replace(**kept))


def located(
    system: Transition, followed: Followed, states: list[str], near: Candidate, what: str
) -> Line:
    """The transition itself; Newton's method must not leave what encloses it."""
    low, high = sorted(near.bracket)
    place = f"the {what} of {followed.start!r} between {system.of} = {low:g} and {high:g}"
    guesses = flat(system.orders(near.unknown))[0]
    if not np.isfinite(guesses).all():
        raise ConvergenceError(f"{place} lies among points that are not certified; use more nodes")
    at = getattr(followed.control, system.along) if system.along else 0.0
    point, found = solve(system, Point(near.unknown, at), followed.control)
    orders = flat(system.orders(point.unknown))[0]
    away = np.max(np.abs(orders - guesses) / (1 + np.abs(guesses)))
    alone = trace(system, point, followed.control, {}, max_points=1)
    genuine = system.genuine(alone.points.unknown, 0).all()
    if not (solved(found) and away <= near.reach + SAME and genuine):
        raise ConvergenceError(
            f"{place} was not located; trace the branch with a smaller longest_step"
        )
    return Line(system, followed, system.kind, states, near.bracket, alone)


def follow(
    line: Line, bounds: dict[int, tuple[float, float]], longest_step: float = LONGEST_STEP
) -> Line:
    """The line through a located transition."""
    system, control = line.system, line.followed.control
    start = jax.tree.map(lambda x: x[0], line.branch.points)
    whole = line._replace(branch=trace(system, start, control, bounds, longest_step))
    return _up_to_mirrors(_genuine(whole))


def _genuine(line: Line) -> Line:
    """The part around the start where the transition is one."""
    system, branch = line.system, line.branch
    begun = int(np.argmin(np.abs(branch.arclength)))
    lost = np.flatnonzero(~system.genuine(branch.points.unknown, begun))
    before, after = lost[lost < begun], lost[lost > begun]
    kept = line.part(
        before[-1] + 1 if before.size else 0, after[0] if after.size else len(branch.z)
    )
    began = system.lost if before.size else branch.began
    ended = system.lost if after.size else branch.ended
    return kept._replace(branch=kept.branch._replace(began=began, ended=ended))


def _up_to_mirrors(line: Line) -> Line:
    """The part of a line around its start on which no state has become symmetric.

    There both controls turn back together, and the line goes on as its own mirror image. At a
    cusp they turn back too, but to another place.
    """
    branch, control = line.branch, line.followed.control
    turned = np.all(branch.tangent[:-1, VALUE:] * branch.tangent[1:, VALUE:] < 0, axis=1)
    first, last, why = 0, len(branch.z), [branch.began, branch.ended]
    for k in np.flatnonzero(turned).tolist():
        far = min(k + 2, last - 1)
        at, value = branch.z[far, ALONG], branch.z[far, VALUE]
        before = line.part(max(k - 10, 0), k + 1).branch
        images = passing(line.system, before, control, ALONG, at)
        if any(abs(row.z[VALUE] - value) < MIRRORED * (1 + abs(value)) for row in images):
            if branch.arclength[k] < 0:
                first, why[0] = k + 1, "mirrored"
            else:
                last, why[1] = k + 1, "mirrored"
                break
    part = line.part(first, last)
    return part._replace(branch=part.branch._replace(began=why[0], ended=why[1]))


def stable_parts(line: Line) -> list[Line]:
    """The stretches of a line on which its states are stable."""

    def growth(points: Point) -> np.ndarray:
        return np.max(growth_rates(line, points), axis=1) - MARGINAL

    parts = _split(line, _zeros(line, growth), "unstable")
    return [part for part in parts if np.median(growth(part.branch.points)) <= 0]


def distinct_parts(line: Line) -> list[Line]:
    """A continuous transition up to its tricritical points, and the spinodals that it becomes.

    Of a spinodal, the part up to its cusps: beyond, it is that of another state.
    """
    if isinstance(line.system, BranchPoint):
        parts = _split(line, _zeros(line, partial(cubic, line)), "tricritical")
        beyond = [np.median(np.nan_to_num(cubic(line, part.branch.points))) > 0 for part in parts]
        return [
            part._replace(kind="spinodal" if past else line.kind)
            for part, past in zip(parts, beyond, strict=True)
        ]
    cusps = [row for row, code in _turns(line) if FEATURES[code] == "cusp"]
    parts = _split(line, cusps, "cusp")
    return [part for part in parts if part.branch.arclength[0] <= 0 <= part.branch.arclength[-1]]


def _split(line: Line, at: list[Row], why: str) -> list[Line]:
    """Parts of a line between some of its points, which belong to both sides."""
    branch = insert(line.branch, at)
    cuts = np.flatnonzero(np.isin(branch.arclength, [row.arclength for row in at])).tolist()
    whole, last = line._replace(branch=branch), len(branch.z) - 1
    parts = []
    for begin, end in pairwise([0, *cuts, last]):
        part = whole.part(begin, end + 1)
        began, ended = branch.began if begin == 0 else why, branch.ended if end == last else why
        parts.append(part._replace(branch=part.branch._replace(began=began, ended=ended)))
    return parts


def _zeros(line: Line, excess: Callable[[Point], np.ndarray]) -> list[Row]:
    """Points of a line where a function of its points (arrays) changes sign."""

    def at(row: Row) -> float:
        return float(excess(line.branch.unravel(row.z[None]))[0])

    values = np.nan_to_num(excess(line.branch.points))
    values[np.abs(values) < ZERO * np.max(np.abs(values))] = 0  # located already: an end of a part
    changes = np.flatnonzero(values[:-1] * values[1:] < 0).tolist()
    control = line.followed.control
    found = [locate(line.system, line.branch, k, control, at) for k in changes]
    return [row for row in found if row is not None]


def cubic(line: Line, points: Point) -> np.ndarray:
    """Cubic coefficients of symmetric branch points, NaN where there is a quadratic one."""
    system, control = line.system, line.followed.control
    quadratic = map_tiles(partial(_coefficients, quadratic_coefficient, system, control), points)
    symmetric = np.abs(quadratic) < SYMMETRIC
    if not symmetric.any():  # the cubic one is slow to compile
        return np.full(symmetric.shape, np.nan)
    cubic = map_tiles(partial(_coefficients, cubic_coefficient, system, control), points)
    return np.where(symmetric, cubic, np.nan)


@partial(jax.jit, static_argnums=(0, 1))
def _coefficients(coefficient: Any, system: BranchPoint, control: Any, points: Point) -> Array:
    def one(point: Point) -> Array:
        unknown, parameter = point
        at = system.control(unknown.value, parameter, control)
        return coefficient(system.theory, unknown.order, unknown.soft, at)

    return jax.vmap(one)(points)


def _turns(line: Line) -> list[tuple[Row, int]]:
    """Where a line turns in one of its controls, and whether the other one is at rest there."""
    found = []
    for component, other in ((VALUE, ALONG), (ALONG, VALUE)):
        slope = line.branch.tangent[:, component]
        moves = np.abs(slope) > STRAIGHT  # a straight line does not turn by rounding
        turned = (slope[:-1] * slope[1:] < 0) & (moves[:-1] | moves[1:])
        for k in np.flatnonzero(turned).tolist():
            control = line.followed.control
            row = locate(line.system, line.branch, k, control, lambda r, c=component: r.tangent[c])
            if row is not None:
                turns = "turns" if component == VALUE else "turns_along"
                cusp = abs(row.tangent[other]) < AT_REST
                found.append((row, FEATURES.index("cusp" if cusp else turns)))
    # in a cusp both controls turn, in the same place
    return [
        (row, code)
        for k, (row, code) in enumerate(found)
        if all(abs(row.arclength - other.arclength) > AT_REST for other, _ in found[:k])
    ]


def features(line: Line, include: Iterable[float]) -> list[tuple[Row, int]]:
    """Further points of a line and their codes: where something happens, and what to include."""
    control = line.followed.control
    found = _turns(line)
    if isinstance(line.system, BranchPoint):
        tricritical = _zeros(line, partial(cubic, line))
        found += [(row, FEATURES.index("tricritical")) for row in tricritical]
    branch = insert(line.branch, [row for row, _ in found])
    rows = passing(line.system, branch, control, ALONG, [float(x) for x in include])
    return found + [(row, FEATURES.index("included")) for row in rows]


def sides(system: Transition, unknown: Any) -> list[tuple[Any, Any]]:
    """Theory and order parameters of each state."""
    theories = [system.theory, getattr(system, "other", None) or system.theory]
    return list(zip(theories, system.orders(unknown), strict=False))


def growth_rates(line: Line, points: Point) -> np.ndarray:
    """Array (points, states)."""
    system, control = line.system, line.followed.control
    rates = [
        map_tiles(
            partial(_growth_rate, theory, system.of, system.along, control),
            (order, points.unknown.value, points.parameter),
        )
        for theory, order in sides(system, points.unknown)
    ]
    return np.stack(rates, axis=1)


@partial(jax.jit, static_argnums=(0, 1, 2))
def _growth_rate(theory: Any, of: str, along: str | None, control: Any, lanes: Any) -> Array:
    def one(order: Any, value: Array, parameter: Array) -> Array:
        at = {of: value} | ({along: parameter} if along else {})
        return growth_rate(theory, order, control._replace(**at))

    return jax.vmap(one)(*lanes)
