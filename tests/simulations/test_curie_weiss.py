"""The simulated ferromagnet samples the Gibbs law, and relaxes as its flow."""

import math

import numpy as np
import pytest
from scipy.special import comb

from thermolimit import solvers
from thermolimit.experiments import compare, sweep
from thermolimit.simulations import curie_weiss, log_steps
from thermolimit.theory.curie_weiss import CurieWeiss, GlauberDynamics

STANDARD_ERRORS = 4


def exact(n, temperature, field):
    """Mean magnetization and energy per spin, from the number of states with k spins up."""
    k = np.arange(n + 1)
    m = (2 * k - n) / n
    energy = -(m**2) / 2 + 1 / (2 * n) - field * m
    weight = comb(n, k) * np.exp(-n * energy / temperature)
    return {"magnetization": weight @ m / weight.sum(), "energy": weight @ energy / weight.sum()}


@pytest.mark.parametrize("dynamics", ["glauber", "metropolis"])
def test_averages_agree_with_the_enumeration_of_all_states(dynamics):
    point = {"temperature": 1.2, "field": 0.1}
    data = sweep(
        curie_weiss.simulate, seed=2, replicas=64, n_spins=10, sweeps=2000, dynamics=dynamics,
        **point,
    )  # fmt: skip
    for name, mean in exact(10, **point).items():
        error = data[name].std(ddof=1).item() / math.sqrt(64)
        assert abs(data[name].mean().item() - mean) < STANDARD_ERRORS * error
        assert error < 0.01


def test_large_systems_approach_the_limit_as_one_over_n():
    """At T = 0.6 the correction of order 1 / N follows from the Gaussian fluctuations of m."""
    sizes = [100, 200, 400]
    measured = sweep(
        curie_weiss.simulate, seed=1, replicas=64, n_spins=sizes, temperature=0.6, sweeps=400
    )
    predicted = solvers.saddle_points(CurieWeiss(), start="up", temperature=0.6)
    difference = compare(predicted, measured)
    m = predicted["magnetization"].item()
    # P(m) ~ exp(-N g(m)) / sqrt(1 - m^2), expanded around the minimum of g = entropy and energy / T
    stiffness = 1 / (1 - m**2) - 1 / 0.6
    cubic = 2 * m / (1 - m**2) ** 2
    slope = m / (1 - m**2)
    shift = (slope / stiffness - cubic / (2 * stiffness**2)) / np.array(sizes)
    pull = (difference["magnetization_difference"] - shift) / difference["magnetization_error"]
    assert (abs(pull) < STANDARD_ERRORS).all()


def test_relaxation_follows_the_flow():
    steps = np.array([0, 1, 2, 4, 8])
    measured = sweep(
        curie_weiss.relax, seed=1, replicas=32, n_spins=2000, temperature=1.3, field=0.0, step=steps
    )
    flow = solvers.trajectory(GlauberDynamics(), start="up", temperature=1.3, time=steps)
    mean = measured["magnetization"].mean("replica").values
    error = measured["magnetization"].std("replica", ddof=1).values / math.sqrt(32)
    difference = mean - flow["magnetization"].values
    assert difference[0] == 0
    # the flow holds up to terms of order 1 / N
    assert (abs(difference[1:]) < STANDARD_ERRORS * error[1:] + 2 / 2000).all()


def test_record_times_do_not_change_a_run():
    arguments = {"seed": 3, "replicas": 4, "n_spins": 50, "temperature": 0.9, "field": 0.0}
    all_steps, some = (
        sweep(curie_weiss.relax, step=step, **arguments) for step in (np.arange(21), [3, 20])
    )
    np.testing.assert_array_equal(
        some["magnetization"], all_steps["magnetization"].sel(step=[3, 20])
    )


def test_log_steps_are_whole_increasing_and_end_where_asked():
    steps = log_steps(1000, per_decade=5)
    assert steps[0] == 0 and steps[1] == 1 and steps[-1] == 1000
    assert (np.diff(steps) > 0).all() and steps.dtype == int
    # dense steps at the beginning, a constant ratio later
    ratios = steps[steps > 20][1:] / steps[steps > 20][:-1]
    np.testing.assert_allclose(ratios, 10 ** (1 / 5), rtol=0.05)
    with pytest.raises(ValueError, match="last = 0"):
        log_steps(0)
