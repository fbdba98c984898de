"""What becomes of the points that were not solved: nothing is silent."""

from __future__ import annotations

import warnings
from typing import Literal

import numpy as np
import xarray as xr

from thermolimit.leaves import check_word, flags

from .saddle import Status

OnFailure = Literal["mask", "raise", "keep"]

# OUT_OF_DOMAIN is no failure of the solver: the start lies where the formulas mean nothing, as that
# of a paramagnet does below T = 1, and nothing was searched
FAILURES = (Status.NOT_CONVERGED, Status.NOT_FINITE, Status.ERROR, Status.NOT_CERTIFIED)
DIAGNOSTICS = ("residual", "certificate", "steps", "status")  # never masked


class ConvergenceError(RuntimeError):
    """A point was not solved, and the caller asked to be told."""


class ConvergenceWarning(UserWarning):
    """Some points of a grid were not solved; they are masked."""


def status_variable(dims: tuple[str, ...], status: np.ndarray) -> xr.Variable:
    """Status codes with the flag attributes of the CF conventions."""
    attrs = flags("status", [code.name.lower() for code in Status])
    return xr.Variable(dims, status.astype(np.int8), attrs)


def mark(data: xr.Dataset, where: xr.DataArray, code: Status) -> xr.Dataset:
    """Give the points ``where`` holds the status ``code``."""
    old = data["status"]
    new = old.where(~where, int(code)).astype(np.int8).transpose(*old.dims)
    return data.assign(status=new.assign_attrs(old.attrs))


def settle(data: xr.Dataset, on_failure: OnFailure) -> xr.Dataset:
    """Mask, report or keep the points whose ``status`` is not OK.

    Parameters
    ----------
    data : xarray.Dataset
        With ``status``; ``residual``, ``certificate``, ``steps`` and ``status`` are never masked.
    on_failure : {"mask", "raise", "keep"}
        NaN and one warning with the counts; ``ConvergenceError`` at the first one; or the numbers
        where the solver stopped.
    """
    check_word("on_failure", on_failure, OnFailure)
    if on_failure == "keep":
        return data
    failed = told(data["status"])
    if failed:
        if on_failure == "raise":
            raise ConvergenceError(failed)
        warnings.warn(f"{failed}; they are masked", ConvergenceWarning, stacklevel=3)
    return masked(data)


def told(status: xr.DataArray) -> str:
    """How many points failed, and where the first one is; empty if none."""
    failed = np.isin(status.values, FAILURES)
    if not failed.any():
        return ""
    counts = {code.name: int((status == code).sum()) for code in FAILURES}
    kinds = ", ".join(f"{count} {name}" for name, count in counts.items() if count)
    index = dict(zip(status.dims, np.argwhere(failed)[0], strict=True))
    coords = {
        name: value.item() for name, value in status.isel(index).coords.items() if not value.ndim
    }
    where = ", ".join(f"{name}={value}" for name, value in (coords or index).items())
    return f"{kinds} of {status.size} points; the first at {where}"


def masked(data: xr.Dataset) -> xr.Dataset:
    """NaN wherever the status is not OK, but for residual, certificate, steps and status."""
    values = data.drop_vars(DIAGNOSTICS, errors="ignore").where(data["status"] == Status.OK)
    return data.assign(values.data_vars)
