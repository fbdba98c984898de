"""One line on the terminal: how much is done, how fast, how long it will take."""

from __future__ import annotations

import sys
import time
from typing import Any

SECONDS_BETWEEN = 0.2


class Progress:
    """Count of finished items of one long piece of work; silent where nobody watches.

    Parameters
    ----------
    what : str
        Name of the work.
    total : int
        Number of items.
    """

    def __init__(self, what: str, total: int):
        self.what, self.total, self.done, self.skipped = what, total, 0, 0
        self.began = self._shown = time.monotonic()
        self._watched = sys.stderr is not None and sys.stderr.isatty()

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, *_: Any) -> None:
        if self._watched:
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()

    def advance(self, items: int) -> None:
        """Note that ``items`` more are finished."""
        self.done += items
        now = time.monotonic()
        if self._watched and now - self._shown > SECONDS_BETWEEN:
            self._shown = now
            sys.stderr.write(f"\r\x1b[K{self}")
            sys.stderr.flush()

    def skip(self, items: int) -> None:
        """Note that ``items`` were finished before; they say nothing of the rate."""
        self.done += items
        self.skipped += items

    def __str__(self) -> str:
        rate = (self.done - self.skipped) / max(time.monotonic() - self.began, 1e-9)
        left = (self.total - self.done) / rate if rate else 0.0
        return f"{self.what}: {self.done}/{self.total}, {rate:.3g}/s, {left:.0f} s left"
