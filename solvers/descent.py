"""From an unstable state down to a stable one, where equilibrium is a minimum of the free energy.

Next to a transition a search may end on a state that has just become unstable: the map hardly
leaves it, and Newton's method takes it for any other one.
"""

from __future__ import annotations

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr
from jax import Array, lax
from jax.flatten_util import ravel_pytree

from thermolimit.leaves import Leaf, leaves

from .grid import make_grid
from .labelled import RESULTS, solutions
from .lanes import Lanes, expect, flatten, fold
from .mean_field import Control, Equilibrium, Order
from .precision import theory_precision
from .saddle import Status
from .tiles import map_tiles

# Fractions of 1 + |order| that are tried along a direction. Newton's method is drawn back to the
# unstable state from less than 1 / sqrt(3) of the way to the new one, so the steps are finer.
AMPLITUDES = np.geomspace(1e-5, 1.0, 48)
ROUNDING = 1e-14  # free energies, in units of 1 + |f|, that differ by less are equal
MARGINAL = 1e-8  # a growth rate below this may have the wrong sign
NO_DIRECTION = 1e-6  # length of a unit vector's projection that is nothing but rounding

DESCENTS = Leaf("descents", label="unstable states passed on the way down")


def descend(theory: Equilibrium, data: xr.Dataset) -> xr.Dataset:
    """The state of lowest free energy at each point, and the stable one below it if it is unstable.

    Below an unstable state, a saddle of the free energy, there is a stable one, although no start
    has led to it. The state is left along directions in which the free energy curves downwards,
    for where it is lowest along them, and the search begins again from there, until a minimum is
    reached. If the unstable directions are equivalent, all ways to choose among them are tried.
    Another minimum may lie lower still if no start leads near it.

    Parameters
    ----------
    theory : Equilibrium
        The theory that was solved. Its stable states must be minima of the free energy, as they
        are if ``update`` is a step down its gradient; saddle points of replica theories are not.
    data : xarray.Dataset
        Result of ``saddle_points`` with a dimension ``start``.

    Returns
    -------
    xarray.Dataset
        As ``saddle_points``, without the dimension ``start``; the coordinate ``start`` names the
        start that led to the lowest state, and ``descents`` counts the unstable states below which
        the search went on, 0 where that state was stable itself. A ``growth_rate`` that is not
        negative after all belongs to a state on a transition, as far as the solver can tell. Where
        no start has found a state the status is not OK, and the numbers are where one stopped.

    Raises
    ------
    TypeError
        For something else than such a theory.
    ValueError
        If ``data`` has no dimension ``start``, or holds a stable state that is no minimum.
    """
    expect(theory, Equilibrium)
    if "start" not in data.dims:
        raise ValueError("the lowest state can be looked for along a dimension 'start' only")
    solved = data["status"] == Status.OK
    if (solved & (data["growth_rate"] < -MARGINAL) & (data["hessian_index"] > 0)).any():
        raise ValueError(f"{theory!r} has stable states that are no minima of its free energy")
    lowest = data.isel(start=data["free_energy"].where(solved, np.inf).argmin("start"))
    described = leaves(theory.Control)
    grid = make_grid({name: data[name] for name in described}, described)
    orders = flatten(theory, lowest.transpose(*grid.dims, ...))[0]
    lanes = Lanes(grid, ["lowest"], True, orders, grid.columns)
    with theory_precision():
        values = solutions(theory, lanes)
        values["descents"] = np.zeros(lanes.count, np.int32)
        above = np.flatnonzero(_unstable(values))
        while above.size:
            above = _lower(theory, lanes, values, above)
    observables = leaves(getattr(theory, "Observables", object))
    results = leaves(theory.Order) | RESULTS | observables | {"descents": DESCENTS}
    found = fold(theory, lanes, values, results, "keep")
    return found.assign_coords(start=lowest["start"])


def _unstable(values: dict[str, np.ndarray]) -> np.ndarray:
    return (values["status"] == Status.OK) & (values["growth_rate"] >= 0)


def _lower(
    theory: Equilibrium, lanes: Lanes, values: dict[str, np.ndarray], above: np.ndarray
) -> np.ndarray:
    """Put lower states in the place of those of the lanes ``above``; returns where to go on."""
    orders = theory.Order(*(values[name][above] for name in theory.Order._fields))  # type: ignore
    numbers = {name: column[above] for name, column in lanes.numbers.items()}
    begun = map_tiles(partial(_ways_down, theory, lanes.grid.whole), (orders, numbers))
    ways = jax.tree.leaves(begun)[0].shape[1]
    found = solutions(
        theory,
        lanes._replace(
            orders=jax.tree.map(lambda x: x.reshape(-1, *x.shape[2:]), begun),
            numbers={name: np.repeat(column, ways) for name, column in numbers.items()},
        ),
    )
    reached = np.where(found["status"] == Status.OK, found["free_energy"], np.inf)
    way = reached.reshape(-1, ways).argmin(axis=1) + ways * np.arange(above.size)
    here = values["free_energy"][above]
    lower = reached[way] < here - ROUNDING * (1 + np.abs(here))
    above, way = above[lower], way[lower]
    for name, column in found.items():
        values[name][above] = column[way]
    values["descents"][above] += 1
    return above[_unstable(values)[above]]


@partial(jax.jit, static_argnums=0)
def _ways_down(theory: Equilibrium, whole: Any, lanes: tuple[Order, Any]) -> Order:
    """For each lane, orders (ways, ...) that lie as low as can be along unstable directions."""

    def one(order: Order, numbers: Any) -> Order:
        control = theory.Control(**numbers, **whole)
        x, unravel = ravel_pytree(order)
        line = _Line(theory, unravel, control, x)
        return jax.vmap(unravel)(lax.map(line.lowest, _directions(line)))

    return jax.vmap(one)(*lanes)


class _Line(NamedTuple):
    """The free energy around a state."""

    theory: Equilibrium
    unravel: Any
    control: Control
    x: Array

    def free_energy(self, x: Array) -> Array:
        """At any order; infinite where the formulas mean nothing."""
        order = self.unravel(x)
        value = self.theory.free_energy(order, self.control)
        inside = jnp.asarray(self.theory.domain(order, self.control)) & jnp.isfinite(value)
        return jnp.where(inside, value, jnp.inf)

    def lowest(self, direction: Array) -> Array:
        """The lowest of some points along a direction."""
        lengths = (1 + jnp.max(jnp.abs(self.x))) * jnp.asarray(AMPLITUDES, self.x.dtype)
        points = self.x[None] + lengths[:, None] * direction[None]
        return points[jnp.argmin(lax.map(self.free_energy, points))]


def _directions(line: _Line) -> Array:
    """Unit vectors (2n, n) along which the free energy of n order parameters curves downwards.

    They are projections of the sums of the first 1, 2, ..., n axes on all such directions, and
    their opposites: a single one is found n times, and if some order parameters are equivalent,
    any number of them is set apart from the others. They do not depend on a basis, as the
    eigenvectors of equal eigenvalues do.
    """
    hessian = jax.jacfwd(jax.jacfwd(line.free_energy))(line.x)
    eigenvalues, vectors = jnp.linalg.eigh((hessian + hessian.T) / 2)
    downwards = jnp.where((eigenvalues < 0)[None], vectors, 0.0)
    axes = jnp.tril(jnp.ones_like(hessian))
    along = axes @ downwards @ downwards.T
    length = jnp.linalg.norm(along, axis=1, keepdims=True)
    unit = jnp.where(length > NO_DIRECTION, along / length, 0.0)
    return jnp.concatenate([unit, -unit])
