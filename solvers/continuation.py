"""Branches of solutions, followed by pseudo-arclength continuation (H. B. Keller 1977).

``residual(unknown, parameter, args)`` is any pure function of a pytree, a number and a pytree; it
returns as many numbers as ``unknown`` has, NaN where it means nothing. Like the theories it is
static and compared by value: a function of a module or a frozen dataclass, not a lambda built anew.

One step is jitted; the loop is Python, so that it can stop, shorten its step and say why it ended.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from jax.flatten_util import ravel_pytree
from scipy.optimize import brentq

from .saddle import TOLERANCE

Residual = Callable[[Any, Any, Any], Any]

LONGEST_STEP = 0.04  # in the metric: of the span of a bounded number, of 1 + |x| of another one
SHORTEST_STEP = 1e-8
FIRST_STEP = 0.005
TEARS, TEAR = 16, 4.0  # halvings of a step that changes sides, and a gap in what is left of it
BEND = 0.1  # aimed angle between successive tangents, rad
SHARPEST_BEND = 0.3  # beyond, the step is refused: it may have landed on another branch
# A smooth branch leaves here and arrives there along the mean of both tangents, up to a part of
# step * bend, and of the step if it bends both ways; a jump to a neighbour goes astray by more.
ASTRAY, STRAIGHT = 0.1, 2e-3
CONTRACTION = 0.5  # of the first two Newton steps of a prediction that can be trusted
NEWTON_STEPS = 20
ROUNDING = 1e-14
ROUGH = 1e-6  # a Newton step below this has come near a solution
MAX_POINTS = 2000


class Point(NamedTuple):
    """A solution: what solves the equations, and the parameter."""

    unknown: Any
    parameter: Any


class Corrected(NamedTuple):
    """Where Newton ended, and how."""

    z: Any  # unknown and parameter, flat
    tangent: Any  # of the branch through it, row @ tangent = 1
    orientation: Array  # sign of the determinant of d residual / d unknown
    residual: Array  # largest |residual| / (1 + |unknown|)
    error: Array  # length of the next Newton step
    contraction: Array  # second Newton step over the first


class Row(NamedTuple):
    """One point of a branch."""

    z: np.ndarray
    tangent: np.ndarray
    orientation: float
    arclength: float
    residual: float

    @property
    def side(self) -> float:
        """Its sign is constant along a branch, and changes only where another one crosses it.

        Or where a step has jumped over a crossing that a small field has torn apart.
        """
        return self.orientation * self.tangent[-1]


class Branch(NamedTuple):
    """Solutions in the order in which they lie on the branch."""

    z: np.ndarray  # (points, unknowns + 1), the parameter last
    tangent: np.ndarray  # of unit length in the metric
    orientation: np.ndarray  # sign of the determinant of d residual / d unknown
    arclength: np.ndarray  # in the metric, 0 at the start
    residual: np.ndarray
    began: str  # why there is nothing before
    ended: str  # why there is nothing after
    unravel: Callable[[Any], Point]

    @property
    def points(self) -> Point:
        """Unknowns and parameter, with a leading dimension."""
        return jax.tree.map(np.asarray, jax.vmap(self.unravel)(jnp.asarray(self.z)))

    @property
    def rows(self) -> list[Row]:
        """The points one by one."""
        columns = (self.z, self.tangent, self.orientation, self.arclength, self.residual)
        return [Row(*row) for row in zip(*columns, strict=True)]

    @property
    def direction(self) -> np.ndarray:
        """Component of the tangent along the parameter: it changes sign at a fold."""
        return self.tangent[:, -1]


class Box(NamedTuple):
    """Flat bounds of unknown and parameter; where both are finite, their distance is the unit."""

    lower: np.ndarray
    upper: np.ndarray

    @classmethod
    def without_walls(cls, size: int) -> Box:
        """Bounds that bound nothing."""
        return cls(np.full(size, -np.inf), np.full(size, np.inf))

    def metric(self, z: np.ndarray) -> np.ndarray:
        """Factor by which every component counts in lengths and angles."""
        bounded = np.isfinite(self.upper - self.lower)
        return 1 / np.where(bounded, self.upper - self.lower, 1 + np.abs(z))


def correct(residual: Residual, unravel: Any, z: Array, row: Array, args: Any) -> Corrected:
    """Newton's method from ``z`` for residual = 0 on the plane where row @ (new z - z) = 0.

    Least squares, since at a symmetric branch point several directions may be soft at once.
    """

    def defect(z: Array) -> tuple[Array, Array]:
        point = unravel(z)
        value = ravel_pytree(residual(point.unknown, point.parameter, args))[0]
        return value, value

    def step(state: tuple[Corrected, Array, Array]) -> tuple[Corrected, Array, Array]:
        here, steps, _ = state
        jacobian, value = jax.jacfwd(defect, has_aux=True)(here.z)
        finite = jnp.all(jnp.isfinite(jacobian)) & jnp.all(jnp.isfinite(value))
        scale = 1 + jnp.abs(here.z)
        matrix = jnp.where(finite, jnp.vstack([jacobian, row]) * scale[None, :], 0.0)
        right = jnp.zeros((z.size, 2), z.dtype).at[:-1, 0].set(-value).at[-1, 1].set(1.0)
        change, tangent = (jnp.linalg.lstsq(matrix, right, rcond=ROUNDING)[0] * scale[:, None]).T
        error = jnp.where(finite, jnp.max(jnp.abs(change) / scale), jnp.nan)
        worst = jnp.where(finite, jnp.max(jnp.abs(value) / scale[:-1]), jnp.nan)
        orientation = jnp.linalg.slogdet(matrix[:-1, :-1])[0]
        contraction = jnp.where(steps == 1, error / (here.error + ROUGH), here.contraction)
        # the steps shrink until they are nothing but rounding
        over = (error <= ROUNDING) | ((error >= here.error) & (here.error < ROUGH))
        over = over | ~finite | (steps >= NEWTON_STEPS)
        there = jnp.where(over, here.z, here.z + change)
        return Corrected(there, tangent, orientation, worst, error, contraction), steps + 1, over

    zero, far = jnp.zeros((), z.dtype), jnp.full((), jnp.inf, z.dtype)
    start = Corrected(z, jnp.zeros_like(z), zero, far, far, zero)
    state = (start, jnp.zeros((), jnp.int32), jnp.array(False))
    return lax.while_loop(lambda state: ~state[-1], step, state)[0]


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
    z, unravel = _flat(start)
    box = Box.without_walls(z.size)
    for component, (lower, upper) in bounds.items():
        box.lower[component], box.upper[component] = lower, upper
    newton = _newton(residual, unravel, args)
    first = newton(z, _unit(z.size, -1))
    rows = [_row(first, 0.0, box)]
    if not solved(first) or not np.isfinite(rows[0].tangent).all():
        return _branch(rows, "no_first_step", "no_first_step", unravel)
    ended = _follow(newton, box, rows, longest_step, max_points)
    if ended == "closed":
        return _branch(_around_the_start(rows), ended, ended, unravel)
    back = [_turned(rows[0])]
    began = _follow(newton, box, back, longest_step, max_points)
    return _branch([_turned(row) for row in reversed(back[1:])] + rows, began, ended, unravel)


def _row(found: Corrected, arclength: float, box: Box) -> Row:
    z = np.array(found.z)
    tangent = _normal(np.asarray(found.tangent), box.metric(z))
    return Row(z, tangent, float(found.orientation), arclength, float(found.residual))


def _turned(row: Row) -> Row:
    return row._replace(tangent=-row.tangent, arclength=-row.arclength)


def _branch(rows: list[Row], began: str, ended: str, unravel: Any) -> Branch:
    columns = map(np.array, zip(*rows, strict=True))
    return Branch(*columns, began, ended, unravel)  # type: ignore[call-arg]


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
        there, refused = _step(newton, box, here, length)
        if refused:
            length /= 2
            if length < SHORTEST_STEP:
                return "no_first_step" if refused != "domain" and len(rows) == 1 else refused
            continue
        if (there.z < box.lower).any() or (there.z > box.upper).any():
            last = _on_the_bounds(newton, box, here, there)
            rows.extend([last] if last is not None else [])
            return "bounds"
        if _closes(newton, box, rows[0], here, there):
            step = np.linalg.norm(box.metric(here.z) * (rows[0].z - here.z))
            rows.append(rows[0]._replace(arclength=here.arclength + step))
            return "closed"
        rows.append(there)
        bend = _angle(here.tangent, there.tangent, box.metric(here.z))
        length = min(longest_step, length * np.clip(BEND / max(bend, 1e-9), 0.5, 2.0))
    return "max_points"


def _step(newton: Any, box: Box, here: Row, length: float) -> tuple[Row, str]:
    """The next point, and why it is refused if it is."""
    metric = box.metric(here.z)
    guess = here.z + length * here.tangent
    found = newton(guess, metric**2 * here.tangent)
    there = _row(found, here.arclength + length, box)
    if not solved(found):
        return there, "step_underflow" if np.isfinite(found.residual) else "domain"
    bend = _angle(here.tangent, there.tangent, metric)
    trusted = (
        bend < SHARPEST_BEND
        and found.contraction < CONTRACTION
        and _astray(here, there, metric, length) < length * (ASTRAY * bend + STRAIGHT)
        and not _turns_beyond(box, here, there)
        and (here.side * there.side > 0 or not _torn(newton, here, there, metric))
    )
    return there, "" if trusted else "step_underflow"


def _astray(here: Row, there: Row, metric: np.ndarray, length: float) -> float:
    """Distance of the new point from the line through the old one along the mean tangent."""
    mean = metric * _normal(here.tangent + there.tangent, metric)
    chord = metric * (there.z - here.z)
    moved = chord @ mean
    return float(np.linalg.norm(chord - moved * mean)) if moved > length / 2 else np.inf


def _turns_beyond(box: Box, here: Row, there: Row) -> bool:
    """Whether the branch turns beyond a bound between two points, by its parabola."""
    slope, after = here.tangent, there.tangent
    turns = slope * after < 0
    fraction = np.where(turns, slope / np.where(turns, slope - after, 1.0), 0.0)
    extreme = here.z + slope * fraction * (there.arclength - here.arclength) / 2
    beyond = (extreme < box.lower) | (extreme > box.upper)
    return bool((turns & beyond).any())


def _torn(newton: Any, here: Row, there: Row, metric: np.ndarray) -> bool:
    """Whether a step that changes sides has jumped over a crossing torn apart by a small field.

    Where branches do cross, the solutions on the chord between both points are continuous.
    """
    low, high, row = here, there, metric**2 * (there.z - here.z)
    step = gap = np.linalg.norm(metric * (there.z - here.z))
    for halvings in range(TEARS):
        found = newton((low.z + high.z) / 2, row)
        if not found.residual <= TOLERANCE:
            return True  # nothing in between
        if found.error > gap / TEAR:
            return False  # too near to the crossing: Newton's method sees no difference any more
        forward = float(np.sign(found.tangent @ row))
        side = float(found.orientation * found.tangent[-1]) * forward
        middle = here._replace(z=found.z)
        low, high = (middle, high) if side * here.side > 0 else (low, middle)
        gap = np.linalg.norm(metric * (high.z - low.z))
        if gap > TEAR * step / 2 ** (halvings + 1):
            return True
    return False


def _closes(newton: Any, box: Box, start: Row, here: Row, there: Row) -> bool:
    """Whether the step passes through the start, in the same direction."""
    metric = box.metric(start.z)
    if here is start or _angle(start.tangent, there.tangent, metric) > SHARPEST_BEND:
        return False
    row = metric**2 * start.tangent
    behind, beyond = row @ (here.z - start.z), row @ (there.z - start.z)
    if not behind < 0 <= beyond:
        return False
    # in the plane through the start and across it: there may be another sheet next to it
    crossing = newton(here.z + behind / (behind - beyond) * (there.z - here.z), row)
    return solved(crossing) and bool(np.max(np.abs(crossing.z - start.z) * metric) < ROUGH)


def _on_the_bounds(newton: Any, box: Box, inside: Row, outside: Row) -> Row | None:
    """Where the branch first meets a bound between two of its points; None if just where it is."""
    crossed = np.flatnonzero((outside.z < box.lower) | (outside.z > box.upper))
    ends = np.clip(outside.z, box.lower, box.upper)[crossed]
    fractions = (ends - inside.z[crossed]) / (outside.z - inside.z)[crossed]
    first = int(np.argmin(fractions))
    if fractions[first] < SHORTEST_STEP:
        return None
    return _passing(newton, box, inside, outside, int(crossed[first]), ends[first])


def _passing(
    newton: Any, box: Box, before: Row, after: Row, component: int, value: float
) -> Row | None:
    """Where a component has this value between two neighbours; None if Newton fails."""
    chord = after.z - before.z
    fraction = (value - before.z[component]) / chord[component]
    guess = before.z + fraction * chord
    guess[component] = value
    found = newton(guess, _unit(guess.size, component))
    if not solved(found):
        return None
    arclength = before.arclength + fraction * (after.arclength - before.arclength)
    row = _row(found, arclength, box)
    row.z[component] = value  # Newton's last step may have moved it by rounding
    return row if np.dot(row.tangent, after.tangent) > 0 else row._replace(tangent=-row.tangent)


def passing(
    residual: Residual, branch: Branch, args: Any, component: int, value: float
) -> list[Row]:
    """All points of a branch where a component of (unknown, parameter) has this value."""
    newton = _newton(residual, branch.unravel, args)
    excess = branch.z[:, component] - value
    box = Box.without_walls(branch.z.shape[1])
    rows = branch.rows
    pairs = [(rows[k], rows[k + 1]) for k in np.flatnonzero(excess[:-1] * excess[1:] < 0)]
    found = [_passing(newton, box, before, after, component, value) for before, after in pairs]
    return [row for row in found if row is not None]


def locate(
    residual: Residual, branch: Branch, index: int, args: Any, event: Callable[[Row], float]
) -> Row | None:
    """The point after point ``index`` where ``event`` vanishes, if it changes sign up to the next.

    None if the branch cannot be followed between the two, or is too close to its ends to tell.
    """
    before, after = branch.rows[index], branch.rows[index + 1]
    chord = after.z - before.z
    box = Box.without_walls(chord.size)
    row = chord / (1 + np.abs(before.z)) ** 2
    newton = _newton(residual, branch.unravel, args)

    def at(fraction: float) -> Row:
        found = newton(before.z + fraction * chord, row)
        if not solved(found):
            raise ValueError("Newton's method failed")
        arclength = before.arclength + fraction * (after.arclength - before.arclength)
        return _row(found, arclength, box)

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
    before, after = other.rows[pieces[1]], other.rows[pieces[1] + 1]
    newton = _newton(other_residual, other.unravel, args)
    box = Box.without_walls(before.z.size)
    parameter, value = (-2, -1) if swapped else (-1, -2)

    def apart(row: Row) -> float:
        beside = _passing(newton, box, before, after, parameter, row.z[-1])
        return float(row.z[-2] - beside.z[value]) if beside is not None else np.nan

    return locate(residual, branch, pieces[0], args, apart)


def insert(branch: Branch, rows: list[Row]) -> Branch:
    """The branch with further points, in their order along it."""
    together = sorted([*branch.rows, *rows], key=lambda row: row.arclength)
    return _branch(together, branch.began, branch.ended, branch.unravel)


def solve(residual: Residual, guess: Point, args: Any) -> tuple[Point, Corrected]:
    """Newton's method for the unknown at a given parameter."""
    z, unravel = _flat(guess)
    found = _newton(residual, unravel, args)(z, _unit(z.size, -1))
    return unravel(found.z), found


def _flat(point: Point) -> tuple[np.ndarray, Any]:
    z, unravel = ravel_pytree(jax.tree.map(lambda x: jnp.asarray(x, float), point))
    return np.asarray(z), unravel


def _newton(residual: Residual, unravel: Any, args: Any) -> Callable[..., Corrected]:
    """``correct`` as a function of guess and row, from and to NumPy."""

    def newton(z: np.ndarray, row: np.ndarray) -> Corrected:
        packed = np.asarray(_packed(residual, unravel, z, row, args))
        reached, tangent = packed[: z.size], packed[z.size : 2 * z.size]
        return Corrected(reached, tangent, *packed[2 * z.size :])

    return newton


@partial(jax.jit, static_argnums=(0, 1))
def _packed(residual: Residual, unravel: Any, z: Array, row: Array, args: Any) -> Array:
    """``correct`` in one array: seven small ones take longer to fetch than to compute."""
    return jnp.concatenate([jnp.ravel(x) for x in correct(residual, unravel, z, row, args)])


def solved(found: Corrected) -> bool:
    """Whether Newton's method has converged."""
    return bool(found.residual <= TOLERANCE) and bool(found.error < ROUGH)


def _unit(size: int, component: int) -> np.ndarray:
    row = np.zeros(size)
    row[component] = 1.0
    return row


def _angle(a: np.ndarray, b: np.ndarray, metric: np.ndarray) -> float:
    a, b = _normal(a, metric), _normal(b, metric)
    return float(np.arccos(np.clip(np.dot(metric * a, metric * b), -1, 1)))


def _normal(tangent: np.ndarray, metric: np.ndarray) -> np.ndarray:
    """In unit length; NaN if it has none."""
    length = np.linalg.norm(metric * tangent)
    return tangent / length if length > 0 else np.full_like(tangent, np.nan)
