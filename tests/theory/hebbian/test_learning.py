"""Learning thresholds: closed forms against located spinodals, known values, limits, scaling."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.special import erf, erfinv

from thermolimit import solvers
from thermolimit.solvers import Status
from thermolimit.theory.hebbian.dense_memory import Model, ReplicaSymmetric, ZeroTemperature
from thermolimit.theory.hebbian.example_law import dataset_entropy
from thermolimit.theory.hebbian.learning import (
    retrieval,
    spinodal_load,
    supervised_examples,
    unsupervised_examples,
)

STORED = {3: 0.378285646156, 4: 0.395720238391}


def capacity(quality=1.0, examples=1.0, **kind):
    found = solvers.evaluate(spinodal_load, quality=quality, examples=examples, **kind)
    return found["capacity"].item()


def located_load(theory, guess, bounds, **at):
    """The load at which the solvers find the end of the retrieval state."""
    branch = solvers.trace_branch(
        theory, "pattern_load", start="retrieval", pattern_load=guess, bounds=bounds, **at
    )
    return solvers.spinodal(theory, branch)


def located_examples(theory, guess, **at):
    """The fewest examples with which the solvers find the retrieval state."""
    branch = solvers.trace_branch(
        theory, "examples", start="retrieval", examples=1.5 * guess,
        bounds=(0.4 * guess, 2 * guess), **at,
    )  # fmt: skip
    return solvers.spinodal(theory, branch)["examples"].item()


@pytest.mark.parametrize("order", [3, 4])
def test_stored_patterns_have_their_known_capacity(order):
    assert capacity(interaction_order=order) == pytest.approx(STORED[order], abs=1e-12)


def test_the_known_capacity_of_noisy_examples():
    assert capacity(0.5, 40.0) == pytest.approx(0.313798591501, abs=1e-12)


@pytest.mark.parametrize(
    "order, protocol, quality, examples",
    [
        (3, "supervised", 0.2, 30.0),
        pytest.param(3, "unsupervised", 0.8, 10.0, marks=pytest.mark.slow),
        pytest.param(4, "supervised", 0.9, 2.0, marks=pytest.mark.slow),
        pytest.param(5, "unsupervised", 0.7, 300.0, marks=pytest.mark.slow),
    ],
)
def test_the_closed_form_is_the_located_end_of_the_retrieval_state(
    order, protocol, quality, examples
):
    data = {"quality": quality, "examples": examples}
    found = solvers.evaluate(spinodal_load, interaction_order=order, protocol=protocol, **data)
    alpha = found["capacity"].item()
    theory = ZeroTemperature(Model(order, protocol, "gauss"))
    located = located_load(theory, alpha / 2, (alpha / 4, 2 * alpha), **data)
    assert located["pattern_load"].item() == pytest.approx(alpha, rel=1e-10)
    assert located["class_overlap"].item() == pytest.approx(found["class_overlap"].item(), rel=1e-6)


@pytest.mark.parametrize("protocol", ["supervised", "unsupervised"])
def test_the_closed_form_is_the_state_that_the_solvers_find(protocol):
    at = {"pattern_load": [0.0, 0.05, 0.1], "quality": 0.6, "examples": [20.0, 400.0]}
    found = solvers.evaluate(retrieval, protocol=protocol, **at)
    theory = ZeroTemperature(Model(3, protocol, "gauss"))
    states = solvers.saddle_points(theory, start="retrieval", **at)
    for name in ("overlap", "class_overlap"):
        np.testing.assert_allclose(found[name], states[name], atol=1e-9)


def test_the_retrieval_state_ends_at_the_largest_load():
    end = solvers.evaluate(spinodal_load, quality=0.3, examples=8.0)
    alpha = end["capacity"].item()
    found = solvers.evaluate(
        retrieval, pattern_load=[alpha * (1 - 1e-10), alpha * (1 + 1e-10)], quality=0.3, examples=8
    )["overlap"].values
    assert found[0] == pytest.approx(end["overlap"].item(), abs=1e-4)  # as the root of 1e-10
    assert np.isnan(found[1])


@pytest.mark.parametrize("order", [3, 4, 7])
@pytest.mark.parametrize("entropy", [0.01, 0.6, 30.0])
def test_no_state_lies_above_the_capacity(order, entropy):
    t = np.linspace(1e-4, 1 / math.sqrt(2 * entropy), 200_001)
    n = erf(t) + entropy * 2 / math.sqrt(math.pi) * t * np.exp(-(t**2))
    loads = order / 4 * n ** (2 * order - 2) * (1 / t**2 - 2 * entropy) / (1 + entropy) ** order
    quality = 1 / math.sqrt(1 + entropy)
    assert capacity(quality, interaction_order=order) == pytest.approx(loads.max(), rel=1e-8)


@pytest.mark.parametrize("order", [3, 4, 5])
def test_the_capacity_of_the_empirical_mean_of_very_noisy_examples(order):
    limit = order / (2 * (order - 1)) * (2 / math.pi) ** (order - 1)
    limit *= ((order - 2) / (order - 1)) ** (order - 2)
    deviations = [
        capacity((1 + rho) ** -0.5, interaction_order=order) / limit - 1 for rho in (1e2, 1e3)
    ]
    assert deviations[1] == pytest.approx(deviations[0] / 1e2, rel=0.1)  # of order 1 / rho^2
    assert deviations[1] < 1e-6
    if order == 3:
        assert limit == pytest.approx(0.152, abs=5e-4)


@pytest.mark.parametrize(
    "order, law, at_r_0_1",
    [(3, 0.359343, 0.359337), pytest.param(4, 0.338157, 0.33816, marks=pytest.mark.slow)],
)
def test_the_fewest_examples_of_unsupervised_learning_collapse(order, law, at_r_0_1):
    quality, alpha = 0.1, 0.1
    said = solvers.evaluate(
        unsupervised_examples, pattern_load=alpha, quality=quality, capacity=STORED[order],
        interaction_order=order,
    )  # fmt: skip
    guess = said["examples"].item()
    # the law is printed without the 1 of r^(-2P) - 1
    assert guess * quality ** (2 * order) == pytest.approx(law, abs=2e-6)
    theory = ZeroTemperature(Model(order, "unsupervised", "gauss"))
    found = located_examples(theory, guess, pattern_load=alpha, quality=quality)
    assert found * quality ** (2 * order) == pytest.approx(at_r_0_1, abs=5e-6)
    again = capacity(quality, found, interaction_order=order, protocol="unsupervised")
    assert again == pytest.approx(alpha, rel=1e-9)


@pytest.mark.slow
@pytest.mark.parametrize("temperature", [0.0, 0.4])
def test_the_law_of_unsupervised_learning_is_exact_for_examples_of_low_quality(temperature):
    order, alpha = 4, 0.1
    at = {"temperature": temperature} if temperature else {}
    kind = ReplicaSymmetric if temperature else ZeroTemperature
    stored = located_load(kind(Model(order)), alpha, (0.02, 0.8), **at)["pattern_load"].item()
    deviations = []
    for quality in (0.2, 0.1):
        said = unsupervised_examples(alpha, quality, stored, interaction_order=order).examples
        theory = kind(Model(order, "unsupervised", "gauss"))
        found = located_examples(theory, float(said), pattern_load=alpha, quality=quality, **at)
        deviations.append(found / float(said) - 1)
    # what is neglected is of order r^(2 P - 2)
    assert deviations[0] / deviations[1] == pytest.approx(2 ** (2 * order - 2), rel=0.2)
    assert abs(deviations[1]) < 1e-3


def limit_of_pairs(load):
    """M r^4 at the spinodal as r -> 0, P = 2: R = 1 / (1 - C)^2 + 1 / (M r^4), and x = 1."""
    t = np.linspace(0.5, 3, 2_000_001)
    m = erf(t)
    C = 2 / math.sqrt(math.pi) * t * np.exp(-(t**2)) / m
    R = m**2 / (2 * load * t**2)  # from t = m / sqrt(2 load R)
    return 1 / np.max(R - 1 / (1 - C) ** 2)


@pytest.mark.slow
def test_pairs_need_more_examples_than_their_law_says():
    alpha, collapsed = 0.05, []
    limit = limit_of_pairs(alpha)
    assert limit == pytest.approx(0.2915, abs=5e-5)
    theory = ZeroTemperature(Model(2, "unsupervised", "gauss"))
    for quality, expected in ((0.2, 0.51), (0.1, 0.35), (0.05, None)):
        guess = (expected or limit) * quality**-4
        found = located_examples(theory, guess, pattern_load=alpha, quality=quality)
        collapsed.append(found * quality**4)
        if expected:
            assert collapsed[-1] == pytest.approx(expected, abs=0.005)
    # r^2 times a number is missing
    assert (collapsed[1] - limit) / (collapsed[2] - limit) == pytest.approx(4, rel=0.1)


def needed(load, quality, overlap, order=3):
    found = solvers.evaluate(
        supervised_examples, pattern_load=load, quality=quality, overlap=overlap,
        interaction_order=order,
    )  # fmt: skip
    return found["examples"].item(), found["status"].item()


def test_the_examples_that_an_accuracy_needs():
    examples, _ = needed(0.1, 0.2, 0.95)
    assert examples == pytest.approx(157.92397, abs=1e-5)


@pytest.mark.parametrize("order, load", [(3, 0.05), (3, 0.25), (4, 0.2)])
def test_with_the_examples_it_needs_a_network_has_its_accuracy(order, load):
    examples, _ = needed(load, 0.3, 0.97, order)
    state = solvers.saddle_points(
        ZeroTemperature(Model(order, law="gauss")), start="retrieval", pattern_load=load,
        quality=0.3, examples=examples,
    )  # fmt: skip
    assert state["overlap"].item() == pytest.approx(0.97, abs=1e-10)


def test_examples_of_any_quality_collapse_on_their_entropy():
    entropies = [float(dataset_entropy(r, needed(0.2, r, 0.95)[0])) for r in (0.05, 0.3, 0.9)]
    np.testing.assert_allclose(entropies, entropies[0], rtol=1e-12)


@pytest.mark.parametrize("order", [3, 6])
def test_without_load_an_accuracy_is_that_of_a_majority_vote(order):
    expected = 2 * erfinv(0.95) ** 2 * (1 - 0.2**2) / 0.2**2
    assert needed(0.0, 0.2, 0.95, order)[0] == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("load, overlap", [(0.3, 0.9999), (0.5, 0.95), (0.3, 0.6)])
def test_what_no_examples_reach_or_two_states_have_is_no_number(load, overlap):
    examples, status = needed(load, 0.2, overlap)
    assert math.isnan(examples) and status == Status.NOT_FINITE


def test_beyond_the_capacity_no_number_of_examples_is_enough():
    found = solvers.evaluate(
        unsupervised_examples, pattern_load=[0.37, 0.38, 0.5], quality=0.5, capacity=STORED[3]
    )
    assert np.isfinite(found["examples"].values).tolist() == [True, False, False]


@pytest.mark.parametrize(
    "wrong, said",
    [
        ({"interaction_order": 2}, r"interaction_order = 2 is outside \[3, inf\)"),
        ({"quality": 0.0}, "quality = 0 is outside"),
        ({"examples": 0.5}, "examples = 0.5 is outside"),
        ({"protocol": "self-taught"}, "protocol = 'self-taught' is not one of"),
    ],
)
def test_data_that_make_no_sense_are_refused(wrong, said):
    with pytest.raises(ValueError, match=said):
        solvers.evaluate(spinodal_load, **{"quality": 0.5, "examples": 3.0} | wrong)
