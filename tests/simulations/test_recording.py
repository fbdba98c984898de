"""Averages over time begin after the burn-in, and the run goes on from where that ended."""

import jax.numpy as jnp
import pytest

from thermolimit.simulations.recording import time_average


@pytest.mark.parametrize("burn_in, sweeps", [(0, 1), (0, 5), (3, 1), (3, 5)])
def test_the_burn_in_is_run_but_not_seen(burn_in, sweeps):
    def one_sweep(state, step):
        # a state that shows which sweeps were run, and in which order
        state = 2 * state + step
        return state, {"step": step.astype(float), "state": state.astype(float)}

    states = [1]
    for step in range(burn_in + sweeps):
        states.append(2 * states[-1] + step)
    averages, last = time_average(one_sweep, jnp.array(1), burn_in, sweeps)
    assert averages["step"] == burn_in + (sweeps - 1) / 2
    assert averages["state"] == pytest.approx(sum(states[-sweeps:]) / sweeps, rel=1e-6)
    assert last == states[-1]
