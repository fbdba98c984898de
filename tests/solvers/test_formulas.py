"""A formula is evaluated on the grid that its arguments span."""

from typing import Annotated, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import Array

from thermolimit import solvers
from thermolimit.simulations import curie_weiss as simulation
from thermolimit.solvers import Label, Status
from thermolimit.theory import curie_weiss

calls = []


class Power(NamedTuple):
    value: Annotated[Array | float, Label("$x^n$")]


class Series(NamedTuple):
    value: Annotated[Array, "step"]


@jax.jit
def product(x: Array, y: Array | float = 2.0) -> Power:
    return Power(x * y)


def power(x: Annotated[float, (0.0, 10.0)], *, exponent: int) -> Power:
    calls.append((x, exponent))
    return Power(x**exponent)


@jax.jit
def decay(rate: Array, step: Annotated[Array, "step"]) -> Series:
    return Series(jnp.exp(-rate * step))


def test_a_jitted_formula_is_batched_over_its_numbers():
    x, y = np.linspace(0, 1, 20), np.array([1.0, 3.0])
    data = solvers.evaluate(product, x=x, y=y)
    np.testing.assert_array_equal(data["value"].transpose("x", "y"), np.outer(x, y))
    assert data["value"].dtype == np.float64
    assert data["value"].attrs["long_name"] == "$x^n$"


def test_a_default_stays_a_scalar_coordinate():
    data = solvers.evaluate(product, x=3.0)
    assert (data["value"].item(), data["y"].item()) == (6.0, 2.0)


def test_a_plain_formula_is_called_once_per_point_and_its_shape_axes_come_first():
    calls.clear()
    data = solvers.evaluate(power, x=[2.0, 3.0], exponent=[1, 2, 5])
    assert data["value"].dims == ("exponent", "x")
    np.testing.assert_array_equal(data["value"], [[2, 3], [4, 9], [32, 243]])
    assert len(calls) == 6


def test_an_argument_with_a_dimension_is_passed_whole_and_becomes_its_coordinate():
    step = np.array([0.0, 1.0, 10.0])
    data = solvers.evaluate(decay, rate=[0.1, 0.2], step=step)
    assert data["value"].dims == ("rate", "step")
    np.testing.assert_array_equal(data["step"], step)
    np.testing.assert_allclose(data["value"], np.exp(-np.outer([0.1, 0.2], step)), rtol=1e-15)


def test_what_is_not_finite_has_that_status():
    data = solvers.evaluate(decay, rate=[-1e3, 1.0], step=[1.0])
    assert data["status"].values.tolist() == [Status.NOT_FINITE, Status.OK]


@pytest.mark.parametrize(
    "axes, error, sentence",
    [
        ({"x": 11.0, "exponent": 1}, ValueError, r"x = 11 is outside \(0, 10\)"),
        ({"x": 1.0, "exponent": 1.5}, ValueError, "exponent = 1.5 is not a whole number"),
        ({"x": 1.0}, TypeError, "missing argument exponent"),
        ({"x": 1.0, "exponnt": 1}, TypeError, "'exponnt'; did you mean 'exponent'"),
    ],
)
def test_bad_input_gets_one_sentence(axes, error, sentence):
    with pytest.raises(error, match=sentence):
        solvers.evaluate(power, **axes)


def test_the_spinodal_of_curie_weiss_is_where_its_map_is_marginal():
    temperature = np.array([0.2, 0.5, 0.9])
    data = solvers.evaluate(curie_weiss.spinodal, temperature=temperature)
    m, h = data["magnetization"], data["field"]
    np.testing.assert_allclose(m, np.tanh((m + h) / temperature), atol=1e-14)
    np.testing.assert_allclose((1 - m**2) / temperature, 1, atol=1e-14)


def test_a_simulation_is_no_formula():
    with pytest.raises(TypeError, match="is a simulation: use experiments.sweep"):
        solvers.evaluate(simulation.simulate, temperature=1.0, n_spins=4)
