"""Does a result survive a finer quadrature rule? For states, branches, transitions and diagrams."""

from __future__ import annotations

import dataclasses
from functools import partial
from typing import Any, overload

import jax
import numpy as np
import xarray as xr
from jax import Array

from .failures import OnFailure, mark, settle
from .labelled import CERTIFIED, RESULTS
from .lanes import expect, flatten
from .line_data import residuals
from .mean_field import Order, SelfConsistent
from .newton import Point
from .precision import theory_precision
from .quadrature import GaussianRule
from .saddle import Status, residual
from .tiles import map_tiles
from .transitions import BranchPoint, Coexistence, Fold, Transition, Zero


@overload
def certify(
    theory: SelfConsistent,
    data: xr.Dataset,
    *,
    rule: GaussianRule,
    on_failure: OnFailure = "mask",
) -> xr.Dataset: ...
@overload
def certify(
    theory: SelfConsistent,
    data: xr.DataTree,
    *,
    rule: GaussianRule,
    on_failure: OnFailure = "mask",
) -> xr.DataTree: ...


def certify(theory, data, *, rule, on_failure: OnFailure = "mask"):
    """Check a result under a quadrature rule of your own.

    Parameters
    ----------
    theory : SelfConsistent
        The theory that was solved; its field ``rule`` is replaced.
    data : xarray.Dataset or xarray.DataTree
        Result of ``saddle_points``, ``trace_branch``, a transition or a line of them, or a whole
        ``phase_diagram``.
    rule : GaussianRule
        Usually with more nodes.
    on_failure : {"mask", "raise", "keep"}
        What to do with states that fail; see ``saddle_points``.

    Returns
    -------
    xarray.Dataset or xarray.DataTree
        ``data`` with new ``certificate``, the residual of all equations under ``rule``, and
        ``status``.

    Raises
    ------
    TypeError
        If the theory has no field ``rule``, or if ``data`` holds no states of it.
    """
    expect(theory, SelfConsistent)
    if not hasattr(theory, "rule"):
        raise TypeError(f"{type(theory).__name__} has no quadrature rule to replace")
    finer = dataclasses.replace(theory, rule=rule)  # type: ignore[type-var]
    if isinstance(data, xr.DataTree):
        groups = {node.path: node.to_dataset() for node in data.subtree}
        checked = {
            path: _certified(finer, group, on_failure) if "status" in group else group
            for path, group in groups.items()
        }
        tree = xr.DataTree.from_dict(checked)
        tree.attrs = data.attrs
        return tree
    return _certified(finer, data, on_failure)


def _certified(finer: Any, data: xr.Dataset, on_failure: OnFailure) -> xr.Dataset:
    missing = [name for name in (*finer.Order._fields, "status") if name not in data]
    if missing:
        raise TypeError(f"no result of {type(finer).__name__}: it has no {missing[0]}")
    with theory_precision():
        worst = (_of_transition if "transition" in data.attrs else _of_states)(finer, data)
    status = data["status"]
    worst = worst.reshape(status.shape)
    data = data.assign(certificate=(status.dims, worst, RESULTS["certificate"].attrs))
    failed = (status == Status.OK) & ~(data["certificate"] <= CERTIFIED)
    return settle(mark(data, failed, Status.NOT_CERTIFIED), on_failure)


def _of_states(finer: Any, data: xr.Dataset) -> np.ndarray:
    orders, numbers, whole = flatten(finer, data)
    return map_tiles(partial(_residuals, finer, whole), (orders, numbers))


@partial(jax.jit, static_argnums=0)
def _residuals(theory: SelfConsistent, whole: Any, lanes: Any) -> Array:
    def one(order: Order, numbers: Any) -> Array:
        return residual(theory, order, theory.Control(**numbers, **whole))

    return jax.vmap(one)(*lanes)


def _of_transition(finer: Any, data: xr.Dataset) -> np.ndarray:
    data = data if data["status"].ndim else data.expand_dims("point")
    system = _system(finer, data.attrs)
    points = Point(_unknown(system, data), _column(data, system.along))
    numbers = {
        n: data[n].values for n in finer.Control._fields if n not in (system.of, system.along)
    }
    blank = {name: 0.0 for name in (system.of, system.along) if name}
    return residuals(system, points, finer.Control(**numbers, **blank))


def _system(theory: Any, attrs: dict[str, Any]) -> Transition:
    """The equations of a transition, from the attributes of its dataset."""
    kinds = {system.kind: system for system in (Fold, BranchPoint, Coexistence)}
    if attrs["other_theory"]:
        raise TypeError("a coexistence of two theories is certified by its own refined rules only")
    of, along, kind = attrs["parameter"], attrs["along"] or None, attrs["equations"]
    if kind in kinds:
        return kinds[kind](theory, of, along)
    if not hasattr(theory, kind):
        raise TypeError(f"the zero of {kind!r} cannot be certified: it is no method of the theory")
    return Zero(theory, of, along, kind)


def _unknown(system: Transition, data: xr.Dataset) -> Any:
    def order(prefix: str = "", **side: Any) -> Any:
        names = system.theory.Order._fields  # type: ignore[attr-defined]
        return system.theory.Order(
            **{n: data[prefix + n].isel(side).transpose("point", ...).values for n in names}
        )

    value = _column(data, system.of)
    if isinstance(system, Coexistence):
        return system.Unknown(order(state=0), order(state=1), value)
    if isinstance(system, Fold):
        return system.Unknown(order(), order("soft_"), value)
    if isinstance(system, BranchPoint):
        return system.Unknown(order(), order("soft_"), np.zeros_like(value), value)
    return system.Unknown(order(), value)  # type: ignore[call-arg]


def _column(data: xr.Dataset, name: str | None) -> np.ndarray:
    count = data.sizes["point"]
    return np.zeros(count) if name is None else np.broadcast_to(data[name].values, (count,))
