"""Branches of solutions, followed by pseudo-arclength continuation (H. B. Keller 1977).

One step is jitted; the loop is Python, so that it can stop, shorten its step and say why it ended.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import brentq

from .newton import (
    ROUGH,
    ROUNDING,
    Corrected,
    Point,
    Residual,
    Unravel,
    flat,
    newton_of,
    solved,
    unit,
)
from .steps import SHARPEST_BEND, Box, Row, angle, between, row_of, step_from

LONGEST_STEP = 0.04  # in the metric: of the span of a bounded number, of 1 + |x| of another one
SHORTEST_STEP = 1e-8
FIRST_STEP = 0.005
BEND = 0.1  # aimed angle between successive tangents, rad
NEARBY = 0.02  # of the step: a point found further from where it is expected is another one
MAX_POINTS = 2000


class Branch(NamedTuple):
    """Solutions in the order in which they lie on the branch."""

    z: np.ndarray  # (points, unknowns + 1), the parameter last
    tangent: np.ndarray  # of unit length in the metric
    orientation: np.ndarray  # sign of the determinant of d residual / d unknown
    arclength: np.ndarray  # in the metric, 0 at the start
    residual: np.ndarray
    began: str  # why there is nothing before
    ended: str  # why there is nothing after
    unravel: Unravel

    @property
    def points(self) -> Point:
        """Unknowns and parameter, with a leading dimension."""
        return self.unravel(self.z)

    def at(self, points: Any) -> Row:
        """One point, or some of them side by side."""
        columns = (self.z, self.tangent, self.orientation, self.arclength, self.residual)
        return Row._make(column[points] for column in columns)

    @property
    def rows(self) -> list[Row]:
        """The points one by one."""
        return [self.at(point) for point in range(len(self.z))]

    @property
    def direction(self) -> np.ndarray:
        """Component of the tangent along the parameter: it changes sign at a fold."""
        return self.tangent[:, -1]


def trace(
    residual: Residual,
    start: Point,
    args: Any,
    bounds: Mapping[int, tuple[float, float]],
    longest_step: float = LONGEST_STEP,
    max_points: int = MAX_POINTS,
) -> Branch:
    """Follow the branch through ``start`` both ways until it can be followed no further.

    Parameters
    ----------
    residual : callable
        See the module; static.
    start : Point
        Near a solution; one point of the branch has its parameter.
    args : pytree
        Passed on to ``residual``.
    bounds : mapping of int to tuple of float
        Component (of unknown and parameter, flat; -1 is the parameter) -> lower and upper end.
    longest_step : float
        In the metric: of the span of a bounded component, of 1 + |x| of another one.
    max_points : int
        In either direction.

    Returns
    -------
    Branch
        From where the parameter decreases to where it grows, as seen from the start. ``began`` and
        ``ended`` say why there is no more: ``bounds`` (the last point lies on them), ``closed``
        (back at the start), ``domain`` (the residual is NaN beyond), ``max_points``,
        ``step_underflow`` (only steps that would jump are left), ``no_first_step`` (no solution
        near ``start``, or a fold just there).
    """
    z, unravel = flat(start)
    box = Box.within(z.size, bounds)
    newton = newton_of(residual, unravel, args)
    first = newton(z, unit(z.size, -1))
    rows = [row_of(first, 0.0, box)]
    if not solved(first) or not np.isfinite(rows[0].tangent).all():
        return _branch(rows, "no_first_step", "no_first_step", unravel)
    ended = _follow(newton, box, rows, longest_step, max_points)
    if ended == "closed":
        return _branch(_around_the_start(rows), ended, ended, unravel)
    back = [_turned(rows[0])]
    began = _follow(newton, box, back, longest_step, max_points)
    return _branch([_turned(row) for row in reversed(back[1:])] + rows, began, ended, unravel)


def _turned(row: Row) -> Row:
    return row._replace(tangent=-row.tangent, arclength=-row.arclength)


def _branch(rows: list[Row], began: str, ended: str, unravel: Any) -> Branch:
    return Branch(*_side_by_side(rows), began, ended, unravel)  # type: ignore[call-arg]


def _side_by_side(rows: list[Row]) -> Row:
    return Row._make(map(np.array, zip(*rows, strict=True)))


def _around_the_start(rows: list[Row]) -> list[Row]:
    """A closed branch from its far side through the start to its far side."""
    total = rows[-1].arclength
    far = next(k for k, row in enumerate(rows) if row.arclength > total / 2)
    before = [row._replace(arclength=row.arclength - total) for row in rows[far:-1]]
    return before + rows[: far + 1]


def _follow(newton: Any, box: Box, rows: list[Row], longest_step: float, max_points: int) -> str:
    """Append points to ``rows`` until the branch ends; returns why."""
    length = min(FIRST_STEP, longest_step)
    while len(rows) < max_points:
        here = rows[-1]
        there, bend, refused = step_from(newton, box, here, length)
        if refused:
            length /= 2
            if length < SHORTEST_STEP:
                return "no_first_step" if refused != "domain" and len(rows) == 1 else refused
            continue
        if (there.z < box.lower).any() or (there.z > box.upper).any():
            if length > SHORTEST_STEP:
                last = _on_the_bounds(newton, box, here, there)
                if last is None:
                    length /= 2
                    continue
                rows.extend([last] if (last.z != here.z).any() else [])
            return "bounds"
        if _closes(newton, box, rows[0], here, there):
            step = np.linalg.norm(box.metric(here.z) * (rows[0].z - here.z))
            rows.append(rows[0]._replace(arclength=here.arclength + step))
            return "closed"
        rows.append(there)
        length = min(longest_step, length * min(max(BEND / max(bend, 1e-9), 0.5), 2.0))
    return "max_points"


def _closes(newton: Any, box: Box, start: Row, here: Row, there: Row) -> bool:
    """Whether the step passes through the start, in the same direction."""
    metric = box.metric(start.z)
    row = metric**2 * start.tangent
    behind, beyond = row @ (here.z - start.z), row @ (there.z - start.z)
    if not behind < 0 <= beyond or angle(start.tangent, there.tangent, metric) > SHARPEST_BEND:
        return False
    # in the plane through the start and across it: there may be another sheet next to it
    crossing = newton(here.z + behind / (behind - beyond) * (there.z - here.z), row)
    return solved(crossing) and bool(np.max(np.abs(crossing.z - start.z) * metric) < ROUGH)


def _on_the_bounds(newton: Any, box: Box, inside: Row, outside: Row) -> Row | None:
    """Where the branch first meets a bound between two of its points; None if it is not found."""
    crossed = np.flatnonzero((outside.z < box.lower) | (outside.z > box.upper))
    ends = np.clip(outside.z, box.lower, box.upper)[crossed]
    fractions = (ends - inside.z[crossed]) / (outside.z - inside.z)[crossed]
    first = int(np.argmin(fractions))
    if fractions[first] < SHORTEST_STEP:
        return inside
    before, after = _side_by_side([inside]), _side_by_side([outside])
    (last,) = _passing(newton, box, before, after, int(crossed[first]), ends[[first]])
    return last


def _passing(
    newton: Any, box: Box, before: Row, after: Row, component: int, values: np.ndarray
) -> list[Row | None]:
    """Where a component has these values, each between two neighbours (rows of arrays).

    None where that leads elsewhere.
    """
    cubic = between(before, after)
    excess = cubic[..., component] - [values, *np.zeros((3, len(values)))]
    fraction = np.array([_root(lane) for lane in excess.T.tolist()])
    guess = _polynomial(cubic, fraction[:, None])
    guess[:, component] = values
    found = newton(guess, np.broadcast_to(unit(guess.shape[1], component), guess.shape))
    scale = 1 + np.abs(guess)
    step, astray = (
        np.max(np.abs(x) / scale, axis=1) for x in (after.z - before.z, found.z - guess)
    )
    beyond = np.maximum(1.0, np.abs(2 * fraction - 1)) ** 3  # a cubic is a worse guess outside
    near = solved(found) & (astray <= NEARBY * beyond * step)
    found.z[:, component] = values  # Newton's last step may have moved it by rounding
    arclength = before.arclength + fraction * (after.arclength - before.arclength)

    def row(lane: int) -> Row:
        reached = row_of(Corrected._make(x[lane] for x in found), arclength[lane], box)
        ahead = np.dot(reached.tangent, after.tangent[lane]) > 0
        return reached if ahead else reached._replace(tangent=-reached.tangent)

    return [row(lane) if near[lane] else None for lane in range(len(values))]


def _root(cubic: list[float]) -> float:
    """Where the polynomial vanishes between 0 and 1; if it does not, where its chord does."""
    ahead, behind = _polynomial(cubic, 0.0), _polynomial(cubic, 1.0)
    if ahead * behind < 0:
        return brentq(partial(_polynomial, cubic), 0.0, 1.0)  # type: ignore
    return ahead / (ahead - behind)


def _polynomial(cubic: Any, x: Any) -> Any:
    a, b, c, d = cubic
    return a + x * (b + x * (c + x * d))


def passing(
    residual: Residual, branch: Branch, args: Any, component: int, values: ArrayLike
) -> list[Row]:
    """All points of a branch where a component of (unknown, parameter) has one of these values."""
    values = np.ravel(values)
    excess = branch.z[:, component] - values[:, None]
    lanes, pieces = np.nonzero(excess[:, :-1] * excess[:, 1:] < 0)
    if not pieces.size:
        return []
    newton = newton_of(residual, branch.unravel, args)
    box = Box.within(branch.z.shape[1], {})
    before, after = branch.at(pieces), branch.at(pieces + 1)
    found = _passing(newton, box, before, after, component, values[lanes])
    return [row for row in found if row is not None]


def locate(
    residual: Residual, branch: Branch, index: int, args: Any, event: Callable[[Row], float]
) -> Row | None:
    """The point after point ``index`` where ``event`` vanishes, if it changes sign up to the next.

    None if the branch cannot be followed between the two, or is too close to its ends to tell.
    """
    before, after = branch.at(index), branch.at(index + 1)
    chord = after.z - before.z
    box = Box.within(chord.size, {})
    row = chord / (1 + np.abs(before.z)) ** 2
    newton = newton_of(residual, branch.unravel, args)

    def at(fraction: float) -> Row:
        found = newton(before.z + fraction * chord, row)
        if not solved(found):
            raise ValueError("Newton's method failed")
        arclength = before.arclength + fraction * (after.arclength - before.arclength)
        return row_of(found, arclength, box)

    try:
        return at(brentq(lambda fraction: event(at(fraction)), 0.0, 1.0, xtol=ROUNDING))  # type: ignore
    except ValueError:  # that of brentq says that the signs are equal
        return None


def cross(
    a: tuple[Residual, Branch],
    b: tuple[Residual, Branch],
    pieces: tuple[int, int],
    args: Any,
    swapped: bool,
) -> Row | None:
    """Where two branches have the same last two components, between points ``pieces`` and the next.

    The point on ``a``; the two components of ``b`` may be ``swapped``. None if one of them cannot
    be followed there.
    """
    (residual, branch), (other_residual, other) = a, b
    before, after = other.at([pieces[1]]), other.at([pieces[1] + 1])
    newton = newton_of(other_residual, other.unravel, args)
    box = Box.within(other.z.shape[1], {})
    parameter, value = (-2, -1) if swapped else (-1, -2)

    def apart(row: Row) -> float:
        (beside,) = _passing(newton, box, before, after, parameter, row.z[[-1]])
        return float(row.z[-2] - beside.z[value]) if beside is not None else np.nan

    return locate(residual, branch, pieces[0], args, apart)


def insert(branch: Branch, rows: list[Row]) -> Branch:
    """The branch with further points, in their order along it."""
    together = sorted([*branch.rows, *rows], key=lambda row: row.arclength)
    return _branch(together, branch.began, branch.ended, branch.unravel)
