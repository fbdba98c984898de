"""Order parameters that move: d order / d time = velocity(order, control).

scipy's LSODA, which changes between a stiff and a non-stiff method by itself, does the work.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr
from jax import Array
from jax.flatten_util import ravel_pytree
from scipy.integrate import solve_ivp

from thermolimit.leaves import Interval, Leaf, leaves

from .failures import OnFailure
from .lanes import expect, fold, lay_out
from .mean_field import Control, Flow, Order
from .precision import theory_precision
from .progress import Progress
from .saddle import Status
from .tiles import map_each

TOLERANCE = 1e-10  # relative; absolute 100 times smaller
MAX_EVALUATIONS = 200_000
LOOSER = 100.0  # for the second integration, whose deviation is reported as the error


class Path(NamedTuple):
    """Order parameters at the times asked for, leading dimension time."""

    order: Order
    residual: np.ndarray
    status: np.ndarray


def integrate(theory: Flow, order: Order, control: Control, times: np.ndarray) -> Path:
    """Follow one flow from ``order`` at time 0; to be called in ``theory_precision``."""
    x, unravel = ravel_pytree(order)
    velocity = partial(_velocity, theory, unravel, control)
    try:
        fine = _solve(velocity, np.asarray(x), times, TOLERANCE)
        loose = _solve(velocity, np.asarray(x), times, LOOSER * TOLERANCE)
        status = Status.OK if np.isfinite(fine).all() else Status.NOT_FINITE
    except _NotSolved:
        fine = loose = np.full((len(times), x.size), np.nan)
        status = Status.NOT_CONVERGED
    residual = np.max(np.abs(fine - loose) / (1 + np.abs(fine)))
    return Path(jax.vmap(unravel)(jnp.asarray(fine)), np.asarray(residual), np.asarray(status))


class _NotSolved(Exception):
    """The flow could not be followed to the end."""


def _solve(
    velocity: Callable[[Array], Array], x: np.ndarray, times: np.ndarray, tolerance: float
) -> np.ndarray:
    """Array (times, unknowns)."""
    if times[-1] == 0:
        return x[None, :]
    evaluations = 0

    def count_and_evaluate(_: float, x: Any) -> np.ndarray:
        nonlocal evaluations
        evaluations += 1
        if evaluations > MAX_EVALUATIONS:  # towards a singularity LSODA would go on for ever
            raise _NotSolved
        return np.asarray(velocity(x))

    span = (0.0, times[-1])
    options = {"t_eval": times, "rtol": tolerance, "atol": tolerance / 100}
    solved = solve_ivp(count_and_evaluate, span, x, method="LSODA", **options)
    if not solved.success:
        raise _NotSolved
    return solved.y.T


@partial(jax.jit, static_argnums=(0, 1))
def _velocity(theory: Flow, unravel: Any, control: Control, x: Array) -> Array:
    return ravel_pytree(theory.velocity(unravel(x), control))[0]


def trajectory(
    theory: Flow,
    *,
    time: Any,
    start: str | Iterable[str] | None = None,
    on_failure: OnFailure = "mask",
    **controls: Any,
) -> xr.Dataset:
    """Follow the order parameters of a flow in time, on a labelled grid.

    Parameters
    ----------
    theory : Flow
        Its velocity may be stiff.
    time : sequence of float
        When to record: increasing, not negative, in the theory's unit of time. A start is the
        state at time 0.
    start, on_failure, **controls
        As for ``saddle_points``.

    Returns
    -------
    xarray.Dataset
        Order parameters over the axes, ``start`` and ``time``; ``residual`` is the largest change
        when the integration is repeated with a hundred times larger tolerance.

    Raises
    ------
    TypeError, ValueError
        As ``saddle_points``, and for times that do not increase.
    """
    times = Leaf("time", interval=Interval(0.0, np.inf, closed=True)).checked(time)
    if times.ndim != 1 or (np.diff(times) <= 0).any():
        raise ValueError("time must be an increasing 1-d sequence")

    def follow(lane: tuple[Order, dict[str, np.ndarray]]) -> dict[str, Any]:
        order, numbers = lane
        path = integrate(theory, order, theory.Control(**numbers, **lanes.grid.whole), times)
        return path.order._asdict() | {"residual": path.residual, "status": path.status}

    expect(theory, Flow)
    with theory_precision():
        lanes = lay_out(theory, start, controls)
        with Progress("trajectories", lanes.count) as progress:
            values = map_each(follow, (lanes.orders, lanes.numbers), progress)
    described = {
        name: leaf._replace(dims=("time", *leaf.dims))
        for name, leaf in leaves(theory.Order).items()
    }
    described["residual"] = Leaf("residual", label="change under a hundred times looser tolerance")
    data = fold(theory, lanes, values, described, on_failure)
    return data.assign_coords(time=("time", times, {"long_name": "time, $t$", "units": "1"}))
