"""Networks of images: fields are those of the definition, unseen images are not seen."""

import itertools
import math

import numpy as np
import pytest

from thermolimit.experiments import load_dataset, sweep
from thermolimit.simulations.hebbian import structured

INDICES = ("distinct", "all")
PROTOCOLS = ("supervised", "unsupervised")


def pictures(classes=3, each=12, pixels=8, spread=1.0, seed=5):
    """Grey values around a random picture of each class, and labels 10, 20, ..."""
    rng = np.random.default_rng(seed)
    middle = rng.normal(size=(classes, 1, pixels))
    images = middle + spread * rng.normal(size=(classes, each, pixels))
    return images.reshape(-1, pixels), np.repeat(10 * np.arange(1, classes + 1), each)


def hamiltonian(rows, weight, P, indices, s):
    """H as it is defined, by sums over tuples of sites."""
    N = s.size
    if indices == "all":
        tuples, factor = itertools.product(range(N), repeat=P), 1
    else:
        tuples, factor = itertools.combinations(range(N), P), math.factorial(P)
    terms = (rows * s[:, None])[np.array(list(tuples))]  # (tuples, P, rows)
    return -factor * weight / (2 * N ** (P - 1)) * terms.prod(axis=1).sum()


@pytest.mark.parametrize("indices", INDICES)
@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("P", range(2, 7))
def test_flips_cost_the_change_of_the_energy(P, protocol, indices):
    rng = np.random.default_rng(P)
    data = structured.split(rng, *pictures(pixels=7 if P == 6 else 8), unseen=6)
    knowledge = structured.learn(rng, data, 5, protocol)
    s = data.unseen[0].copy()
    network, rules = structured.network_at(knowledge, s, P, indices)
    rows = knowledge.rows.astype(float)

    def energy(s):
        return hamiltonian(rows, knowledge.weight, P, indices, s)

    constant = rules.energy(network) - energy(s)  # of repeated indices at P = 2
    assert constant == pytest.approx(0.0, abs=1e-12) or (P, indices) == (2, "all")
    for i in rng.integers(0, s.size, 8):
        flipped = s.copy()
        flipped[i] *= -1
        cost = rules.cost(network, i, s[i])
        assert cost == pytest.approx(energy(flipped) - energy(s), rel=1e-12, abs=1e-12)
        rules.move(network, i, s[i])
        rules.refresh(network)
        s = flipped
    assert rules.energy(network) - energy(s) == pytest.approx(constant, abs=1e-12)


def test_with_one_image_per_class_there_is_nothing_to_supervise():
    data = structured.split(np.random.default_rng(1), *pictures(), unseen=6)
    first, second = (
        structured.learn(np.random.default_rng(2), data, 1, protocol) for protocol in PROTOCOLS
    )
    np.testing.assert_array_equal(first.rows, second.rows)
    assert first.weight == second.weight == 1


def test_every_class_mean_has_the_same_size():
    data = structured.split(np.random.default_rng(1), *pictures(spread=3.0), unseen=6)
    rows = structured.learn(np.random.default_rng(2), data, 7).rows
    np.testing.assert_allclose((rows**2).mean(axis=0), 1.0, rtol=1e-14)


def test_spins_are_pixels_above_their_median_over_the_known_images():
    images = np.array([[0, 5, 9], [1, 5, 7], [2, 5, 8], [3, 5, 6], [4, 5, 5]])
    labels = np.array([0, 0, 0, 0, 0])
    for seed in range(5):
        data = structured.split(np.random.default_rng(seed), images, labels, unseen=1)
        assert data.known.shape == (4, 2)  # the other pixel never changes
        assert (data.known.sum(axis=0) == 0).all()  # two of four are above
        assert data.unseen.shape == (1, 2)


def test_changing_the_unseen_images_changes_nothing_that_is_learned():
    images, labels = pictures()
    aside = np.random.default_rng(3).permutation(len(images))[:6]
    changed = images.copy()
    changed[aside] += 1e6
    before, after = (
        structured.split(np.random.default_rng(3), x, labels, unseen=6) for x in (images, changed)
    )
    np.testing.assert_array_equal(before.known, after.known)
    np.testing.assert_array_equal(before.archetypes, after.archetypes)
    assert (after.unseen == 1).all()


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("P", [2, 3, 4])
def test_classes_of_equal_images_are_archetypes_that_stay(P, protocol):
    # few classes of many pixels: the field of the own class is N times that of all others
    images, labels = pictures(classes=4, each=10, pixels=600, spread=0.0)
    seen = structured.simulate(
        np.random.default_rng(4), 0.0, images=images, labels=labels, interaction_order=P,
        protocol=protocol, examples=3, unseen=10,
    )  # fmt: skip
    assert seen.accuracy == seen.nearest_mean == seen.overlap == seen.image_overlap == 1


def test_above_every_field_nothing_is_left_of_the_image():
    images, labels = pictures(classes=4, pixels=400)
    seen = structured.simulate(
        np.random.default_rng(4), 1e3, images=images, labels=labels, examples=3, unseen=10,
        sweeps=400,
    )  # fmt: skip
    # 400 spins, 10 images, 400 sweeps of which a spin forgets e^-1 in each: 1e-3
    assert abs(seen.overlap) < 5e-3
    assert seen.image_overlap > 0.2


@pytest.mark.parametrize(
    "changes, said",
    [
        ({"examples": 20}, "examples = 20, but class number 0 has only"),
        ({"unseen": 36}, "unseen = 36 of 36 images leave a class without any"),
        ({"interaction_order": 1}, "interaction_order = 1 is below 2"),
        ({"protocol": "guided"}, "protocol = 'guided' is not one of"),
        ({"indices": "some"}, "indices = 'some' is not one of"),
    ],
)
def test_what_cannot_be_is_named(changes, said):
    images, labels = pictures()
    given = {"images": images, "labels": labels, "examples": 2, "unseen": 6} | changes
    with pytest.raises(ValueError, match=said):
        structured.simulate(np.random.default_rng(0), 0.0, **given)


def test_images_that_are_all_alike_are_refused():
    with pytest.raises(ValueError, match="no pixel varies"):
        structured.split(np.random.default_rng(0), np.ones((9, 4)), np.zeros(9), unseen=2)


@pytest.mark.slow
def test_denser_networks_tell_digits_better():
    pytest.importorskip("sklearn")
    data = load_dataset("digits")
    measured = sweep(
        structured.simulate, seed=1, replicas=16, temperature=0.0, images=data["image"].values,
        labels=data["label"].values, interaction_order=[2, 3, 4, 6], examples=80, unseen=200,
    )["accuracy"]  # fmt: skip
    mean, error = measured.mean("replica"), measured.std("replica", ddof=1) / 4
    rise, spread = mean.diff("interaction_order"), np.hypot(error[1:], error[:-1].values)
    assert (rise > 3 * spread).all()
    # another program, five repeats
    known, scatter = np.array([0.27, 0.55, 0.70, 0.74]), np.array([0.05, 0.06, 0.01, 0.04])
    assert (abs(mean - known) < 4 * np.hypot(error, scatter)).all()
