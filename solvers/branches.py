"""Branches of states with names: a state followed as one control parameter varies."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import numpy as np
import xarray as xr

from thermolimit.leaves import leaves, unknown_name

from .continuation import LONGEST_STEP, Branch, trace
from .failures import ConvergenceError, OnFailure
from .grid import make_grid
from .labelled import owners, solutions, solve_lanes
from .lanes import Lanes, expect, flatten, lay_out
from .mean_field import Control, Order, SelfConsistent
from .newton import Point
from .precision import theory_precision
from .saddle import Status
from .transitions import State


class Followed(NamedTuple):
    """A branch read back from its dataset."""

    parameter: str
    bounds: tuple[float, float]
    start: str
    orders: Order  # arrays (points, ...)
    values: np.ndarray  # of the parameter
    control: Control
    data: xr.Dataset

    @property
    def direction(self) -> np.ndarray:
        """Its sign changes at a fold."""
        return self.data["direction"].values

    @property
    def orientation(self) -> np.ndarray:
        """Its sign changes at a fold, and where the state itself crosses another branch."""
        return self.data["orientation"].values

    def at(self, point: int) -> Order:
        """Order parameters of one point."""
        return jax.tree.map(lambda x: x[point], self.orders)


def trace_branch(
    theory: SelfConsistent,
    parameter: str,
    *,
    start: str,
    bounds: tuple[float, float],
    longest_step: float = LONGEST_STEP,
    on_failure: OnFailure = "mask",
    **controls: Any,
) -> xr.Dataset:
    """Follow a state as one control parameter varies, in both directions and around folds.

    Parameters
    ----------
    theory : SelfConsistent or Equilibrium
        What to solve.
    parameter : str
        The control parameter that varies.
    start : str
        One of the theory's starts: the state found from it is followed.
    bounds : tuple of float
        Between which the parameter stays.
    longest_step : float
        Longest step, in units of the span of the bounds and of 1 + |order|. A step that may have
        jumped to another branch is refused and halved, however long this is.
    on_failure : {"mask", "raise", "keep"}
        See ``saddle_points``.
    **controls : float
        All control parameters; that of ``parameter`` says where to begin.

    Returns
    -------
    xarray.Dataset
        The variables of ``saddle_points`` over ``point``, in their order on the branch, with
        coordinates ``parameter`` and ``arclength`` (0 at the start), with ``direction``, the change
        of the parameter along the branch, and ``orientation``, the sign of det d(F - x)/dx: both
        change sign at a fold, one of them where another branch crosses. The attributes ``began``
        and ``ended`` say why there is nothing more: ``bounds``, ``domain`` (the formulas mean
        nothing beyond), ``closed``, ``max_points``, ``step_underflow``, ``no_first_step``.

    Raises
    ------
    TypeError, ValueError
        As ``saddle_points``, and for bounds that do not hold the start.
    ConvergenceError
        If the start finds no state, or one that belongs to another start.
    """
    expect(theory, SelfConsistent)
    lower, upper = checked_bounds(theory, parameter, bounds)
    with theory_precision():
        order, control = _begin(theory, start, controls)
        value = getattr(control, parameter)
        if not lower <= value <= upper:
            raise ValueError(
                f"{parameter} = {value:g} is outside the bounds ({lower:g}, {upper:g})"
            )
        return follow_state(
            theory, parameter, start, order, control, (lower, upper), longest_step, on_failure
        )


def follow_state(
    theory: SelfConsistent,
    parameter: str,
    start: str,
    order: Order,
    control: Control,
    bounds: tuple[float, float],
    longest_step: float = LONGEST_STEP,
    on_failure: OnFailure = "keep",
) -> xr.Dataset:
    """The branch of a state that has been found; to be called in ``theory_precision``."""
    begin = Point(order, getattr(control, parameter))
    branch = trace(State(theory, parameter), begin, control, {-1: bounds}, longest_step)
    data = _labelled(theory, parameter, start, control, branch, on_failure)
    return data.assign_attrs(
        parameter=parameter, bounds=list(bounds), began=branch.began, ended=branch.ended
    )


def read(theory: SelfConsistent, data: xr.Dataset) -> Followed:
    """Undo the labels of ``trace_branch``."""
    expect(theory, SelfConsistent)
    if "parameter" not in data.attrs:
        raise TypeError("not a branch; make one with trace_branch")
    names = (*theory.Order._fields, *theory.Control._fields)  # type: ignore[attr-defined]
    for name in names:
        if name not in data:
            raise TypeError(f"a branch of {data.attrs['theory']}, not of {theory}: no {name}")
    orders, numbers, whole = flatten(theory, data)
    parameter = data.attrs["parameter"]
    first = {name: column[0] for name, column in numbers.items()}
    return Followed(
        parameter, tuple(data.attrs["bounds"]), str(data["start"].item()), orders,
        numbers[parameter], theory.Control(**first, **whole), data,
    )  # fmt: skip


def checked_bounds(
    theory: SelfConsistent, parameter: str, bounds: tuple[float, float]
) -> tuple[float, float]:
    """Two increasing numbers, not outside what the control parameter may be."""
    described = leaves(theory.Control)
    if parameter not in described:
        raise TypeError(unknown_name("control parameter", parameter, list(described)))
    if described[parameter].dims:
        raise TypeError(f"{parameter} has dimensions of its own and cannot be followed")
    lower, upper = (float(end) for end in bounds)
    if not lower < upper:
        raise ValueError(f"bounds = ({lower:g}, {upper:g}) of {parameter} do not increase")
    interval = described[parameter].interval
    if interval is not None and (upper <= interval.lower or lower >= interval.upper):
        raise ValueError(f"bounds = ({lower:g}, {upper:g}) of {parameter} are outside {interval}")
    return lower, upper


def _begin(theory: SelfConsistent, start: str, controls: dict[str, Any]) -> tuple[Order, Control]:
    """The state that belongs to a start, at one point; to be called in ``theory_precision``."""
    lanes = lay_out(theory, None, controls)
    if lanes.grid.dims:
        sizes = dict(zip(lanes.grid.dims, lanes.grid.shape, strict=True))
        raise ValueError(f"a branch begins at one point, not on a grid of {sizes}")
    if start not in theory.starts:
        raise ValueError(unknown_name("start", start, list(theory.starts)))
    values, lane = solutions(theory, lanes), lanes.starts.index(start)
    orders = theory.Order(*(values[name] for name in theory.Order._fields))  # type: ignore
    status = Status(values["status"][lane])
    where = ", ".join(f"{name} = {value}" for name, value in controls.items())
    if status != Status.OK:
        raise ConvergenceError(
            f"no state from the start {start!r} at {where}: {status.name}; begin elsewhere"
        )
    state = lanes.starts[owners(lanes, orders, values["status"] == Status.OK)[lane]]
    if state != start:
        raise ConvergenceError(
            f"the start {start!r} fell to the state of {state!r} at {where}; "
            "begin where its own state exists"
        )
    numbers = {name: column[lane] for name, column in lanes.numbers.items()}
    control = theory.Control(**numbers, **lanes.grid.whole)
    return jax.tree.map(lambda x: x[lane], orders), control


def _labelled(
    theory: SelfConsistent,
    parameter: str,
    start: str,
    control: Control,
    branch: Branch,
    on_failure: OnFailure,
) -> xr.Dataset:
    """The points of a branch with everything that is known of a state."""
    points = branch.points
    described = leaves(theory.Control)
    given = control._asdict() | {parameter: xr.DataArray(points.parameter, dims="point")}
    grid = make_grid(given, described)
    lanes = Lanes(grid, [start], True, points.unknown, grid.columns)
    data = solve_lanes(theory, lanes, on_failure)
    direction = {"long_name": f"change of {parameter} along the branch"}
    orientation = {"long_name": "sign of det d(F - x)/dx"}
    return data.assign_coords(
        arclength=("point", branch.arclength, {"long_name": "arclength, 0 at the start"})
    ).assign(
        direction=("point", branch.direction, direction),
        orientation=("point", branch.orientation, orientation),
    )
