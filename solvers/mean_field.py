"""What a solver needs to know of a theory: the shapes that a theory can have.

A theory is a frozen dataclass. Its fields are structure (static, hashable); its numbers are named
by two nested NamedTuples, ``Order`` and ``Control``. Everything is written for one point.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Self

import jax
import numpy as np
from jax import Array

Order = Any  # a NamedTuple of arrays: the order parameters of one point
Control = Any  # a NamedTuple of arrays: the control parameters of one point


class Theory:
    """What all theories share: names, where solvers start, and the finer rule that certifies."""

    Order: ClassVar[type]
    Control: ClassVar[type]

    # name -> Order, or a function Control -> Order where a constant would leave the domain
    starts: ClassVar[Mapping[str, Order | Callable[[Control], Order]]]

    def check(self, control: Mapping[str, np.ndarray]) -> None:
        """Raise ValueError for control parameters, arrays by name, that make no sense together."""

    def refined(self) -> Self:
        """The same theory with three times finer quadrature rules; itself if it has none."""
        finer = {
            field.name: getattr(self, field.name).refined()
            for field in dataclasses.fields(self)  # type: ignore[arg-type]
            if hasattr(getattr(self, field.name), "refined")
        }
        return dataclasses.replace(self, **finer) if finer else self  # type: ignore[type-var]


class SelfConsistent(Theory):
    """A theory stated by its self-consistency equations, order = update(order, control)."""

    def update(self, order: Order, control: Control) -> Order:
        """Right-hand side of the self-consistency equations."""
        raise NotImplementedError(f"{type(self).__name__} states no update(order, control)")

    def domain(self, order: Order, control: Control) -> Array | bool:
        """Whether the formulas mean something at this point."""
        return True


class Equilibrium(SelfConsistent):
    """A theory stated by a free energy that is stationary at its states.

    ``free_energy`` is what equilibrium minimises: -T log Z / N, or -log Z / N without temperature.
    """

    def free_energy(self, order: Order, control: Control) -> Array:
        """Free energy per degree of freedom."""
        raise NotImplementedError(f"{type(self).__name__} states no free_energy(order, control)")

    def update(self, order: Order, control: Control) -> Order:
        """One gradient step of unit length: the self-consistency map of |order|^2 / 2 - g(order).

        A theory whose free energy has another form states its own map.
        """
        gradient = jax.grad(self.free_energy)(order, control)
        return jax.tree.map(lambda x, slope: x - slope, order, gradient)


class Flow(Theory):
    """A theory stated by how its order parameters move: d order / d time = velocity."""

    def velocity(self, order: Order, control: Control) -> Order:
        """Time derivative of the order parameters."""
        raise NotImplementedError(f"{type(self).__name__} states no velocity(order, control)")
