"""One law, two programs: Numba runs one core of a CPU, JAX many replicas on an accelerator."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax


@dataclass(frozen=True)
class Engines:
    """The same simulation written twice.

    Parameters
    ----------
    numba : callable
        Takes ``rng``, a NumPy generator; called replica by replica.
    jax : callable
        Jitted, takes ``key``; batched over points and replicas.
    """

    numba: Callable[..., Any]
    jax: Callable[..., Any]

    def choose(self, engine: str | None = None) -> Callable[..., Any]:
        """The program named ``engine``; by default JAX where it finds an accelerator, else Numba.

        Raises
        ------
        ValueError
            For another name.
        """
        if engine is None:
            engine = "numba" if jax.default_backend() == "cpu" else "jax"
        if engine not in ("numba", "jax"):
            raise ValueError(f"engine = {engine!r} is neither 'numba' nor 'jax'")
        return getattr(self, engine)
