"""Growth rate and Hessian index against the closed forms of the Curie-Weiss ferromagnet."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from thermolimit.solvers import SinhTrapezoid
from thermolimit.solvers.saddle import find
from thermolimit.solvers.stability import certificate, growth_rate, hessian_index
from thermolimit.theory.curie_weiss import CurieWeiss
from thermolimit.theory.hebbian import hopfield

THEORY = CurieWeiss()


@pytest.fixture(autouse=True)
def double():
    with jax.enable_x64(True):
        yield


@pytest.mark.parametrize("magnetization, temperature", [(0.0, 0.5), (0.0, 1.5), (0.8, 0.6)])
def test_curie_weiss_is_stable_where_its_free_energy_curves_upwards(magnetization, temperature):
    order = THEORY.Order(jnp.asarray(magnetization))
    control = THEORY.Control(jnp.asarray(temperature), jnp.asarray(0.1))
    slope = (1 - np.tanh((magnetization + 0.1) / temperature) ** 2) / temperature
    assert growth_rate(THEORY, order, control) == pytest.approx(slope - 1, abs=1e-14)
    assert hessian_index(THEORY, order, control) == int(slope > 1)


def test_a_state_that_is_not_finite_has_no_growth_rate():
    order, control = THEORY.Order(jnp.asarray(jnp.nan)), THEORY.Control(1.0, 0.0)
    assert jnp.isnan(growth_rate(THEORY, order, control))


def test_the_certificate_sees_what_a_coarse_rule_does_not():
    coarse = hopfield.ReplicaSymmetric(SinhTrapezoid(21))
    control = coarse.Control(jnp.asarray(0.05), jnp.asarray(0.1))
    order = coarse.Order(*map(jnp.asarray, (1.0, 1.0, 1.0)))
    found = find(coarse, order, control)
    assert found.residual < 1e-12
    assert certificate(coarse, found.order, control) > 1e-6
