"""Lines of straight pieces in a plane: how far a point is, and where two of them cross."""

from __future__ import annotations

import numpy as np


def distance(point: np.ndarray, line: np.ndarray) -> float:
    """Of a point (2,) from a line (points, 2)."""
    starts, pieces = line[:-1], np.diff(line, axis=0)
    if not len(pieces):
        return float(np.linalg.norm(line[0] - point))
    squares = np.maximum(np.sum(pieces**2, axis=1), np.finfo(float).tiny)
    fraction = np.clip(np.sum((point - starts) * pieces, axis=1) / squares, 0, 1)
    return float(np.min(np.linalg.norm(starts + fraction[:, None] * pieces - point, axis=1)))


def crossings(a: np.ndarray, b: np.ndarray) -> list[tuple[int, int]]:
    """Pairs of pieces, of lines (points, 2), that cross: the numbers of their first points."""

    def side(line: np.ndarray, points: np.ndarray) -> np.ndarray:
        """On which side of each piece the points lie: array (pieces, points)."""
        starts, pieces = line[:-1, None], np.diff(line, axis=0)[:, None]
        away = points[None] - starts
        return np.sign(pieces[..., 0] * away[..., 1] - pieces[..., 1] * away[..., 0])

    b_around_a, a_around_b = side(a, b), side(b, a)
    cross = (b_around_a[:, :-1] * b_around_a[:, 1:] < 0) & (
        a_around_b[:, :-1] * a_around_b[:, 1:] < 0
    ).T
    return [(int(i), int(j)) for i, j in np.argwhere(cross)]
