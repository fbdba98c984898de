"""Theories unlike the Hopfield network pass the labelled edge too, and wrong ones are named."""

import threading
from dataclasses import dataclass
from typing import Annotated, Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import xarray as xr

from thermolimit import solvers
from thermolimit.solvers import SinhTrapezoid, Status, expectation
from thermolimit.solvers.quadrature import GaussianRule
from thermolimit.theory.curie_weiss import CurieWeiss, GlauberDynamics

SPECTRUM = np.array([0.2, 0.5, 0.9])


@dataclass(frozen=True)
class Modes(solvers.SelfConsistent):
    """One order parameter per mode of a spectrum: x_i = E tanh(g lambda_i x_i + h z + 1)."""

    rule: GaussianRule = SinhTrapezoid(41)
    name: str = "modes"

    class Order(NamedTuple):
        x: Annotated[Any, "mode"]

    class Control(NamedTuple):
        gain: Any
        spectrum: Annotated[Any, "mode"]

    @property
    def starts(self):
        return {"spectrum": lambda control: self.Order(control.gain * control.spectrum)}

    def update(self, order, control):
        def one(x, eigenvalue):
            return expectation(
                jnp.tanh, control.gain * eigenvalue * x + 1, 0.3, scale=1.0, rule=self.rule
            )

        return self.Order(jax.vmap(one)(order.x, control.spectrum))


@dataclass(frozen=True)
class Wide(solvers.SelfConsistent):
    """100 unknowns, beyond those for which Newton is used."""

    class Order(NamedTuple):
        x: Annotated[Any, "mode"]

    class Control(NamedTuple):
        gain: Any

    starts = {"zero": Order(np.zeros(100))}

    def update(self, order, control):
        return self.Order(control.gain * order.x / 2 + jnp.arange(100.0))


@dataclass(frozen=True)
class HalfPlane(solvers.SelfConsistent):
    """x = sqrt(x + a): not a number on part of the grid."""

    class Order(NamedTuple):
        x: Any

    class Control(NamedTuple):
        a: Any

    starts = {"zero": Order(0.0)}

    def update(self, order, control):
        return self.Order(jnp.sqrt(order.x + control.a))


def test_orders_and_controls_may_have_dimensions_of_their_own():
    data = solvers.saddle_points(Modes(), gain=[0.5, 1.0], spectrum=SPECTRUM)
    assert data["x"].dims == ("gain", "start", "mode")
    np.testing.assert_array_equal(data["spectrum"], SPECTRUM)
    assert data["name"].item() == "modes"
    again = solvers.certify(Modes(), data, rule=SinhTrapezoid(201))
    assert (again["certificate"] < 1e-9).all()
    single = solvers.saddle_points(Modes(), gain=1.0, spectrum=SPECTRUM[1:2], start="spectrum")
    assert single["x"].item() == pytest.approx(data["x"].sel(gain=1.0)[0, 1].item(), abs=1e-12)


def test_a_whole_control_must_have_its_dimensions():
    elsewhere = xr.DataArray(SPECTRUM, dims="eigenvalue")
    with pytest.raises(ValueError, match=r"spectrum must have the dimensions \(mode\)"):
        solvers.saddle_points(Modes(), gain=1.0, spectrum=elsewhere)
    with pytest.raises(ValueError, match=r"spectrum must have the dimensions \(mode\)"):
        solvers.saddle_points(Modes(), gain=1.0, spectrum=0.3)


def test_many_unknowns_are_solved_by_the_map_alone():
    data = solvers.saddle_points(Wide(), gain=1.0, start="zero")
    np.testing.assert_allclose(data["x"], 2 * np.arange(100.0), rtol=1e-9)


def test_part_of_a_grid_may_be_no_number():
    with pytest.warns(solvers.ConvergenceWarning, match="1 NOT_FINITE of 2 points"):
        data = solvers.saddle_points(HalfPlane(), a=[-1.0, 2.0], start="zero")
    assert data["status"].values.tolist() == [Status.NOT_FINITE, Status.OK]
    assert data["x"][1] == pytest.approx(2.0, abs=1e-12)


@pytest.mark.parametrize("setting", ["jax_debug_nans", "jax_enable_x64", "jax_disable_jit"])
def test_settings_of_the_user_do_not_matter(setting):
    expected = solvers.saddle_points(CurieWeiss(), temperature=[0.5, 1.5])
    before = getattr(jax.config, setting)
    jax.config.update(setting, not before)
    try:
        if setting != "jax_disable_jit":
            found = solvers.saddle_points(CurieWeiss(), temperature=[0.5, 1.5])
            xr.testing.assert_identical(found, expected)
        with pytest.warns(solvers.ConvergenceWarning):
            solvers.saddle_points(HalfPlane(), a=-1.0, start="zero")
        assert getattr(jax.config, setting) is not before
    finally:
        jax.config.update(setting, before)


def test_it_may_be_called_inside_the_users_own_jit():
    @jax.jit
    def twice(x):
        state = solvers.saddle_points(CurieWeiss(), temperature=0.5, start="up")
        return x * float(state["magnetization"])

    expected = solvers.saddle_points(CurieWeiss(), temperature=0.5, start="up")["magnetization"]
    assert float(twice(2.0)) == pytest.approx(2 * expected.item(), rel=1e-6)


def test_it_may_be_called_from_several_threads():
    found = {}

    def solve(load):
        found[load] = solvers.saddle_points(CurieWeiss(), temperature=0.5, field=load)

    threads = [threading.Thread(target=solve, args=(load,)) for load in (0.1, 0.2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for load, data in found.items():
        xr.testing.assert_identical(
            data, solvers.saddle_points(CurieWeiss(), temperature=0.5, field=load)
        )


@dataclass
class Mutable(solvers.SelfConsistent):
    """Not frozen, so that it has no hash."""


@pytest.mark.parametrize(
    "theory, sentence",
    [
        (CurieWeiss, r"CurieWeiss is a class; pass an instance, CurieWeiss\(\)"),
        (GlauberDynamics(), "GlauberDynamics is no SelfConsistent theory"),
        (Mutable(), "Mutable must be a dataclass with frozen=True"),
        (3, "int is no SelfConsistent theory"),
    ],
)
def test_something_else_than_a_theory_is_named(theory, sentence):
    with pytest.raises(TypeError, match=sentence):
        solvers.saddle_points(theory, temperature=0.5)


def test_a_theory_without_a_rule_cannot_be_certified_with_another():
    data = solvers.saddle_points(CurieWeiss(), temperature=0.5)
    with pytest.raises(TypeError, match="CurieWeiss has no quadrature rule"):
        solvers.certify(CurieWeiss(), data, rule=SinhTrapezoid(201))


@pytest.mark.parametrize("start", [[], ["up", "up"]])
def test_starts_must_be_named_once(start):
    with pytest.raises(ValueError, match="names no start, or one twice"):
        solvers.saddle_points(CurieWeiss(), temperature=0.5, start=start)


def test_equilibrium_needs_several_starts():
    data = solvers.saddle_points(CurieWeiss(), temperature=0.5, start="up")
    with pytest.raises(ValueError, match="dimension 'start'"):
        solvers.equilibrium(data)


def test_a_dimension_of_the_results_cannot_be_one_of_the_grid():
    line = xr.DataArray([0.5, 0.6], dims="start")
    with pytest.raises(ValueError, match="cannot be called 'start'"):
        solvers.saddle_points(CurieWeiss(), temperature=line)
