"""Order parameters that move: d order / d time = velocity(order, control).

scipy's LSODA does the work: it changes between a stiff and a non-stiff method by itself, where
diffrax (one more dependency) wants the method chosen beforehand, and its dense output locates any
number of events on the way, where a diffrax event ends the integration.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
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
from .lanes import Lanes, expect, fold, lay_out
from .mean_field import Control, Flow, Order
from .precision import theory_precision
from .progress import Progress
from .saddle import Status
from .tiles import map_each

TOLERANCE = 1e-10  # relative; absolute 100 times smaller
MAX_EVALUATIONS = 200_000
LOOSER = 100.0  # for the second integration, whose deviation is reported as the error


Event = Callable[[Order, Control], Array]


class Path(NamedTuple):
    """Order parameters at the times asked for, leading dimension time."""

    order: Order
    event_time: np.ndarray  # (events,), NaN where there is none
    residual: np.ndarray
    status: np.ndarray


def integrate(
    theory: Flow, order: Order, control: Control, times: np.ndarray, events: Iterable[Event] = ()
) -> Path:
    """Follow one flow from ``order`` at time 0; to be called in ``theory_precision``."""
    x, unravel = ravel_pytree(order)
    velocity = partial(_velocity, theory, unravel, control)
    watched = [partial(_event, event, unravel, control) for event in events]
    try:
        fine, when = _solve(velocity, watched, np.asarray(x), times, TOLERANCE)
        loose, about = _solve(velocity, watched, np.asarray(x), times, LOOSER * TOLERANCE)
        status = Status.OK if np.isfinite(fine).all() else Status.NOT_FINITE
    except _NotSolved:
        fine = loose = np.full((len(times), x.size), np.nan)
        when = about = np.full(len(watched), np.nan)
        status = Status.NOT_CONVERGED
    seen = np.isfinite(when) == np.isfinite(about)
    shifts = np.where(seen, np.nan_to_num(np.abs(when - about) / (1 + when)), np.inf)
    residual = np.max(np.abs(fine - loose) / (1 + np.abs(fine)))
    residual = np.max(shifts, initial=residual)
    path = jax.vmap(unravel)(jnp.asarray(fine))
    return Path(path, when, np.asarray(residual), np.asarray(status))


class _NotSolved(Exception):
    """The flow could not be followed to the end."""


def _solve(
    velocity: Callable[[Array], Array],
    watched: list[Callable[[Array], Array]],
    x: np.ndarray,
    times: np.ndarray,
    tolerance: float,
) -> tuple[np.ndarray, np.ndarray]:
    """Array (times, unknowns), and the first time of each event."""
    if times[-1] == 0:
        return x[None, :], np.array(
            [0.0 if event(jnp.asarray(x)) == 0 else np.nan for event in watched]
        )
    evaluations = 0

    def count_and_evaluate(_: float, x: Any) -> np.ndarray:
        nonlocal evaluations
        evaluations += 1
        if evaluations > MAX_EVALUATIONS:  # towards a singularity LSODA would go on for ever
            raise _NotSolved
        return np.asarray(velocity(x))

    span = (0.0, times[-1])
    options = {"t_eval": times, "rtol": tolerance, "atol": tolerance / 100}
    events = [lambda _, x, event=event: float(event(x)) for event in watched]
    solved = solve_ivp(count_and_evaluate, span, x, method="LSODA", events=events, **options)
    if not solved.success:
        raise _NotSolved
    first = [found[0] if len(found) else np.nan for found in solved.t_events or ()]
    return solved.y.T, np.array(first, float)


@partial(jax.jit, static_argnums=(0, 1))
def _event(event: Event, unravel: Any, control: Control, x: Array) -> Array:
    return event(unravel(x), control)


@partial(jax.jit, static_argnums=(0, 1))
def _velocity(theory: Flow, unravel: Any, control: Control, x: Array) -> Array:
    return ravel_pytree(theory.velocity(unravel(x), control))[0]


def trajectory(
    theory: Flow,
    *,
    time: Any,
    start: str | Iterable[str] | None = None,
    events: Mapping[str, Event] | None = None,
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
    events : mapping of str to callable, optional
        Functions of order and control; the first time at which each vanishes is located. One that
        vanishes twice within a step of the integrator is not seen.
    start, on_failure, **controls
        As for ``saddle_points``.

    Returns
    -------
    xarray.Dataset
        Order parameters over the axes, ``start`` and ``time``; ``residual`` is the largest change
        when the integration is repeated with a hundred times larger tolerance. With events
        ``event_time`` over ``event``: between 0 and the last record time, NaN if not before.

    Raises
    ------
    TypeError, ValueError
        As ``saddle_points``, for times that do not increase, and for events that are no numbers.
    """
    times = Leaf("time", interval=Interval(0.0, np.inf, closed=True)).checked(time)
    if times.ndim != 1 or (np.diff(times) <= 0).any():
        raise ValueError("time must be an increasing 1-d sequence")

    def follow(lane: tuple[Order, dict[str, np.ndarray]]) -> dict[str, Any]:
        order, numbers = lane
        control = theory.Control(**numbers, **lanes.grid.whole)
        path = integrate(theory, order, control, times, watched.values())
        return path.order._asdict() | path._asdict()

    expect(theory, Flow)
    watched = dict(events or {})
    with theory_precision():
        lanes = lay_out(theory, start, controls)
        _check_scalar(theory, watched, lanes)
        with Progress("trajectories", lanes.count) as progress:
            values = map_each(follow, (lanes.orders, lanes.numbers), progress)
    described = {
        name: leaf._replace(dims=("time", *leaf.dims))
        for name, leaf in leaves(theory.Order).items()
    }
    if watched:
        described["event_time"] = Leaf("event_time", ("event",), label="first time of the event")
    described["residual"] = Leaf("residual", label="change under a hundred times looser tolerance")
    data = fold(theory, lanes, values, described, on_failure)
    data = data.assign_coords(time=("time", times, {"long_name": "time, $t$", "units": "1"}))
    return data.assign_coords(event=list(watched)) if watched else data


def _check_scalar(theory: Flow, events: Mapping[str, Event], lanes: Lanes) -> None:
    """Raise ValueError unless every event is one number."""
    order = jax.tree.map(lambda x: x[0], lanes.orders)
    numbers = {name: column[0] for name, column in lanes.numbers.items()}
    control = theory.Control(**numbers, **lanes.grid.whole)
    for name, event in events.items():
        shape = jnp.shape(event(order, control))
        if shape:
            raise ValueError(f"event {name!r} must be one number, and has the shape {shape}")
