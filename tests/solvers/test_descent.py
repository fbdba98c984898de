"""From unstable states down to stable ones: free energies whose minima are known."""

from dataclasses import dataclass
from typing import Annotated, Any, NamedTuple

import jax.numpy as jnp
import numpy as np
import pytest
import xarray as xr

from thermolimit import solvers
from thermolimit.solvers import Status
from thermolimit.theory.curie_weiss import CurieWeiss


class Paramagnet(CurieWeiss):
    """A ferromagnet that begins without a magnetization."""

    starts = {"nothing": CurieWeiss.Order(0.0)}


@dataclass(frozen=True)
class Quartic(solvers.Equilibrium):
    """f = -g |x|^2 / 2 + b sum x_i^4 / 4 + |x|^4 / 4: three equivalent unstable directions."""

    class Order(NamedTuple):
        x: Annotated[Any, "axis"]

    class Control(NamedTuple):
        rate: Any
        anisotropy: Any

    starts = {"nothing": Order(np.zeros(3))}

    def free_energy(self, order, control):
        (x,), (g, b) = order, control
        square = x @ x
        return -g * square / 2 + b * jnp.sum(x**4) / 4 + square**2 / 4


class Upside(CurieWeiss):
    """A theory whose states are those of a ferromagnet, and maxima of what it calls free energy."""

    def update(self, order, control):
        return self.Order(jnp.tanh((order.magnetization + control.field) / control.temperature))

    def free_energy(self, order, control):
        return -super().free_energy(order, control)


@dataclass(frozen=True)
class Cascade(solvers.Equilibrium):
    """f = -x^2 / 2 + x^4 / 4 + (a - 2 a x^2) y^2 / 2 + y^4 / 4: y is unstable where x = 1."""

    class Order(NamedTuple):
        x: Any
        y: Any

    class Control(NamedTuple):
        coupling: Any

    starts = {"nothing": Order(0.0, 0.0)}

    def free_energy(self, order, control):
        (x, y), (a,) = order, control
        return -(x**2) / 2 + x**4 / 4 + (a - 2 * a * x**2) * y**2 / 2 + y**4 / 4


def from_nothing(theory, start, **controls):
    """The state that a single start finds, and what lies below it."""
    found = solvers.saddle_points(theory, start=[start], **controls)
    return found.isel(start=0), solvers.descend(theory, found)


def test_below_its_critical_temperature_a_paramagnet_descends_to_a_magnetized_state():
    T = np.array([0.3, 0.9, 0.99, 0.9999, 1.1])
    above, found = from_nothing(Paramagnet(), "nothing", temperature=T)
    assert (above["magnetization"] == 0).all()
    m = abs(found["magnetization"].values)
    np.testing.assert_allclose(m, np.tanh(m / T), atol=1e-10)  # which has one solution m > 0
    assert ((m > 0) == (T < 1)).all()
    assert (found["growth_rate"] < 0).all()
    assert (found["status"] == Status.OK).all()
    assert found["descents"].values.tolist() == [1, 1, 1, 1, 0]
    assert (found["free_energy"] < above["free_energy"])[:-1].all()
    assert (found["start"] == "nothing").all()


@pytest.mark.parametrize("anisotropy", [0.5, -0.5])
def test_of_equivalent_directions_the_right_ones_are_chosen_together(anisotropy):
    g = np.array([1e-5, 1e-3, 0.3])
    _, found = from_nothing(Quartic(), "nothing", rate=g, anisotropy=anisotropy)
    # on a diagonal all three have grown, on an axis one
    grown = 3 if anisotropy > 0 else 1
    square = g / (anisotropy + grown)
    expected = np.where(np.arange(3) < 3 - grown, 0, np.sqrt(square)[:, None])
    x = np.sort(abs(found["x"].transpose("rate", "axis").values), axis=1)
    np.testing.assert_allclose(x, expected, rtol=1e-8, atol=1e-12)
    np.testing.assert_allclose(found["free_energy"], -g * grown * square / 4, rtol=1e-8)
    assert (found["growth_rate"] < 0).all()


def test_a_state_below_that_is_unstable_itself_is_left_too():
    a = 0.2
    _, found = from_nothing(Cascade(), "nothing", coupling=a)
    y = a / (1 - 4 * a**2)
    assert found["y"].item() ** 2 == pytest.approx(y, abs=1e-12)
    assert found["x"].item() ** 2 == pytest.approx(1 + 2 * a * y, abs=1e-12)
    assert found["descents"] == 2
    assert found["growth_rate"] < 0


def test_on_a_transition_nothing_lies_lower_and_the_growth_rate_says_so():
    _, found = from_nothing(Quartic(), "nothing", rate=0.0, anisotropy=0.5)
    assert found["growth_rate"] == 0
    assert (found["status"], found["descents"]) == (Status.OK, 0)


def test_the_lowest_of_the_states_is_taken_and_its_start_named():
    h = np.array([0.1, -0.1])
    data = solvers.saddle_points(CurieWeiss(), temperature=0.5, field=h)
    found = solvers.descend(CurieWeiss(), data)
    xr.testing.assert_allclose(
        found["magnetization"], solvers.equilibrium(data)["magnetization"], atol=1e-12
    )
    assert found["start"].values.tolist() == ["up", "down"]
    assert (found["descents"] == 0).all()


def test_where_no_start_has_found_a_state_the_status_is_not_ok():
    data = solvers.saddle_points(CurieWeiss(), temperature=[0.5, 0.6])
    lost = data["temperature"] == 0.5
    data["magnetization"] = data["magnetization"].where(~lost)
    data["status"] = data["status"].where(~lost, int(Status.NOT_CONVERGED))
    found = solvers.descend(CurieWeiss(), data)
    assert found["status"].values.tolist() == [Status.NOT_FINITE, Status.OK]


def test_states_that_are_no_minima_are_refused():
    data = solvers.saddle_points(Upside(), temperature=0.5)
    with pytest.raises(ValueError, match="stable states that are no minima of its free energy"):
        solvers.descend(Upside(), data)


def test_a_single_start_by_name_is_refused():
    data = solvers.saddle_points(CurieWeiss(), start="up", temperature=0.5)
    with pytest.raises(ValueError, match="along a dimension 'start' only"):
        solvers.descend(CurieWeiss(), data)
