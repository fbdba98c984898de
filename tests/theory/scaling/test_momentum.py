"""The second moments of stochastic momentum: special cases, and an independent simulation."""

import numpy as np
import pytest

from thermolimit import solvers
from thermolimit.theory.scaling import momentum, quenched

LAM, W = np.arange(1.0, 13.0) ** -1.4, np.arange(1.0, 13.0) ** -2.6
P_INF = 0.01
RECORDS = np.array([0.0, 1.0, 2.0, 5.0, 20.0, 100.0, 400.0])
STANDARD_ERRORS = 3.5  # 7 records, of which neighbours are correlated: 1 in 300 by chance


@pytest.mark.parametrize("B", [1, 3])
def test_without_momentum_it_is_sgd(B):
    found = momentum.loss(LAM, W, P_INF, 0.2, 0.0, 4.0, batch=B, step=RECORDS).loss
    sgd = quenched.loss(LAM, W, P_INF, 0.2, B, step=RECORDS).loss
    assert found == pytest.approx(sgd, rel=1e-13)


def test_first_step_is_one_of_sgd_with_both_step_sizes():
    """Delta(0) = 1 forgets nothing, for y_0 = 0, and y_1 = G."""
    found = momentum.loss(LAM, W, P_INF, 0.1, 0.05, 4.0, decay=0.7, step=np.ones(1)).loss
    assert found == pytest.approx(quenched.loss(LAM, W, P_INF, 0.15, step=np.ones(1)).loss)


def test_strongly_damped_momentum_is_sgd_with_both_step_sizes():
    found = momentum.loss(LAM, W, P_INF, 0.1, 0.05, 1e12, step=RECORDS).loss
    sgd = quenched.loss(LAM, W, P_INF, 0.15, step=RECORDS).loss
    assert found == pytest.approx(sgd, rel=1e-8)


def test_small_steps_follow_the_deterministic_recursion():
    """Noise is of second order in the step sizes, and e, y then obey linear equations."""
    gamma_2, gamma_3, delta, decay = 1e-4, 1e-5, 5.0, 0.5
    e, y = np.sqrt(W), np.zeros_like(W)
    for t in range(1000):
        G = LAM * e
        y = t / (delta + t) * y + G
        e = e - gamma_2 * G - gamma_3 * (1 + t) ** -decay * y
    found = momentum.loss(LAM, W, P_INF, gamma_2, gamma_3, delta, decay, step=np.array([1000.0]))
    assert found.loss == pytest.approx(P_INF + e @ e, rel=2e-4)


@pytest.mark.parametrize("decay", [0.0, 0.6])
@pytest.mark.parametrize("B", [1, 2])
def test_mean_of_simulated_runs(B, decay):
    """4000 runs in NumPy, from the definition of the algorithm."""
    gamma_2, gamma_3, delta, replicas = 0.12, 0.02, 5.0, 4000
    rng = np.random.default_rng(17)
    e, y, measured = np.tile(np.sqrt(W / LAM), (replicas, 1)), np.zeros((replicas, LAM.size)), []
    for t in range(int(RECORDS[-1]) + 1):
        if t in RECORDS:
            measured.append(P_INF + e**2 @ LAM)
        a = rng.standard_normal((replicas, B, LAM.size)) * np.sqrt(LAM)
        noise = np.sqrt(P_INF) * rng.standard_normal((replicas, B))
        G = np.einsum("nbi,nb->ni", a, np.einsum("nbi,ni->nb", a, e) - noise)
        y = (1 - delta / (delta + t)) * y + G
        e = e - gamma_2 * G - gamma_3 * (1 + t) ** -decay * y
    found = momentum.loss(LAM, W, P_INF, gamma_2, gamma_3, delta, decay, B, step=RECORDS).loss
    measured = np.array(measured)
    error = measured.std(axis=1, ddof=1) / np.sqrt(replicas)
    assert found[0] == pytest.approx(measured[0].mean())
    assert (abs(measured.mean(axis=1) - found)[1:] < STANDARD_ERRORS * error[1:]).all()
    assert (error < 0.03 * found).all()  # small enough to mean something


def test_evaluated_over_momentum_sizes():
    data = solvers.evaluate(
        momentum.loss, eigenvalues=LAM, weights=W, irreducible_loss=P_INF, step_size=0.1,
        momentum_size=[0.0, 0.01], damping=4.0, step=RECORDS,
    )  # fmt: skip
    assert dict(data["loss"].sizes) == {"momentum_size": 2, "step": 7}
