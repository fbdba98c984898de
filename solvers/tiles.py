"""Batches of one fixed width: numbers do not depend on how many points are asked for.

XLA compiles another program, with other last bits, for another batch width. Under one wide vmap
all lanes would also wait for the slowest. Hence vmap over a tile of lanes, the last one padded.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import numpy as np

from .progress import Progress

TILE = 16  # lanes; another width changes the last bits


def map_tiles(
    batched: Callable[..., Any], lanes: Any, progress: Progress | None = None, tile: int = TILE
) -> Any:
    """Apply ``batched`` to tiles of ``lanes`` and join the results.

    Parameters
    ----------
    batched : callable
        Of a pytree like ``lanes`` with leading dimension ``tile``; returns a pytree of arrays
        with the same leading dimension.
    lanes : pytree
        Arrays that share a leading dimension of any length.

    Returns
    -------
    pytree
        NumPy arrays, leading dimension as in ``lanes``.
    """
    count = len(jax.tree.leaves(lanes)[0])
    parts = []
    for first in range(0, count, tile):
        lane = np.minimum(np.arange(first, first + tile), count - 1)
        part = batched(jax.tree.map(lambda leaf, lane=lane: leaf[lane], lanes))
        parts.append(jax.tree.map(np.asarray, part))
        if progress is not None:
            progress.advance(min(tile, count - first))
    return jax.tree.map(lambda *leaves: np.concatenate(leaves)[:count], *parts)


def in_order(groups: list[tuple[np.ndarray, Any]]) -> Any:
    """Join the results of groups of lanes, each with the numbers of its lanes, in their order."""
    order = np.argsort(np.concatenate([lanes for lanes, _ in groups]))
    found = [results for _, results in groups]
    return jax.tree.map(lambda *leaves: np.concatenate(leaves)[order], *found)


def map_each(fn: Callable[..., Any], lanes: Any, progress: Progress | None = None) -> Any:
    """Apply ``fn`` to one lane after the other and stack the results; as ``map_tiles``."""
    count = len(jax.tree.leaves(lanes)[0])
    parts = []
    for lane in range(count):
        part = fn(jax.tree.map(lambda leaf, lane=lane: leaf[lane], lanes))
        parts.append(jax.tree.map(np.asarray, part))
        if progress is not None:
            progress.advance(1)
    return jax.tree.map(lambda *leaves: np.stack(leaves), *parts)
