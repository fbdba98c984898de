"""The dataset of a transition line: unknowns by name, and how far they can be trusted."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr
from jax import Array
from jax.flatten_util import ravel_pytree

from thermolimit.leaves import flags, leaves

from .continuation import insert
from .failures import status_variable
from .grid import VERSION
from .labelled import CERTIFIED, RESULTS
from .located import FEATURES, Line, cubic, features, growth_rates, sides
from .newton import Point
from .saddle import TOLERANCE, Status
from .tiles import map_tiles
from .transitions import BranchPoint, Transition


def labelled(line: Line, include: Iterable[float] = ()) -> xr.Dataset:
    """Dataset of a line, with the points where it turns and those to be included."""
    system = line.system
    found = features(line, include) if system.along else []
    branch = insert(line.branch, [row for row, _ in found])
    data = _variables(line._replace(branch=branch))
    data = data.assign_coords(
        bracket=("side", np.array(line.bracket), {"long_name": f"{system.of} on both sides"})
    ).assign_attrs(states=line.states, transition=line.kind, equations=system.kind)
    if not system.along:
        return data
    codes = np.zeros(len(branch.z), np.int8)
    for row, code in found:
        codes[branch.arclength == row.arclength] = code
    return data.assign_coords(
        arclength=("point", branch.arclength, {"long_name": "arclength, 0 at the start"}),
        feature=("point", codes, flags("feature", FEATURES)),
    ).assign_attrs(began=branch.began, ended=branch.ended)


def _variables(line: Line) -> xr.Dataset:
    """Unknowns by name, residual, certificate and status over ``point``."""
    system, branch, points = line.system, line.branch, line.branch.points
    control, at = leaves(system.theory.Control), line.followed.control
    both = ("state",) if len(line.states) > 1 else ()
    worst = residuals(system.refined(), points, at)
    growth = growth_rates(line, points)
    columns: dict[str, Any] = {system.of: ((), points.unknown.value, control[system.of].attrs)}
    if system.along:
        columns[system.along] = ((), points.parameter, control[system.along].attrs)
    columns |= _orders(line, points.unknown)
    if hasattr(points.unknown, "soft"):
        for name, leaf in leaves(system.theory.Order).items():
            attrs = {"long_name": f"soft direction, component of {leaf.label or name}"}
            columns[f"soft_{name}"] = (leaf.dims, getattr(points.unknown.soft, name), attrs)
    growth = growth if both else growth[:, 0]
    columns["growth_rate"] = (both, growth, RESULTS["growth_rate"].attrs)
    if isinstance(system, BranchPoint) and not np.isnan(b := cubic(line, points)).all():
        attrs = {"long_name": "cubic coefficient of the amplitude; continuous if < 0"}
        columns["cubic"] = ((), b, attrs)
    columns["residual"] = ((), branch.residual, RESULTS["residual"].attrs)
    columns["certificate"] = ((), worst, RESULTS["certificate"].attrs)
    data = xr.Dataset({n: (("point", *dims), x, attrs) for n, (dims, x, attrs) in columns.items()})
    trusted = (branch.residual <= TOLERANCE) & (worst <= CERTIFIED)
    status = np.where(trusted, Status.OK, Status.NOT_CERTIFIED)
    other = getattr(system, "other", None)
    coords: dict[str, Any] = {
        name: (control[name].dims, np.asarray(value), control[name].attrs)
        for name, value in at._asdict().items()
        if name not in data
    }
    coords["state"] = line.states if both else line.states[0]
    data = data.assign(status=status_variable(("point",), status)).assign_coords(coords)
    return data.assign_attrs(
        parameter=system.of,
        along=system.along or "",
        theory=repr(system.theory),
        other_theory=repr(other) if other else "",
        thermolimit_version=VERSION,
    )


def _orders(line: Line, unknown: Any) -> dict[str, Any]:
    """Order parameters by name; of two states side by side, NaN where one of them has none."""
    columns: dict[str, Any] = {}
    for side, (theory, order) in enumerate(sides(line.system, unknown)):
        for name, leaf in leaves(theory.Order).items():
            value = np.asarray(getattr(order, name))
            if len(line.states) == 1:
                columns[name] = (leaf.dims, value, leaf.attrs)
                continue
            empty = np.full((len(value), 2, *value.shape[1:]), np.nan)
            dims, both, attrs = columns.get(name, (("state", *leaf.dims), empty, leaf.attrs))
            both[:, side] = value
            columns[name] = (dims, both, attrs)
    return columns


def residuals(system: Transition, points: Point, control: Any) -> np.ndarray:
    """Largest |residual| / (1 + |unknown|) of all equations at each point."""
    return map_tiles(partial(_residuals, system, control), points)


@partial(jax.jit, static_argnums=0)
def _residuals(system: Transition, control: Any, points: Point) -> Array:
    def one(point: Point) -> Array:
        defects = ravel_pytree(system(*point, control))[0]
        return jnp.max(jnp.abs(defects) / (1 + jnp.abs(ravel_pytree(point.unknown)[0])))

    return jax.vmap(one)(points)
