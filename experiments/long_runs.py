"""Recorded simulations, one recorded step after the other, and the checkpoints of long ones."""

from __future__ import annotations

import hashlib
import time
import zipfile
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import jax
import numpy as np

from thermolimit.simulations.recording import Pieces

from .chunks import replace
from .keys import key

SECONDS = 60.0  # between checkpoints


@dataclass(frozen=True, eq=False)
class LongRun:
    """A tile of a recorded simulation.

    Each recorded step is one call of the same two programs, whether or not there are checkpoints:
    a run that was interrupted has the numbers of one that was not.

    Parameters
    ----------
    pieces : Pieces
        ``init``, ``advance`` and ``observe``.
    whole, fixed : mapping
        Arguments that belong to all lanes; ``whole["step"]`` are the steps to record.
    tile : int
        Lanes of a batch.
    """

    pieces: Pieces
    whole: Mapping[str, np.ndarray]
    fixed: Mapping[str, Any]
    tile: int

    def __call__(self, draws: Any, numbers: Any, checkpoints: Path | None) -> dict[str, np.ndarray]:
        """Observables over lanes and steps."""
        count = len(draws[1])
        lane = np.minimum(np.arange(self.tile), count - 1)
        lanes = jax.tree.map(lambda leaf: leaf[lane], (draws, numbers))
        begin, go = _programs(self.pieces, tuple(self.fixed.items()))
        state = begin({n: v for n, v in self.whole.items() if n != "step"}, lanes)
        file = None
        if checkpoints is not None and checkpoints.parents[1].is_dir():  # not on another machine
            file = checkpoints / f"{_digest(lanes)}.npz"
        state, seen = _restored(file, state)
        saved = time.monotonic()
        steps = self.whole["step"]
        for until in steps[len(seen) :]:
            state, observed = go(state, until)
            seen.append({name: np.asarray(leaf) for name, leaf in observed._asdict().items()})
            if file is not None and time.monotonic() - saved >= SECONDS:
                _save(file, state, seen)
                saved = time.monotonic()
        if file is not None and file.exists():  # the rest of the block may be long as well
            _save(file, state, seen)
        return {name: series[:count] for name, series in _joined(seen).items()}


@lru_cache(maxsize=256)
def _programs(
    pieces: Pieces, fixed: tuple[tuple[str, Any], ...]
) -> tuple[Callable[..., Any], Callable[..., Any]]:
    """The states at step 0 of all lanes, and how they go on to the next recorded step."""

    def begin(whole: Any, lane: Any) -> Any:
        draw, numbers = lane
        return pieces.init(key(*draw), **numbers, **whole, **dict(fixed))

    def go(state: Any, until: Any) -> tuple[Any, Any]:
        state = pieces.advance(state, until)
        return state, pieces.observe(state)

    return jax.jit(jax.vmap(begin, (None, 0))), jax.jit(jax.vmap(go, (0, None)))


def _joined(seen: list[dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
    """Observables at one step after the other, as arrays (lanes, steps, ...)."""
    return {name: np.stack([here[name] for here in seen], axis=1) for name in seen[0]}


def _digest(lanes: Any) -> str:
    return hashlib.sha256(b"".join(leaf.tobytes() for leaf in jax.tree.leaves(lanes))).hexdigest()


def _save(file: Path, state: Any, seen: list[dict[str, np.ndarray]]) -> None:
    """Keep the states and what was observed, by the rule of all files: whole or not at all."""
    leaves = {f"state_{k}": _plain(leaf) for k, leaf in enumerate(jax.tree.leaves(state))}
    content = leaves | {f"seen_{name}": series for name, series in _joined(seen).items()}
    with suppress(OSError):  # one checkpoint less; results are written elsewhere, and loudly
        file.parent.mkdir(parents=True, exist_ok=True)
        replace(file, lambda opened: np.savez(opened, **content))  # type: ignore[arg-type]


def _restored(file: Path | None, start: Any) -> tuple[Any, list[dict[str, np.ndarray]]]:
    """States and observations of a checkpoint, or the start."""
    leaves, structure = jax.tree.flatten(start)
    try:
        with np.load(file) as saved:  # type: ignore[arg-type]
            content = dict(saved)
    except (OSError, TypeError, ValueError, zipfile.BadZipFile):
        return start, []
    state = [_like(content[f"state_{k}"], leaf) for k, leaf in enumerate(leaves)]
    series = {n.removeprefix("seen_"): v for n, v in content.items() if n.startswith("seen_")}
    steps = next(iter(series.values())).shape[1]
    seen = [{name: values[:, k] for name, values in series.items()} for k in range(steps)]
    return jax.tree.unflatten(structure, state), seen


def _is_key(leaf: Any) -> bool:
    return jax.numpy.issubdtype(leaf.dtype, jax.dtypes.prng_key)


def _plain(leaf: Any) -> np.ndarray:
    return np.asarray(jax.random.key_data(leaf) if _is_key(leaf) else leaf)


def _like(saved: np.ndarray, leaf: Any) -> Any:
    if _is_key(leaf):
        return jax.random.wrap_key_data(
            jax.numpy.asarray(saved), impl=str(jax.random.key_impl(leaf))
        )
    return jax.numpy.asarray(saved, leaf.dtype)
