"""An inner root is where the function vanishes, and moves as the implicit function theorem says."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from thermolimit.solvers import monotone_root


@pytest.fixture(autouse=True)
def double():
    with jax.enable_x64(True):
        yield


@pytest.mark.parametrize("sign", [1, -1])
def test_the_root_of_a_monotone_function_is_found_to_rounding(sign):
    root = monotone_root(lambda x, y: sign * (x**3 - y), 0.0, 10.0, 8.0)
    assert root == pytest.approx(2.0, abs=1e-14)


def test_its_derivative_is_that_of_the_implicit_function():
    def cube_root(y):
        return monotone_root(lambda x, y: x**3 - y, 0.0, 10.0, y)

    assert jax.grad(cube_root)(8.0) == pytest.approx(1 / 12, abs=1e-14)
    assert jax.jacfwd(jax.jacfwd(cube_root))(8.0) == pytest.approx(-2 / 9 / 32, abs=1e-14)


@pytest.mark.parametrize("level, end", [(-5.0, 0.0), (5.0, 1.0)])
def test_without_a_root_the_nearer_end_is_returned(level, end):
    assert monotone_root(lambda x: x - level, 0.0, 1.0) == pytest.approx(end, abs=1e-15)


def test_it_maps_over_batches():
    squares = jnp.arange(1.0, 5.0)
    roots = jax.vmap(lambda y: monotone_root(lambda x, y: x**2 - y, 0.0, 9.0, y))(squares)
    np.testing.assert_allclose(roots, np.sqrt(squares), atol=1e-14)
