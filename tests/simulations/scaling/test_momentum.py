"""Simulated stochastic momentum: exact means for the same W, and SGD without momentum."""

import jax
import numpy as np
import pytest

from thermolimit.experiments import sweep
from thermolimit.simulations import log_steps
from thermolimit.simulations.scaling import disorder, random_features
from thermolimit.simulations.scaling import momentum as network
from thermolimit.theory.scaling import momentum, quenched

ALPHA, BETA, D, V = 0.7, 0.6, 20, 80
RUN = {"alpha": ALPHA, "beta": BETA, "dimension": D, "n_features": V, "draw": 1}
STEPS = log_steps(300, 4)
# of the largest of a dozen correlated deviations: by chance in at most 3 of 100 tests
STANDARD_ERRORS = 3


@pytest.mark.parametrize(
    ("B", "numbers"),
    [
        (1, {"step_size": 0.1, "momentum_size": 0.01, "damping": 6.0}),
        pytest.param(
            2,
            {"step_size": 0.05, "momentum_size": 0.05, "damping": 6.0, "decay": 0.7},
            marks=pytest.mark.slow,
        ),
    ],
)
def test_mean_loss_is_exact_for_the_same_features(B, numbers):
    j = np.arange(1.0, V + 1)
    W = disorder.shared_disorder(1, dimension=D, n_features=V)
    modes = quenched.modes(W, j ** (-2 * ALPHA), j**-BETA)
    mean = momentum.loss(*modes, **numbers, batch=B, step=STEPS.astype(float)).loss
    loss = sweep(
        network.simulate, seed=1, replicas=2000, tile=500, batch=B, step=STEPS, **numbers, **RUN
    )["loss"].values
    error = loss.std(axis=0, ddof=1, dtype=float) / len(loss) ** 0.5
    assert (abs(loss.mean(axis=0) - mean)[1:] < STANDARD_ERRORS * error[1:]).all()
    assert (error < 0.03 * mean).all()  # small enough to mean something


def test_without_momentum_it_is_sgd():
    with jax.enable_x64(True):
        key, shapes = jax.random.key(3), {"dimension": D, "n_features": V}
        sgd = random_features.init(key, ALPHA, BETA, 0.2, **shapes)
        same = network.init(key, ALPHA, BETA, 0.2, 0.0, 6.0, **shapes)
        sgd, same = random_features.advance(sgd, 200), network.advance(same, 200)
        assert np.asarray(same.position) == pytest.approx(np.asarray(sgd.position), rel=1e-9)
