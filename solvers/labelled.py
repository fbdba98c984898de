"""The labelled edge: numbers and axes in, xarray out, float64 inside, failures made visible."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import Any

import jax
import numpy as np
import xarray as xr
from jax import Array

from thermolimit.leaves import Leaf, leaves

from .failures import DIAGNOSTICS, OnFailure, mark
from .lanes import Lanes, expect, flatten, fold, lay_out
from .mean_field import Control, Equilibrium, Order, SelfConsistent
from .precision import theory_precision
from .progress import Progress
from .saddle import TOLERANCE, Status, find
from .stability import certificate, growth_rate, hessian_index
from .tiles import map_tiles

SAME = 1e-6  # two states that differ by less, in units of 1 + |order|, are one
CERTIFIED = 10 * TOLERANCE  # largest residual of a state under a finer quadrature rule

# what is known of every state, next to its order parameters and observables
RESULTS = {
    "free_energy": Leaf("free_energy", label="free energy, $f$"),
    "replicon": Leaf("replicon", label="replicon eigenvalue; replica symmetry is stable if > 0"),
    "hessian_index": Leaf("hessian_index", label="negative eigenvalues of the Hessian"),
    "growth_rate": Leaf("growth_rate", label="growth rate of a deviation; stable if < 0"),
    "residual": Leaf("residual", label="largest |F(x) - x| / (1 + |x|)"),
    "certificate": Leaf("certificate", label="residual under a finer quadrature rule"),
    "steps": Leaf("steps", label="steps of the solver"),
}


def saddle_points(
    theory: SelfConsistent,
    *,
    start: str | Iterable[str] | None = None,
    on_failure: OnFailure = "mask",
    **controls: Any,
) -> xr.Dataset:
    """Solve the self-consistency equations of a theory on a labelled grid.

    Parameters
    ----------
    theory : SelfConsistent or Equilibrium
        What to solve.
    start : str, sequence of str, or None
        Names of the theory's starting points; all of them by default. A start says where the
        search begins, not what is found.
    on_failure : {"mask", "raise", "keep"}
        Points that were not solved become NaN, with one warning; or raise ``ConvergenceError``;
        or keep the numbers where the solver stopped. A start outside the theory's domain is no
        failure of the solver: nothing was searched, and the status is OUT_OF_DOMAIN.
    **controls : float, sequence, or DataArray
        Control parameters, by name. A 1-d sequence makes a dimension.

    Returns
    -------
    xarray.Dataset
        Order parameters and observables over the axes and ``start``, in the theory's units, with
        ``residual``, ``certificate`` (the residual under a finer quadrature rule), ``growth_rate``
        and ``hessian_index`` (stability), ``steps`` and ``status``.

    Raises
    ------
    TypeError
        For unknown or missing control parameters, and for something else than such a theory.
    ValueError
        For values outside a control parameter's range, and for an unknown start.
    """
    expect(theory, SelfConsistent)
    with theory_precision():
        lanes = lay_out(theory, start, controls)
        with Progress("saddle points", lanes.count) as progress:
            return solve_lanes(theory, lanes, on_failure, progress)


def solve_lanes(
    theory: SelfConsistent, lanes: Lanes, on_failure: OnFailure, progress: Progress | None = None
) -> xr.Dataset:
    """Solve from wherever the lanes begin, and report; to be called in ``theory_precision``.

    A lane that begins at a solution stays there, stable or not.
    """
    described = leaves(theory.Order) | RESULTS | leaves(getattr(theory, "Observables", object))
    return fold(theory, lanes, solutions(theory, lanes, progress), described, on_failure)


def solutions(
    theory: SelfConsistent, lanes: Lanes, progress: Progress | None = None
) -> dict[str, np.ndarray]:
    """``solve_lanes`` without labels: arrays (lanes, ...)."""
    solve = partial(_solve, theory, lanes.grid.whole)
    values = map_tiles(solve, (lanes.orders, lanes.numbers), progress)
    failed = (values["status"] == Status.OK) & ~(values["certificate"] <= CERTIFIED)
    values["status"] = np.where(failed, Status.NOT_CERTIFIED, values["status"])
    return values


def equilibrium(data: xr.Dataset) -> xr.Dataset:
    """The stable state of lowest free energy among those that the starts have found.

    Stability is asked for because replica free energies are not minimised: below its transition
    the unstable paramagnet lies under the spin glass.

    Parameters
    ----------
    data : xarray.Dataset
        Result of ``saddle_points`` with a dimension ``start``.

    Returns
    -------
    xarray.Dataset
        Without the dimension ``start``; the coordinate ``start`` names the start that won. Where
        no start led to a stable state, NaN and the status MISSING.

    Raises
    ------
    ValueError
        If ``data`` has no dimension ``start``, or no free energy.
    """
    if "start" not in data.dims or "free_energy" not in data:
        raise ValueError("equilibrium needs states with a dimension 'start' and a free_energy")
    stable = (data["status"] == Status.OK) & (data["growth_rate"] < 0)
    found = stable.any("start")
    best = data["free_energy"].where(stable, np.inf).argmin("start")
    chosen = data.isel(start=best)
    kept = {name: chosen[name] for name in DIAGNOSTICS if name in chosen}
    return mark(chosen.where(found).assign(kept), ~found, Status.MISSING)


def distinct(theory: SelfConsistent, data: xr.Dataset) -> xr.Dataset:
    """Merge the states that several starts have found, and count those that are left.

    Parameters
    ----------
    theory : SelfConsistent
        The theory that was solved.
    data : xarray.Dataset
        Result of ``saddle_points`` with a dimension ``start``.

    Returns
    -------
    xarray.Dataset
        ``data`` with ``state``, the name of the start to which the state belongs (of those that
        found it, the nearest; empty where nothing was found), and ``states``, how many different
        ones there are. A start whose ``state`` bears another name has fallen to another state.

    Raises
    ------
    ValueError
        If ``data`` has no dimension ``start``.
    """
    if "start" not in data.dims:
        raise ValueError("states can be merged along a dimension 'start' only")
    starts = [str(name) for name in data["start"].values]
    numbers = {name: data[name] for name in theory.Control._fields}  # type: ignore[attr-defined]
    with theory_precision():
        begun = lay_out(theory, starts, numbers)
    data = data.transpose(*begun.grid.dims, "start", ...)
    solved = data["status"].values == Status.OK
    owner = owners(begun, flatten(theory, data)[0], solved.ravel()).reshape(solved.shape)
    names = np.where(solved, np.array(starts)[owner], "")
    count = np.sum(solved & (owner == np.arange(len(starts))), axis=-1)
    return data.assign(
        state=(data["status"].dims, names, {"long_name": "start to which the state belongs"}),
        states=(begun.grid.dims, count, {"long_name": "number of distinct states"}),
    )


def owners(begun: Lanes, orders: Order, solved: np.ndarray) -> np.ndarray:
    """The number of the start to which the state of each lane belongs; any if it is not solved."""
    starts = len(begun.starts)
    found, solved = _side_by_side(orders, starts), solved.reshape(-1, starts)
    away = np.max(np.abs(found - _side_by_side(begun.orders, starts)), axis=-1)
    apart = np.abs(found[:, :, None] - found[:, None]) / (1 + np.abs(found[:, :, None]))
    same = solved[:, :, None] & solved[:, None] & (np.max(apart, axis=-1) < SAME)
    return np.argmin(np.where(same, away[:, None], np.inf), axis=-1).ravel()


def _side_by_side(orders: Order, starts: int) -> np.ndarray:
    """Array (points, starts, unknowns)."""
    flat = [np.reshape(leaf, (len(leaf), -1)) for leaf in jax.tree.leaves(orders)]
    return np.concatenate(flat, axis=1).reshape(-1, starts, sum(x.shape[1] for x in flat))


@partial(jax.jit, static_argnums=0)
def _solve(theory: SelfConsistent, whole: Any, lanes: Any) -> dict[str, Array]:
    def one(order: Order, numbers: Any) -> dict[str, Array]:
        control = theory.Control(**numbers, **whole)
        found = find(theory, order, control)
        trust = {"residual": found.residual, "steps": found.steps, "status": found.status}
        return found.order._asdict() | _report(theory, found.order, control) | trust

    return jax.vmap(one)(*lanes)


def _report(theory: SelfConsistent, order: Order, control: Control) -> dict[str, Array]:
    """Everything about a state that is not needed to find it."""
    report = {
        "certificate": certificate(theory, order, control),
        "growth_rate": growth_rate(theory, order, control),
    }
    if isinstance(theory, Equilibrium):
        report["hessian_index"] = hessian_index(theory, order, control)
    for name in ("free_energy", "replicon"):
        if hasattr(theory, name):
            report[name] = getattr(theory, name)(order, control)
    if hasattr(theory, "observables"):
        report |= theory.observables(order, control)._asdict()  # type: ignore[attr-defined]
    return report
