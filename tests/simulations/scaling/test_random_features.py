"""Simulated SGD on random features: exact means for the same W, and the data themselves."""

import jax
import numpy as np
import pytest
from scipy import stats

from thermolimit.experiments import sweep
from thermolimit.simulations import log_steps
from thermolimit.simulations.scaling import disorder, random_features
from thermolimit.solvers import Status
from thermolimit.theory.scaling import quenched

ALPHA, BETA, D, V = 0.7, 0.6, 20, 80
RUN = {"alpha": ALPHA, "beta": BETA, "dimension": D, "n_features": V}
STEPS = log_steps(300, 4)
# so small that the loss has a variance, and its mean an error; larger steps make heavy tails
SIZES = [(1, 0.15), (4, 0.08)]
# of the largest of a dozen correlated deviations: by chance in at most 3 of 100 tests
STANDARD_ERRORS = 3


def exact(draw, gamma, B):
    """Mean loss of the W of a draw, by the theory's own decomposition."""
    j = np.arange(1.0, V + 1)
    W = disorder.shared_disorder(draw, dimension=D, n_features=V)
    modes = quenched.modes(W, j ** (-2 * ALPHA), j**-BETA)
    return quenched.loss(*modes, gamma, B, step=STEPS.astype(float)).loss


def assert_mean(loss, mean):
    """The average over replicas (replicas, steps), at all recorded steps."""
    loss = loss.astype(float)
    error = loss.std(axis=0, ddof=1) / len(loss) ** 0.5
    assert loss[:, 0] == pytest.approx(mean[0], rel=1e-6)  # before the first step
    assert (abs(loss.mean(axis=0) - mean)[1:] < STANDARD_ERRORS * error[1:]).all()
    assert (error < 0.03 * mean).all()  # small enough to mean something


@pytest.mark.parametrize(("B", "gamma"), SIZES)
def test_mean_loss_is_exact_for_the_same_features(B, gamma):
    data = sweep(
        random_features.simulate, seed=1, replicas=2000, tile=500, step_size=gamma, batch=B,
        draw=1, step=STEPS, **RUN,
    )  # fmt: skip
    assert_mean(data["loss"].values, exact(1, gamma, B))


@pytest.mark.slow
def test_mean_loss_is_exact_for_every_shared_draw():
    data = sweep(
        random_features.simulate, seed=2, replicas=4000, tile=500, step_size=0.15, draw=[1, 2, 3],
        step=STEPS, **RUN,
    )  # fmt: skip
    for draw in (1, 2, 3):
        assert_mean(data["loss"].sel(draw=draw).values, exact(draw, 0.15, 1))


def test_mean_loss_is_exact_for_a_spectrum_and_a_target_of_ones_own():
    rng = np.random.default_rng(3)
    lam, b = rng.uniform(0.05, 1, V), rng.normal(size=V) / 4
    modes = disorder.modes_of_spectrum(np.random.default_rng(8), lam, b, D)
    W = np.random.default_rng(8).standard_normal((V, D)) / D**0.5
    data = sweep(
        random_features.simulate_modes, seed=3, replicas=2000, tile=500, step_size=0.01, batch=2,
        eigenvalues=modes.eigenvalues, position=modes.start, noise=modes.noise, step=STEPS,
    )  # fmt: skip
    mean = quenched.loss(*quenched.modes(W, lam, b), 0.01, 2, step=STEPS.astype(float)).loss
    assert_mean(data["loss"].values, mean)


@pytest.mark.slow
def test_reduced_and_ambient_losses_have_the_same_law():
    reduced, ambient = (
        sweep(
            run, seed=seed, replicas=1000, tile=500, step_size=0.1, batch=2, draw=4,
            step=[1, 10, 60], **RUN,
        )["loss"].values
        for seed, run in enumerate([random_features.simulate, random_features.simulate_ambient])
    )  # fmt: skip
    for one, other in zip(reduced.T, ambient.T, strict=True):
        assert stats.ks_2samp(one, other).pvalue > 1e-3
        assert one.std() > 0.01 * one.mean()  # a law, and no number


@pytest.mark.slow
def test_mean_ambient_loss_is_exact():
    data = sweep(
        random_features.simulate_ambient, seed=5, replicas=2000, tile=100, step_size=0.1, batch=2,
        draw=5, step=STEPS, **RUN,
    )  # fmt: skip
    assert_mean(data["loss"].values, exact(5, 0.1, 2))


def test_modes_are_those_of_the_features():
    key = jax.random.key(0)
    with jax.enable_x64(True):
        modes = disorder.modes(key, 1.5, 0.4, 7, D, V)
        A, t = map(np.asarray, disorder.weighted(key, 1.5, 0.4, 7, D, V))
    j = np.arange(1.0, V + 1)
    W = disorder.shared_disorder(7, dimension=D, n_features=V)
    assert A == pytest.approx(j[:, None] ** -1.5 * W)
    U, singular, _ = np.linalg.svd(A, full_matrices=False)
    assert np.asarray(modes.eigenvalues) == pytest.approx(singular**2, rel=1e-10)
    assert abs(np.asarray(modes.start)) == pytest.approx(abs(U.T @ t), rel=1e-9)
    assert float(modes.noise) == pytest.approx(np.linalg.norm(t - U @ (U.T @ t)), rel=1e-10)


def test_entries_of_the_features_are_standard_normal_over_root_d():
    W = disorder.shared_disorder(1, dimension=100, n_features=400)
    assert stats.kstest(W.ravel() * 10, "norm").pvalue > 1e-3


def test_replicas_share_features_or_have_their_own():
    step = np.array([0, 20_000])
    shared, own = (
        sweep(
            random_features.simulate, seed=1, replicas=6, step_size=1e-9, draw=draw, step=step,
            precision=64, **RUN,
        )["loss"].values
        for draw in (1, 0)
    )  # fmt: skip
    # so small a step follows gradient flow, which differs between replicas by their W alone
    assert np.ptp(shared[:, 1] - shared[:, 0]) < 0.05 * np.ptp(own[:, 1] - own[:, 0])
    power = np.sum(np.arange(1.0, V + 1) ** (-2 * ALPHA - 2 * BETA))
    assert own[:, 0] == pytest.approx(power, rel=1e-13)


def test_record_times_do_not_change_a_run():
    often, once = (
        sweep(random_features.simulate, seed=3, replicas=3, step_size=0.2, step=step, **RUN)["loss"]
        for step in ([0, 1, 63, 64, 65, 100, 300], [300])
    )
    assert (often.sel(step=300).values == once.sel(step=300).values).all()


def test_a_checkpointed_state_goes_on_to_the_same_numbers():
    state = random_features.init(jax.random.key(1), ALPHA, BETA, 0.2, dimension=D, n_features=V)
    whole = random_features.advance(state, 300)
    parts = random_features.advance(random_features.advance(state, 100), 300)
    assert (whole.position == parts.position).all()


def test_an_unstable_run_is_reported():
    data = sweep(random_features.simulate, seed=1, replicas=2, step_size=3.0, step=[10_000], **RUN)
    assert (data["status"] == Status.NOT_FINITE).all()


@pytest.mark.parametrize("run", [random_features.simulate, random_features.simulate_ambient])
def test_as_many_random_features_as_features_are_refused(run):
    with pytest.raises(ValueError, match="dimension = 20 is not below n_features = 20"):
        sweep(run, seed=1, replicas=1, step_size=0.1, step=[1], **(RUN | {"n_features": 20}))


def test_arguments_outside_their_range_are_refused():
    with pytest.raises(ValueError, match=r"alpha = -1 is outside \(0, inf\)"):
        sweep(
            random_features.simulate, seed=1, replicas=1, step_size=0.1, step=[1],
            **(RUN | {"alpha": -1}),
        )  # fmt: skip
