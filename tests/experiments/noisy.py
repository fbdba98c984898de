"""The sweep of a small simulation that can be told to do something strange."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Annotated, Any, NamedTuple

import numpy as np
from jax import Array

from thermolimit.experiments import sweep


class One(NamedTuple):
    value: Annotated[Array | float, (-np.inf, np.inf)]


class Profile(NamedTuple):
    value: float
    profile: Annotated[np.ndarray, "layer"]


called: list[float] = []
strange: dict[float, Callable[[], Any]] = {}  # temperature -> what happens there instead


def noisy(rng: np.random.Generator, temperature: float) -> One:
    called.append(temperature)
    return strange[temperature]() if temperature in strange else One(rng.normal(temperature))


def profile(rng: np.random.Generator, temperature: float) -> Profile:
    return strange.get(temperature, lambda: Profile(temperature, np.ones(3)))()


HEAT = [0.5, 1.0, 1.5, 2.0, 2.5]
GRID: dict[str, Any] = {"seed": 3, "replicas": 3, "temperature": HEAT}
BLOCK = 6  # two temperatures; the last block has one
run = partial(sweep, noisy, **GRID)
