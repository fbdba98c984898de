"""Random numbers that belong to a point and a replica, whatever else is computed."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any

import jax
import numpy as np

DIGITS = 12  # of a coordinate: linspace(0, 1, 11)[3] is not linspace(0, 1, 101)[30]


def point_key(seed: int, coordinates: Mapping[str, Any]) -> np.ndarray:
    """Two words of 32 bits: the SHA-256 of the seed and the sorted coordinates at 12 digits.

    Arguments with dimensions of their own, such as record times, are not part of a point.
    """
    return point_keys(seed, 1, {name: [value] for name, value in coordinates.items()})[0]


def point_keys(seed: int, points: int, columns: Mapping[str, Iterable[Any]]) -> np.ndarray:
    """The keys of many points, array (points, 2), from one column per coordinate."""
    said = [
        [f"\n{name}={spelled(value)}" for value in column]
        for name, column in sorted(columns.items())
    ]
    rows = zip(*said, strict=True) if said else [()] * points
    hashes = (hashlib.sha256("".join([f"seed={seed}", *row]).encode()) for row in rows)
    words = b"".join(digest.digest()[:8] for digest in hashes)
    return np.frombuffer(words, dtype=">u4").astype(np.uint32).reshape(points, 2)


@lru_cache(maxsize=100_000)
def spelled(value: Any) -> str:
    """A coordinate as text: the same for all numbers that agree at 12 digits."""
    if np.asarray(value).dtype.kind not in "biuf":
        return str(value)
    return f"{float(value) + 0.0:.{DIGITS}g}"  # -0.0 is 0.0


def key(words: Any, replica: Any) -> jax.Array:
    """Key of a replica; the generator is named, so that the user's default changes nothing."""
    return jax.random.fold_in(jax.random.wrap_key_data(words, impl="threefry2x32"), replica)


def generator(words: Any, replica: Any) -> np.random.Generator:
    """The same for a simulation that takes a NumPy generator."""
    return np.random.default_rng([*words, replica])
