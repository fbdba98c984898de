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
from scipy.integrate import DenseOutput, solve_ivp
from scipy.optimize import brentq

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
ROUNDING = 4 * np.finfo(float).eps  # to which the time of an event is searched

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
    seen = np.isfinite(when) == np.isfinite(about)  # by both integrations, or by neither
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
        return x[None, :], np.array([_first_zero(event, x, [], times) for event in watched])
    evaluations = 0

    def count_and_evaluate(_: float, x: Any) -> np.ndarray:
        nonlocal evaluations
        evaluations += 1
        if evaluations > MAX_EVALUATIONS:  # towards a singularity LSODA would go on for ever
            raise _NotSolved
        return np.asarray(velocity(x))

    span = (0.0, times[-1])
    options = {"t_eval": times, "rtol": tolerance, "atol": tolerance / 100}
    dense = bool(watched)
    solved = solve_ivp(count_and_evaluate, span, x, method="LSODA", dense_output=dense, **options)
    if not solved.success:
        raise _NotSolved
    steps = solved.sol.interpolants if dense else []
    return solved.y.T, np.array([_first_zero(event, x, steps, times) for event in watched])


def _first_zero(
    event: Callable[[Any], Array], x: np.ndarray, steps: list[DenseOutput], times: np.ndarray
) -> float:
    """First time at which an event function vanishes on the dense output of all steps, or NaN.

    Both signs of a bracket come from the same dense output. ``solve_ivp`` compares those of the
    states; they differ from it by the tolerance, so that its search fails ("f(a) and f(b) must
    have different signs") where the function is as small, as at a start on the zero.
    """
    before, sign = 0.0, np.sign(event(x))
    if sign == 0:
        return 0.0
    for step in steps:
        records = times[(step.t_old < times) & (times < step.t)]
        for time in (step.t_old, *records, step.t):
            old, sign = sign, np.sign(event(step(time)))
            if old * sign <= 0:
                if time == before:  # where one step joins the next
                    return time
                value = partial(_along, event, step)
                xtol = ROUNDING * (time - before)
                return float(brentq(value, before, time, xtol=xtol, rtol=ROUNDING))  # type: ignore
            before = time
    return np.nan


def _along(event: Callable[[Any], Array], step: DenseOutput, time: float) -> float:
    return float(event(step(time)))


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
        Functions of order and control; the first time at which each vanishes is located, 0 if it
        does so at the start. Signs are compared at every step of the integrator and every time in
        ``time``: two zeros in between, or one without a change of sign, go unseen. A function
        that only tends to zero changes sign by the error of the integration.
    start, on_failure, **controls
        As for ``saddle_points``.

    Returns
    -------
    xarray.Dataset
        Order parameters over the axes, ``start`` and ``time``; ``residual`` is the largest change
        when the integration is repeated with a hundred times larger tolerance. With events
        ``event_time`` over ``event``: between 0 and the last record time, NaN if not before. Its
        change, divided by 1 + time, counts in the residual; infinity if the event was seen once
        only. The time is wrong by about 1e-9, the error of the order parameters, over the rate at
        which the function changes.

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
        found = {"event_time": path.event_time} if watched else {}
        return path.order._asdict() | found | {"residual": path.residual, "status": path.status}

    expect(theory, Flow)
    watched = dict(events or {})
    with theory_precision():
        lanes = lay_out(theory, start, controls)
        _check_events(theory, watched, lanes)
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


def _check_events(theory: Flow, events: Mapping[str, Event], lanes: Lanes) -> None:
    """Raise ValueError unless every event is one real number, with a name and place of its own."""
    taken = {*theory.Order._fields, *theory.Control._fields, *lanes.grid.dims}  # type: ignore
    for name in {"event", "event_time"} & taken if events else ():
        raise ValueError(
            f"{name!r} is the result of events: a parameter or axis cannot be so called"
        )
    order = jax.tree.map(lambda x: x[0], lanes.orders)
    numbers = {name: column[0] for name, column in lanes.numbers.items()}
    control = theory.Control(**numbers, **lanes.grid.whole)
    for name, event in events.items():
        if not isinstance(name, str) or not callable(event):
            raise ValueError(f"event {name!r}: {event!r} must be a name with a function")
        value = jnp.asarray(event(order, control))
        if value.shape or value.dtype == bool:
            kind = f"has the shape {value.shape}" if value.shape else "is a truth value"
            raise ValueError(f"event {name!r} must be one number, and {kind}")
