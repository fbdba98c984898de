"""What tests of sweeps that fail have in common; the sweep itself is in noisy.py."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import noisy
import pytest

from thermolimit.experiments import catalogue


@pytest.fixture(autouse=True)
def nothing_strange() -> Iterator[None]:
    noisy.called.clear()
    yield
    noisy.strange.clear()


@dataclass(frozen=True)
class Grid:
    seed: int = 3


@pytest.fixture
def coin(monkeypatch, tmp_path) -> Path:
    """The only sweep of a study that is there for the test."""
    study = ModuleType("thermolimit.experiments.toys.noise", "Noise.")
    study.__dict__.update(
        PROFILES={"quick": Grid()}, measure=lambda grid, store=None: noisy.run(store=store)
    )
    monkeypatch.setattr(catalogue, "load", lambda name: study)
    monkeypatch.chdir(tmp_path)
    return Path("results/toys/noise/quick.sweeps.zarr/simulation")
