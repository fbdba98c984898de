"""One step along a branch, and the reasons to refuse it: it must not have jumped to another one."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from .newton import Corrected, solved
from .saddle import TOLERANCE

SHARPEST_BEND = 0.3  # between successive tangents, rad; beyond, it may be another branch
CONTRACTION = 0.5  # of the first two Newton steps of a prediction that can be trusted
TEARS, TEAR = 16, 4.0  # halvings of a step that changes sides, and a gap in what is left of it
# A smooth branch leaves here and arrives there along the mean of both tangents, up to a part of
# step * bend, and of the step if it bends both ways; a jump to a neighbour goes astray by more.
ASTRAY, STRAIGHT = 0.02, 2e-3


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


class Box(NamedTuple):
    """Flat bounds of unknown and parameter; where both are finite, their distance is the unit."""

    lower: np.ndarray
    upper: np.ndarray
    span: np.ndarray  # their distance where both are finite, else 1
    free: np.ndarray  # 0 where both are finite, else 1

    @classmethod
    def within(cls, size: int, bounds: Mapping[int, tuple[float, float]]) -> Box:
        """Bounds of some components."""
        lower, upper = np.full(size, -np.inf), np.full(size, np.inf)
        for component, ends in bounds.items():
            lower[component], upper[component] = ends
        bounded = np.isfinite(upper - lower)
        return cls(lower, upper, np.where(bounded, upper - lower, 1.0), np.where(bounded, 0.0, 1.0))

    def metric(self, z: np.ndarray) -> np.ndarray:
        """Factor by which every component counts in lengths and angles."""
        return 1 / (self.span + self.free * np.abs(z))


def row_of(found: Corrected, arclength: float, box: Box) -> Row:
    """The point that Newton's method has found, its tangent in unit length."""
    z = np.array(found.z)
    tangent = _normal(np.asarray(found.tangent), box.metric(z))
    return Row(z, tangent, float(found.orientation), arclength, float(found.residual))


def between(before: Row, after: Row) -> np.ndarray:
    """Coefficients of the cubics through neighbours and along their tangents: arrays (points, n).

    The variable of the polynomials is the fraction of the way; lowest power first.
    """
    scale = 1 / (1 + np.abs(before.z))
    chord = after.z - before.z
    length = np.sum((scale * chord) ** 2, axis=-1, keepdims=True)
    leave, arrive = (
        row.tangent * length / np.sum(scale**2 * row.tangent * chord, axis=-1, keepdims=True)
        for row in (before, after)
    )
    return np.array([before.z, leave, 3 * chord - 2 * leave - arrive, leave + arrive - 2 * chord])


def step_from(newton: Any, box: Box, here: Row, length: float) -> tuple[Row, float, str]:
    """The next point, by which angle the branch bends up to it, and why it is refused if it is."""
    metric = box.metric(here.z)
    guess = here.z + length * here.tangent
    found = newton(guess, metric**2 * here.tangent)
    if not solved(found):
        return here, np.inf, "step_underflow" if np.isfinite(found.residual) else "domain"
    there = row_of(found, here.arclength + length, box)
    bend = angle(here.tangent, there.tangent, metric)
    trusted = (
        bend < SHARPEST_BEND
        and found.contraction < CONTRACTION
        and _astray(here, there, metric, length) < length * (ASTRAY * bend + STRAIGHT)
        and not _turns_beyond(box, here, there)
        and (here.side * there.side > 0 or not _torn(newton, here, there, metric))
    )
    return there, bend, "" if trusted else "step_underflow"


def _astray(here: Row, there: Row, metric: np.ndarray, length: float) -> float:
    """Distance of the new point from the line through the old one along the mean tangent."""
    mean = metric * _normal(here.tangent + there.tangent, metric)
    chord = metric * (there.z - here.z)
    moved = chord @ mean
    return float(np.linalg.norm(chord - moved * mean)) if moved > length / 2 else np.inf


def _turns_beyond(box: Box, here: Row, there: Row) -> bool:
    """Whether the branch turns beyond a bound between two points, by its parabola."""
    turns = here.tangent * there.tangent < 0
    slope, after = here.tangent[turns], there.tangent[turns]
    fraction = slope / (slope - after)
    extreme = here.z[turns] + slope * fraction * (there.arclength - here.arclength) / 2
    return bool(((extreme < box.lower[turns]) | (extreme > box.upper[turns])).any())


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


def angle(a: np.ndarray, b: np.ndarray, metric: np.ndarray) -> float:
    """Between two tangents, in rad."""
    a, b = metric * a, metric * b
    cosine = np.dot(a, b) / math.sqrt(np.dot(a, a) * np.dot(b, b))
    return math.acos(min(max(cosine, -1.0), 1.0))  # NaN stays NaN in this order


def _normal(tangent: np.ndarray, metric: np.ndarray) -> np.ndarray:
    """In unit length; NaN if it has none."""
    length = np.linalg.norm(metric * tangent)
    return tangent / length if length > 0 else np.full_like(tangent, np.nan)
