"""Precision and device of a computation, without touching the user's settings."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

import jax
import jax.numpy as jnp
from jax.core import Tracer


@contextmanager
def theory_precision() -> Iterator[None]:
    """Float64 on the CPU: theory is many small problems, and should give the same digits anywhere.

    Both settings are thread-local and end with the block. Arrays must become NumPy inside it:
    outside, the next operation would cut them to float32 in silence.
    """
    cpu = jax.local_devices(backend="cpu")[0]
    # inside the user's own jit, but called with plain numbers: compute now, not in that program
    traced = isinstance(jnp.zeros(()), Tracer)
    now = jax.ensure_compile_time_eval() if traced else nullcontext()
    # NaN is an answer here: there is no such state
    with jax.enable_x64(True), jax.default_device(cpu), jax.debug_nans(False), now:
        yield


@contextmanager
def simulation_precision(bits: int = 32) -> Iterator[None]:
    """Float32 (or float64 with ``bits=64``) on the default device, whatever the global settings.

    The layout of random bits is fixed too: another one would draw other numbers from the same key.
    """
    if bits not in (32, 64):
        raise ValueError(f"precision = {bits} is neither 32 nor 64")
    with jax.enable_x64(bits == 64), jax.threefry_partitionable(True):
        yield
