"""Dense networks at several sizes, up to twice the largest of the published comparison: overlaps
tend to those of the theory as 1 / N."""

import math

import pytest

from thermolimit import solvers
from thermolimit.experiments import sweep
from thermolimit.simulations.hebbian import dense_memory as network
from thermolimit.theory.hebbian import dense_memory as theory

STANDARD_ERRORS = 4
BIAS = 0.5  # largest of N (m_N - m) that earlier simulations allow where few samples are lost

STORAGE = {
    (2, 0.05, 0.3): {250: 40, 1000: 40, 4000: 20, 8000: 12},  # P, alpha, T: samples of each N
    (3, 0.1, 0.5): {100: 40, 200: 40, 400: 30, 800: 12},
    (3, 0.2, 0.4): {400: 30, 800: 12, 1600: 5},
    (4, 0.1, 0.5): {64: 40, 128: 40, 192: 30, 384: 8},
    (2, 0.12, 0.0): {4000: 20, 8000: 12},
    (3, 0.2, 0.0): {400: 40, 800: 16},
}
LEARNING = {
    ("supervised", 2, 0.6, 20, 0.05, 0.3): {2000: 30, 4000: 20, 8000: 12},
    ("supervised", 3, 0.6, 20, 0.05, 0.4): {200: 40, 400: 20, 800: 8},
    ("supervised", 4, 0.7, 20, 0.05, 0.4): {128: 30, 256: 8},
    ("unsupervised", 2, 0.7, 10, 0.03, 0.3): {1000: 30, 2000: 20},
    ("unsupervised", 3, 0.8, 10, 0.03, 0.4): {200: 40, 400: 20},
    ("unsupervised", 4, 0.85, 8, 0.03, 0.4): {100: 40, 200: 12},
}
ALL_INDICES = {(4, 0.08, 0.5): {200: 20, 256: 16, 512: 4}}


BROKEN = 0.3  # load of P = 3 at which replica symmetry is broken at T = 0


def cases():
    """Model, point, N and number of samples."""
    for indices, table in (("distinct", STORAGE), ("all", ALL_INDICES)):
        for (P, load, T), sizes in table.items():
            for N, samples in sizes.items():
                yield "supervised", indices, P, 1.0, 1, load, T, N, samples
    for (protocol, P, r, M, load, T), sizes in LEARNING.items():
        for N, samples in sizes.items():
            yield protocol, "distinct", P, r, M, load, T, N, samples


def runs(protocol, indices, P, r, M, load, T, N, samples):
    return sweep(
        network.simulate, seed=N, replicas=samples, engine="numba", n_spins=N, pattern_load=load,
        temperature=T, quality=r, examples=M, interaction_order=P, protocol=protocol,
        indices=indices, sweeps=100, burn_in=50,
    )  # fmt: skip


def deviation(protocol, indices, P, r, M, load, T, N, samples):
    """Mean of m_N - m over networks that retrieve, its error, and the fraction of these."""
    measured = runs(protocol, indices, P, r, M, load, T, N, samples)
    law = "storage" if M == 1 else "binomial"
    model = theory.Model(interaction_order=P, protocol=protocol, law=law, indices=indices)
    classes = round(2 * load * N ** (P - 1) / math.factorial(P))
    exact_load = classes * math.factorial(P) / (2 * N ** (P - 1))  # of a whole number of classes
    about = {"pattern_load": exact_load, "quality": r, "examples": M}
    if T > 0:
        about["temperature"] = T
    kind = theory.ReplicaSymmetric if T > 0 else theory.ZeroTemperature
    predicted = solvers.saddle_points(kind(model), start="retrieval", **about)
    kept = measured["overlap"].values[measured["retrieved"].values == 1]
    error = kept.std(ddof=1) / math.sqrt(kept.size)
    return kept.mean() - predicted["overlap"].item(), error, kept.size / samples


@pytest.mark.slow
@pytest.mark.parametrize("protocol, indices, P, r, M, load, T, N, samples", list(cases()))
def test_overlaps_tend_to_the_theory(protocol, indices, P, r, M, load, T, N, samples):
    difference, error, retrieved = deviation(protocol, indices, P, r, M, load, T, N, samples)
    assert retrieved > 0.8
    assert abs(difference) < STANDARD_ERRORS * error + BIAS / N
    assert error < 0.006


@pytest.mark.slow
def test_where_replica_symmetry_is_broken_cold_networks_end_in_several_states():
    # the replicon is negative, two networks with the same patterns differ, and the overlap is
    # larger than that of the theory at any size
    states = solvers.saddle_points(
        theory.ReplicaSymmetric(theory.Model(3)), start="retrieval", pattern_load=[0.2, BROKEN],
        temperature=0.05,
    )  # fmt: skip
    assert (states["replicon"].squeeze() > 0).values.tolist() == [True, False]
    at = ("supervised", "distinct", 3, 1.0, 1, BROKEN, 0.0)
    for N, samples in ((400, 60), (800, 24)):
        apart = 1 - runs(*at, N, samples)["self_overlap"].values
        assert apart.mean() > 3 * apart.std(ddof=1) / math.sqrt(samples)
        difference, error, _ = deviation(*at, N, samples)
        assert difference > 2.5 * error
