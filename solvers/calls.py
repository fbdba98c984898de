"""A function of one point called at many: batched where it is jitted, else one after the other."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache, partial
from typing import Any

import jax

from .tiles import TILE, map_each, map_tiles

Once = Callable[[Callable[..., Any], dict[str, Any], Any, Any], Any]


def called(run: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """``run(*args, **kwargs)``, from which an interrupt comes as such.

    A function compiled by Numba that is interrupted returns through Python code, in which the
    handler of the signal raises, and what arrives are SystemErrors that the interrupt has caused.
    """
    try:
        return run(*args, **kwargs)
    except SystemError as error:
        cause: BaseException | None = error
        while isinstance(cause, SystemError):
            cause = cause.__cause__
        if isinstance(cause, KeyboardInterrupt):
            raise cause from None
        raise


def over_lanes(
    once: Once,
    run: Callable[..., Any],
    fixed: Mapping[str, Any],
    whole: Mapping[str, Any],
    tile: int = TILE,
) -> Callable[..., Any]:
    """Make ``run`` a function of (lanes, progress).

    Parameters
    ----------
    once : callable
        ``once(run, fixed, whole, lane)`` calls it for one lane; a function of a module, since
        programs are kept by it.
    run : callable
        What is called; batched if it is jitted.
    fixed, whole : mapping
        Arguments that fix shapes, and arrays that belong to all lanes.
    tile : int
        Lanes of a batch.
    """
    if hasattr(run, "lower"):
        return partial(
            map_tiles, partial(_batch(once, run, tuple(fixed.items())), whole), tile=tile
        )
    return partial(map_each, partial(once, run, dict(fixed), whole))


@lru_cache(maxsize=256)
def _batch(
    once: Once, run: Callable[..., Any], fixed: tuple[tuple[str, Any], ...]
) -> Callable[..., Any]:
    """One jitted program per function and shape, so that the next tile compiles nothing."""

    def batch(whole: Any, lanes: Any) -> Any:
        return jax.vmap(partial(once, run, dict(fixed), whole))(lanes)

    return jax.jit(batch)
