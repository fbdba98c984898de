"""How a labelled grid is cut into blocks, the units of work and of storage."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Blocks:
    """Boxes of ``extents`` that tile a grid of ``shape``, the last ones cut off at its edge."""

    shape: tuple[int, ...]
    extents: tuple[int, ...]

    @property
    def counts(self) -> tuple[int, ...]:
        """Blocks along each axis."""
        return tuple(-(-n // extent) for n, extent in zip(self.shape, self.extents, strict=True))

    def __len__(self) -> int:
        return math.prod(self.counts)

    def index(self, block: int) -> tuple[int, ...]:
        """Place of a block among the others, axis by axis."""
        return tuple(int(i) for i in np.unravel_index(block, self.counts)) if self.shape else ()

    def slices(self, block: int) -> tuple[slice, ...]:
        """The part of the grid that belongs to a block."""
        parts = zip(self.index(block), self.extents, self.shape, strict=True)
        return tuple(slice(i * extent, min((i + 1) * extent, n)) for i, extent, n in parts)


def cut(shape: tuple[int, ...], single: Sequence[bool], lanes: float) -> Blocks:
    """Blocks of at most ``lanes`` points, filled from the last axis on.

    Parameters
    ----------
    single : sequence of bool
        Axes along which a block holds one value: those that fix shapes.
    """
    extents: list[int] = []
    for n, alone in zip(reversed(shape), reversed(single), strict=True):
        extent = 1 if alone else int(min(n, max(lanes, 1)))
        extents.insert(0, extent)
        lanes = lanes / extent if extent == n or alone else 1
    return Blocks(shape, tuple(extents))
