"""The disorder of a dense Hebbian network: archetypes, and the rows of numbers made of examples.

The energy is a sum over rows: of all classes, the sums over their examples (supervised), or of all
classes all their examples (unsupervised). Rows are whole numbers, and site by site they lie side by
side in memory. Rows of +-1 that do not fit as bytes are kept as bits, the lowest first.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

import numpy as np

Protocol = Literal["supervised", "unsupervised"]

MOST_BYTES = 1_500_000_000  # of rows of +-1 as bytes; larger ones are kept as bits
LARGEST = 4_000_000_000  # bytes that are never exceeded


class Disorder(NamedTuple):
    """What two networks have in common."""

    archetypes: np.ndarray  # bits, uint8 (N, K / 8)
    classes: int  # K
    rows: np.ndarray  # (N, rows) int8 or int16; of +-1 also bits, uint8 (N, rows / 8)
    width: int  # how many rows
    examples: np.ndarray  # of the class that is to be retrieved, int8 (M, N)

    @property
    def signs(self) -> bool:
        """Whether all entries are +-1."""
        return self.rows.dtype == np.uint8 or len(self.examples) == 1 or self.width != self.classes

    @property
    def packed(self) -> bool:
        """Whether the rows are bits."""
        return self.rows.dtype == np.uint8

    def first_archetypes(self, count: int) -> np.ndarray:
        """Some of them, int8 (count, N)."""
        return unpacked(self.archetypes[:, : -(-count // 8)], count).T


def draw(
    rng: np.random.Generator,
    n_spins: int,
    classes: int,
    quality: float,
    examples: int,
    protocol: Protocol,
    most_bytes: int = MOST_BYTES,
) -> Disorder:
    """Independent fair archetypes, and examples that agree with them with mean ``quality``.

    The numbers do not depend on how they are kept.

    Parameters
    ----------
    rng : Generator
        Source of all of it.
    n_spins, classes, examples : int
        N, K and M.
    quality : float
        r in (0, 1].
    protocol : {"supervised", "unsupervised"}
        Which rows.
    most_bytes : int
        Above, rows of +-1 are kept as bits.

    Raises
    ------
    ValueError
        If neither fits.
    """
    width, signs, entry = form_of_rows(classes, examples, protocol)
    packed = signs and n_spins * width > most_bytes
    same = packed and quality == 1 and examples == 1  # rows and archetypes
    own = 0 if same else n_spins * classes // 8
    check_size(own + (n_spins * width // 8 if packed else n_spins * width * entry), n_spins, width)
    archetypes = rng.integers(0, 256, (n_spins, -(-classes // 8)), dtype=np.uint8)
    if quality == 1 and examples == 1:
        rows = archetypes if packed else unpacked(archetypes, classes)
        retrieved = unpacked(archetypes[:, :1], 1).T.copy()
        return Disorder(archetypes, classes, rows, width, retrieved)
    shape = (n_spins, -(-width // 8)) if packed else (n_spins, width)
    rows = np.empty(shape, np.uint8 if packed else f"int{8 * entry}")
    retrieved = np.empty((examples, n_spins), np.int8)
    for i in range(n_spins):
        archetype = unpacked(archetypes[i], classes)
        if signs:
            row = _noisy(rng, archetype, quality, examples)
            retrieved[:, i] = row[:examples]
        else:
            retrieved[:, i] = _noisy(rng, archetype[:1], quality, examples)
            row = archetype * (2 * rng.binomial(examples, (1 + quality) / 2, classes) - examples)
            row[0] = retrieved[:, i].sum(dtype=int)
        rows[i] = np.packbits(row > 0, bitorder="little") if packed else row
    return Disorder(archetypes, classes, rows, width, retrieved)


def form_of_rows(classes: int, examples: int, protocol: Protocol) -> tuple[int, bool, int]:
    """How many rows there are, whether all entries are +-1, and bytes of an entry."""
    width = classes * examples if protocol == "unsupervised" else classes
    signs = protocol == "unsupervised" or examples == 1
    return width, signs, 1 if signs or examples <= 127 else 2


def check_size(size: int, n_spins: int, width: int) -> None:
    """Raise ValueError for rows and archetypes that take too many bytes."""
    if size > LARGEST:
        raise ValueError(
            f"{width} rows of {n_spins} numbers and their archetypes take {size / 1e9:.1f} GB, "
            f"above the limit of {LARGEST / 1e9:.1f} GB; take fewer spins or a smaller load"
        )


def _noisy(rng, archetype, quality, examples) -> np.ndarray:
    """Entries of all examples of all classes at one site, class by class."""
    errors = rng.random((archetype.size, examples), np.float32) < (1 - quality) / 2
    return np.where(errors, -archetype[:, None], archetype[:, None]).ravel()


def unpacked(bits: np.ndarray, count: int) -> np.ndarray:
    """The first ``count`` entries +-1 of every row of bits, int8."""
    entries = np.unpackbits(bits, axis=-1, count=count, bitorder="little").view(np.int8)
    entries *= 2
    entries -= 1
    return entries
