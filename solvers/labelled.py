"""The labelled edge: numbers and axes in, xarray out, float64 inside, failures made visible."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from functools import partial
from typing import Any

import jax
import numpy as np
import xarray as xr
from jax import Array

from thermolimit.leaves import Leaf, leaves

from .failures import DIAGNOSTICS, OnFailure, mark, settle
from .lanes import expect, flatten, fold, lay_out
from .mean_field import Control, Equilibrium, Order, SelfConsistent
from .precision import theory_precision
from .progress import Progress
from .quadrature import GaussianRule
from .saddle import TOLERANCE, Status, find, residual
from .stability import certificate, growth_rate, hessian_index
from .tiles import map_tiles

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
            solve = partial(_solve, theory, lanes.grid.whole)
            values = map_tiles(solve, (lanes.orders, lanes.numbers), progress)
    failed = (values["status"] == Status.OK) & ~(values["certificate"] <= CERTIFIED)
    values["status"] = np.where(failed, Status.NOT_CERTIFIED, values["status"])
    described = leaves(theory.Order) | RESULTS | leaves(getattr(theory, "Observables", object))
    return fold(theory, lanes, values, described, on_failure)


def certify(
    theory: SelfConsistent,
    data: xr.Dataset,
    *,
    rule: GaussianRule,
    on_failure: OnFailure = "mask",
) -> xr.Dataset:
    """Check the states of ``saddle_points`` under a quadrature rule of your own.

    Parameters
    ----------
    theory : SelfConsistent
        The theory that was solved; its field ``rule`` is replaced.
    data : xarray.Dataset
        Result of ``saddle_points`` for it.
    rule : GaussianRule
        Usually with more nodes.
    on_failure : {"mask", "raise", "keep"}
        What to do with states that fail; see ``saddle_points``.

    Returns
    -------
    xarray.Dataset
        ``data`` with new ``certificate`` and ``status``.

    Raises
    ------
    TypeError
        If the theory has no field ``rule``.
    """
    if not hasattr(theory, "rule"):
        raise TypeError(f"{type(theory).__name__} has no quadrature rule to replace")
    finer = dataclasses.replace(theory, rule=rule)  # type: ignore[type-var]
    status = data["status"]
    orders, numbers, whole = flatten(theory, data)
    with theory_precision():
        worst = map_tiles(partial(_residuals, finer, whole), (orders, numbers))
        worst = worst.reshape(status.shape)
    data = data.assign(certificate=(status.dims, worst, RESULTS["certificate"].attrs))
    failed = (status == Status.OK) & ~(data["certificate"] <= CERTIFIED)
    return settle(mark(data, failed, Status.NOT_CERTIFIED), on_failure)


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


@partial(jax.jit, static_argnums=0)
def _residuals(theory: SelfConsistent, whole: Any, lanes: Any) -> Array:
    def one(order: Order, numbers: Any) -> Array:
        return residual(theory, order, theory.Control(**numbers, **whole))

    return jax.vmap(one)(*lanes)
