"""What a store holds, how fast it grows, and whether all of it can still be read."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from thermolimit.solvers.saddle import Status

from .chunks import PARTIAL, Damaged
from .locks import locked, owners
from .stores import Blockwise, unfinished_stores


class Summary(NamedTuple):
    """How far a sweep is."""

    counts: dict[Status, int]  # points times replicas, by status
    blocks: int
    rate: float  # lanes per second since the last run began; 0 before its first block
    running: list[str]  # processes that are writing

    @property
    def total(self) -> int:
        """Points times replicas."""
        return sum(self.counts.values())

    @property
    def missing(self) -> int:
        """Not computed yet."""
        return self.counts.get(Status.MISSING, 0)

    def __str__(self) -> str:
        done = self.total - self.missing
        lines = [f"{done} of {self.total} done, {self.missing} missing, {self.blocks} blocks"]
        others = [code for code in self.counts if code not in (Status.MISSING, Status.OK)]
        lines += [f"{self.counts[code]} {code.name}" for code in others]
        if self.running:
            lines += [f"being written by {owner}" for owner in self.running]
        if self.rate and self.missing:
            left = self.missing / self.rate
            lines += [f"{self.rate:.3g}/s, {left:.0f} s left at this rate"]
        return "\n".join(lines)


def summary(path: Path | str) -> Summary:
    """Count the points of a sweep by status; reads nothing but the statuses."""
    saved = Blockwise(Path(path))
    counts = np.zeros(max(Status) + 1, int)
    runs = saved.noted("runs")
    began = runs[-1]["began"] if runs else np.inf
    recent, last = 0, began
    for block in range(len(saved.blocks)):
        codes = saved.codes(block)
        counts += np.bincount(codes.ravel(), minlength=counts.size)
        if codes.any():
            written = saved.status.file(saved.blocks.index(block)).stat().st_mtime
            if written > began:
                recent, last = recent + codes.size, max(last, written)
    running = owners(saved.side / "locks")
    elapsed = (time.time() if running else last) - began
    return Summary(
        {code: int(counts[code]) for code in Status if counts[code]},
        len(saved.blocks),
        recent / elapsed if elapsed > 0 else 0.0,
        running,
    )


def damage(path: Path | str) -> list[str]:
    """Sentences about what is lost; everything is read against its checksum."""
    saved = Blockwise(Path(path))
    blocks = [said for block in range(len(saved.blocks)) for said in _damage(saved, block)]
    return saved.lost_coordinates() + blocks


def _damage(saved: Blockwise, block: int) -> Iterator[str]:
    index = saved.blocks.index(block)
    where = f"chunk {'/'.join(map(str, index))}"
    try:
        good = saved.status.read(index).ravel() == Status.OK
        found = {name: saved.chunk(name, block) for name in saved.outputs}
    except Damaged as error:
        yield str(error)
    except FileNotFoundError as error:
        name = Path(error.filename).relative_to(saved.path).parts[0]
        if name != "status":  # without status nothing was computed
            yield f"{name}: {where} is lost"
    else:
        for name, values in found.items():
            # where shapes vary, an observable is NaN beyond its own size, but not all of it
            lost = good & ~np.isfinite(values.reshape(good.size, -1)).any(axis=1)
            if lost.any():
                yield f"{name}: {where} has {lost.sum()} values that are not finite, marked ok"


def strays(path: Path | str) -> list[Path]:
    """Unfinished files and stores that killed processes have left; none while one is writing."""
    path = Path(path)
    if owners(path / "status" / "locks"):
        return []
    return [*path.rglob(f"*{PARTIAL}"), *unfinished_stores(path)]


def clean(path: Path | str) -> list[Path]:
    """Remove the strays; returns them.

    Raises
    ------
    Locked
        If somebody is writing.
    """
    found = strays(path)
    with locked(Path(path) / "status" / "locks", (0, 1)):
        for stray in found:
            shutil.rmtree(stray) if stray.is_dir() else stray.unlink(missing_ok=True)
    return found
