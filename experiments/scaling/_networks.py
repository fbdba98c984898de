"""Random features of several dimensions, with the data and the step size that belong to each."""

from __future__ import annotations

from collections.abc import Sequence

import xarray as xr

from thermolimit import solvers
from thermolimit.theory.scaling import random_features


def sizes(dimension: Sequence[int], ratio: int) -> dict[str, xr.DataArray]:
    """Dimensions of the model, and ``ratio`` times larger ones of the data, on one axis."""
    d = xr.DataArray(list(dimension), {"dimension": list(dimension)}, ["dimension"])
    return {"dimension": d, "n_features": ratio * d}


def networks(
    dimension: Sequence[int], ratio: int, alpha: float | xr.DataArray, reduced_step_size: float
) -> dict[str, xr.DataArray]:
    """The same with step sizes gamma = ``reduced_step_size`` / sum_j j^(-2 alpha)."""
    both = sizes(dimension, ratio)
    chosen = solvers.evaluate(
        random_features.step_size, alpha=alpha, reduced_step_size=reduced_step_size,
        n_features=both["n_features"],
    )  # fmt: skip
    return both | {"step_size": chosen["step_size"].reset_coords(drop=True)}
