"""Is a saddle point stable, and does it survive a finer quadrature? Pure functions of one point."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jax import Array
from jax.flatten_util import ravel_pytree

from .mean_field import Control, Equilibrium, Order, SelfConsistent
from .saddle import residual


def growth_rate(theory: SelfConsistent, order: Order, control: Control) -> Array:
    """Largest real part of the eigenvalues of dF/dx, minus 1; the state is stable if negative.

    It is the rate at which a deviation grows under d order / d time = update(order) - order.
    """
    x, unravel = ravel_pytree(order)
    jacobian = jax.jacfwd(lambda x: ravel_pytree(theory.update(unravel(x), control))[0])(x)
    # eigvals raises on a lane that is not finite; such a lane has no rate
    finite = jnp.all(jnp.isfinite(jacobian))
    rates = jnp.linalg.eigvals(jnp.where(finite, jacobian, jnp.zeros_like(jacobian))).real
    return jnp.where(finite, jnp.max(rates) - 1, jnp.nan)


def hessian_index(theory: Equilibrium, order: Order, control: Control) -> Array:
    """Number of negative eigenvalues of the Hessian of the free energy.

    A replica saddle point is no minimum: along a branch the index is constant, and it changes only
    at a transition (Hopfield network: 1 on the stable retrieval state, 2 beyond its spinodal).
    """
    x, unravel = ravel_pytree(order)
    # forward over forward: no transposition of the quadratures, and half the compile time
    hessian = jax.jacfwd(jax.jacfwd(lambda x: theory.free_energy(unravel(x), control)))(x)
    eigenvalues = jnp.linalg.eigvalsh((hessian + hessian.T) / 2)
    return jnp.sum(eigenvalues < 0).astype(jnp.int32)


def certificate(theory: SelfConsistent, order: Order, control: Control) -> Array:
    """Residual of the state under the refined theory: what the quadrature's nodes left out."""
    return residual(theory.refined(), order, control)
