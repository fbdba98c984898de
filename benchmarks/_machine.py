"""Seconds, and the line without which a number of seconds means nothing."""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple


class Seconds(NamedTuple):
    """Duration of a call: on the wall, and of all threads of this process on the CPU."""

    wall: float
    cpu: float


def timed(call: Callable[[], Any]) -> tuple[Any, Seconds]:
    """Result of a call, and how long it took."""
    wall, cpu = time.perf_counter(), time.process_time()
    result = call()
    return result, Seconds(time.perf_counter() - wall, time.process_time() - cpu)


def best(call: Callable[[], Any], repeats: int) -> Seconds:
    """Shortest of several calls, on either clock: other jobs can only make a call longer."""
    runs = [timed(call)[1] for _ in range(repeats)]
    return Seconds(*map(min, zip(*runs, strict=True)))


def use_one_core() -> None:
    """Keep all threads of this process on one core; to be called before JAX starts its own."""
    if hasattr(os, "sched_setaffinity"):  # Linux
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})


def machine(*packages: str) -> str:
    """Versions and processor, in one line."""
    versions = [f"{name} {version(name)}" for name in ("numpy", "jax", "numba", *packages)]
    return ", ".join(
        [f"python {platform.python_version()}", *versions, f"{_cpu()}, {os.cpu_count()} cores"]
    )


def _cpu() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    names = [line.split(":")[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()
