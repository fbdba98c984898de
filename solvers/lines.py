"""Transitions with names: located on a branch, and followed as lines in a plane of two controls."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, TypedDict, Unpack

import numpy as np
import xarray as xr
from jax import Array

from thermolimit.leaves import check_names, check_word

from .branches import Followed, checked_bounds, read
from .continuation import LONGEST_STEP
from .failures import ConvergenceError, OnFailure, settle, told
from .guesses import Candidate, branch_points, equal_free_energies, folds, zeros
from .line_data import labelled
from .located import ALONG, VALUE, follow, located
from .mean_field import SelfConsistent
from .precision import theory_precision
from .saddle import Status
from .transitions import BranchPoint, Coexistence, Fold, Transition, Zero


class LineOptions(TypedDict, total=False):
    """What all transitions can be asked for."""

    along: str | None
    bounds: tuple[float, float] | None
    include: Iterable[float]
    longest_step: float
    on_failure: OnFailure


def spinodal(theory: SelfConsistent, branch: xr.Dataset, **line: Unpack[LineOptions]) -> xr.Dataset:
    """Where the followed state merges with another one and vanishes: a fold of the branch.

    Of several folds the nearest to the start of the branch.

    Parameters
    ----------
    theory : SelfConsistent
        The theory of the branch.
    branch : xarray.Dataset
        Result of ``trace_branch``.
    along : str, optional
        A second control parameter: follow the transition as a line in the plane of both.
    bounds : tuple of float, optional
        Between which ``along`` stays; the other parameter stays within the bounds of the branch.
    include : iterable of float
        Values of ``along`` at which the line has points, each time it passes them.
    longest_step : float
        See ``trace_branch``.
    on_failure : {"mask", "raise", "keep"}
        What to do with uncertified points of a line; see ``saddle_points``.

    Returns
    -------
    xarray.Dataset
        The control parameters, the state and its soft direction (``soft_...``), ``residual`` of all
        equations together, ``certificate`` (the same under a finer quadrature rule), ``status``
        and ``bracket`` (the parameter at the two points of the branch on either side). Numbers
        without ``along``; with it a line over ``point``, and ``feature`` says (CF flags) where it
        turns in the branch's parameter or in ``along``, or in both: in a cusp.

    Raises
    ------
    ConvergenceError
        If the branch has no fold, if it cannot be located, or if it is not certified.
    TypeError, ValueError
        For something else than a branch, and for wrong names and bounds.
    """
    with theory_precision():
        followed = read(theory, branch)
        system = Fold(theory, followed.parameter, line.get("along"))
        return _result(system, followed, [followed.start], folds(system, followed), "fold", line)


def continuous_transition(
    theory: SelfConsistent, branch: xr.Dataset, **line: Unpack[LineOptions]
) -> xr.Dataset:
    """Where another branch crosses that of the followed state, which goes on but loses stability.

    Symmetry breaking (a pitchfork) or an exchange of stability (a transcritical point); the nearest
    one to the start of the branch. Nothing need be known of the symmetry.

    Parameters
    ----------
    theory, branch, along, bounds, include, longest_step, on_failure
        See ``spinodal``.

    Returns
    -------
    xarray.Dataset
        See ``spinodal``; the soft direction is the left one. Of a symmetric state (without symmetry
        a quadratic coefficient rules), ``cubic`` is the cubic coefficient of the amplitude that
        grows there: the transition is continuous where it is negative; where it is positive, what
        ends is no more than the metastability of the state. A line has the feature ``tricritical``
        in between, and ends as ``unfolded`` where a field would have to make the branches meet.

    Raises
    ------
    ConvergenceError, TypeError, ValueError
        See ``spinodal``.
    """
    with theory_precision():
        followed = read(theory, branch)
        system = BranchPoint(theory, followed.parameter, line.get("along"))
        found = branch_points(system, followed)
        return _result(system, followed, [followed.start], found, "branch point", line)


def zero_of(
    theory: SelfConsistent,
    branch: xr.Dataset,
    event: str | Callable[[Any, Any], Array],
    **line: Unpack[LineOptions],
) -> xr.Dataset:
    """Where a function of the followed state vanishes, such as its replicon or its entropy.

    Parameters
    ----------
    event : str or callable
        Name of a method of the theory, or a function of order and control (of a module, not a
        lambda built anew, which would be compiled anew). Of several zeros the nearest to the start.
    theory, branch, along, bounds, include, longest_step, on_failure
        See ``spinodal``.

    Returns
    -------
    xarray.Dataset
        See ``spinodal``; without a soft direction.

    Raises
    ------
    ConvergenceError, TypeError, ValueError
        See ``spinodal``.
    """
    if isinstance(event, str) and not hasattr(theory, event):
        raise TypeError(f"{type(theory).__name__} has no method {event!r}")
    with theory_precision():
        followed = read(theory, branch)
        system = Zero(theory, followed.parameter, line.get("along"), event)
        found = zeros(system, followed)
        return _result(system, followed, [followed.start], found, f"zero of {system.kind}", line)


def coexistence(
    theory: SelfConsistent,
    branch: xr.Dataset,
    other: xr.Dataset,
    other_theory: SelfConsistent | None = None,
    **line: Unpack[LineOptions],
) -> xr.Dataset:
    """Where two states have the same free energy: a first-order transition.

    Parameters
    ----------
    branch, other : xarray.Dataset
        Results of ``trace_branch`` in the same parameter; one state each, up to its folds.
    other_theory : SelfConsistent, optional
        That of ``other``, if it is another one with the same control parameters.
    theory, along, bounds, include, longest_step, on_failure
        See ``spinodal``.

    Returns
    -------
    xarray.Dataset
        See ``spinodal``; both states side by side over ``state``, without a soft direction. A line
        begins or ends as ``merged`` where the two states become one.

    Raises
    ------
    ConvergenceError
        If the free energies do not cross between the folds of both branches; see ``spinodal``.
    TypeError, ValueError
        See ``spinodal``, and for a theory without free energy.
    """
    for side in (theory, other_theory or theory):
        if not hasattr(side, "free_energy"):
            raise TypeError(f"{type(side).__name__} states no free_energy")
    with theory_precision():
        first, second = read(theory, branch), read(other_theory or theory, other)
        _check_same_controls(first, second)
        system = Coexistence(theory, first.parameter, line.get("along"), other_theory)
        what = f"coexistence with {second.start!r}"
        names = [first.start, second.start]
        return _result(system, first, names, equal_free_energies(system, first, second), what, line)


def _check_same_controls(first: Followed, second: Followed) -> None:
    if first.parameter != second.parameter:
        raise ValueError(f"one branch in {first.parameter!r}, one in {second.parameter!r}")
    for name, value in first.control._asdict().items():
        other = getattr(second.control, name)
        if name != first.parameter and not np.array_equal(value, other):
            raise ValueError(f"one branch at {name} = {value}, one at {name} = {other}")


def _result(
    system: Transition,
    followed: Followed,
    states: list[str],
    candidates: list[Candidate],
    what: str,
    options: LineOptions,
) -> xr.Dataset:
    """The candidate nearest to the start, solved to precision, and its line if one is asked for."""
    check_names("option", options, LineOptions.__annotations__, ())
    check_word("on_failure", options.get("on_failure", "mask"), OnFailure)
    if not candidates:
        lower, upper = followed.bounds
        failed = told(followed.data["status"])
        raise ConvergenceError(
            f"the branch of {followed.start!r} in {followed.parameter!r} has no {what} between "
            f"{lower:g} and {upper:g}; widen bounds or start closer"
            + (f" (not all of it is certified: {failed})" if failed else "")
        )
    bounds = _bounds(system, followed, options)
    nearest = min(candidates, key=lambda candidate: abs(candidate.arclength))
    line = located(system, followed, states, nearest, what)
    if system.along:
        line = follow(line, bounds, options.get("longest_step", LONGEST_STEP))
        include = options.get("include", ())
        return settle(labelled(line, include), options.get("on_failure", "mask"))
    data = labelled(line).isel(point=0)
    if data["status"] != Status.OK:
        raise ConvergenceError(
            f"the {what} at {system.of} = {data[system.of].item():g} is not certified: residual "
            f"{data['certificate'].item():.1e} under a finer quadrature rule; use more nodes"
        )
    return data


def _bounds(
    system: Transition, followed: Followed, options: LineOptions
) -> dict[int, tuple[float, float]]:
    """Flat component -> its ends."""
    if system.along is None:
        if options.get("bounds") is not None or list(options.get("include", ())):
            raise ValueError("bounds and include are those of a line: say along which parameter")
        return {}
    if system.along == system.of:
        raise ValueError(f"along = {system.along!r} is the parameter of the branch itself")
    if options.get("bounds") is None:
        raise ValueError(f"a line along {system.along!r} needs bounds")
    ends = checked_bounds(system.theory, system.along, options["bounds"])  # type: ignore[arg-type]
    at = getattr(followed.control, system.along)
    if not ends[0] <= at <= ends[1]:
        raise ValueError(f"the branch lies at {system.along} = {at:g}, outside the bounds {ends}")
    return {VALUE: followed.bounds, ALONG: ends}
