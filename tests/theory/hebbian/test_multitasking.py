"""Multitasking networks: derived values, closed forms, limits, identities."""

import itertools
import math
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import xarray as xr
from scipy.optimize import brentq, minimize

from thermolimit import solvers
from thermolimit.solvers import SinhTrapezoid, Status
from thermolimit.theory.curie_weiss import CurieWeiss
from thermolimit.theory.hebbian import multitasking
from thermolimit.theory.hebbian.multitasking import Multitasking, Parallel, ZeroTemperature

DIGITS = 1e-8  # to which the public values are stated, if not said otherwise
GOLDEN = (math.sqrt(5) - 1) / 2  # d_c(3)


def stored(K):
    return Multitasking(K, "storage")


def state(theory, start="hierarchical", **controls):
    return solvers.saddle_points(theory, start=start, on_failure="raise", **controls)


def controls(theory, **given):
    return theory.Control(**{name: jnp.asarray(value) for name, value in given.items()})


# public values


def test_overlaps_and_free_entropy_of_three_stored_patterns():
    data = state(stored(3), dilution=0.3, temperature=0.05)
    expected = [0.699999996201, 0.209757557444, 0.045837806326]
    np.testing.assert_allclose(data["overlaps"], expected, atol=1e-11)
    np.testing.assert_allclose(data["class_overlaps"], expected, atol=1e-11)
    assert -data["free_energy"].item() / 0.05 == pytest.approx(5.40592265326, abs=1e-10)


def test_overlaps_and_free_entropy_of_two_patterns_learned_from_examples():
    data = state(Multitasking(2), dilution=0.3, temperature=0.1, entropy=0.06)
    np.testing.assert_allclose(data["overlaps"], [0.696380875715, 0.202884583017], atol=1e-11)
    assert data["class_overlaps"][0].item() == pytest.approx(0.698437013236, abs=1e-11)
    assert -data["free_energy"].item() / 0.1 == pytest.approx(2.74074671211, abs=1e-10)


def test_the_exact_law_of_fifty_examples_differs_visibly_from_the_gaussian_one():
    theory = Multitasking(2, "binomial")  # of the same entropy, 0.06
    data = state(theory, dilution=0.3, temperature=0.1, quality=0.5, examples=50)
    assert data["overlaps"][0].item() == pytest.approx(0.695523, abs=5e-7)


def test_the_pure_state_begins_to_serve_a_second_pattern_at_the_known_temperature():
    branch = solvers.trace_branch(
        stored(2), "temperature", start="pure", dilution=0.3, temperature=0.4, bounds=(0.05, 0.69)
    )
    found = solvers.continuous_transition(stored(2), branch)
    assert found["temperature"].item() == pytest.approx(0.212763135018, abs=1e-11)
    assert found["cubic"] < 0  # continuously

    def instability(T):
        m = brentq(lambda m: 0.7 * math.tanh(m / T) - m, 1e-3, 1, xtol=1e-15)
        return 0.7 / T * (1 - 0.7 * math.tanh(m / T) ** 2) - 1

    assert brentq(instability, 0.1, 0.5) == pytest.approx(0.212763135018, abs=1e-11)


# closed forms


def test_without_temperature_spins_follow_their_first_pattern():
    data = state(stored(5), dilution=0.4, temperature=0.001)
    expected = solvers.evaluate(multitasking.hierarchy, dilution=0.4, n_patterns=5)
    np.testing.assert_allclose(expected["overlaps"], 0.6 * 0.4 ** np.arange(5), rtol=1e-14)
    np.testing.assert_allclose(data["overlaps"], expected["overlaps"], atol=1e-12)


@pytest.mark.parametrize("K, end", [(3, GOLDEN), (4, 0.5436890126920764)])
def test_the_hierarchy_ends_where_the_others_outweigh_the_first_pattern(K, end):
    margin = solvers.evaluate(multitasking.hierarchy, dilution=[0.5, end], n_patterns=K)["margin"]
    assert margin[0] == pytest.approx(2.0**-K)
    assert abs(margin[1]) < 1e-15


@pytest.mark.parametrize(
    "K, end", [(3, GOLDEN), pytest.param(4, 0.5436890126920764, marks=pytest.mark.slow)]
)
def test_the_fold_of_the_hierarchical_state_comes_down_to_its_end_at_zero_temperature(K, end):
    found, cold = [], (4e-3, 1e-3)
    for T in cold:
        branch = solvers.trace_branch(
            stored(K), "dilution", start="hierarchical", dilution=0.5, temperature=T,
            bounds=(0.4, 0.7),
        )  # fmt: skip
        found.append(end - solvers.spinodal(stored(K), branch)["dilution"].item())
    # the smallest field must be some T log(1 / T), and d_c is approached at that rate
    assert 0 < found[1] < found[0] / 2.5
    assert all(gap < T * math.log(1 / T) for gap, T in zip(found, cold, strict=True))


def test_two_patterns_stay_hierarchical_up_to_any_dilution():
    data = state(stored(2), dilution=[0.5, 0.8, 0.95], temperature=1e-4)
    d = data["dilution"]
    np.testing.assert_allclose(data["overlaps"].sel(pattern=1), d * (1 - d), atol=1e-12)


def test_beyond_the_hierarchy_two_patterns_outvote_the_first_one():
    d = 0.7
    data = state(stored(3), dilution=d, temperature=0.002)
    votes = (1 - d) ** 2 / 2
    expected = (1 - d) * np.array([1 - votes, d + votes, d**2 + votes])
    np.testing.assert_allclose(expected, [0.2865, 0.2235, 0.1605], atol=1e-12)
    np.testing.assert_allclose(data["overlaps"], expected, atol=1e-12)


# transitions


@pytest.mark.parametrize("K, served", [(3, 2)])
def test_patterns_are_retrieved_continuously_below_the_critical_temperature(K, served):
    theory = Parallel(stored(K), served)
    branch = solvers.trace_branch(
        theory, "temperature", start="ergodic", dilution=0.3, temperature=0.8, bounds=(0.4, 1.0)
    )
    found = solvers.continuous_transition(theory, branch)
    assert found["temperature"].item() == pytest.approx(0.7, abs=1e-12)
    assert found["cubic"] < 0


def test_the_ergodic_state_loses_stability_at_the_critical_temperature():
    d, rho = (xr.DataArray(x, dims="point") for x in ([0.0, 0.3, 0.7], [0.0, 0.3, 1.0]))
    T = solvers.evaluate(multitasking.ergodicity_breaking, dilution=d, entropy=rho)["temperature"]
    np.testing.assert_allclose(T, (1 - d) * (1 + rho), rtol=1e-15)
    for factor, stable in ((1 + 1e-9, True), (1 - 1e-9, False)):
        data = state(Multitasking(2), "ergodic", dilution=d, temperature=factor * T, entropy=rho)
        assert (data["class_overlaps"] == 0).all()
        assert ((data["growth_rate"] < 0) == stable).all()


@pytest.mark.parametrize("entropy", [0.0, 0.3, 1.0])
def test_pure_and_symmetric_states_gain_the_same_at_the_known_dilution(entropy):
    # just below T_c, f = -t R^2 + q R^4 with R = |n|, and the state of smaller q is stable
    theory = Multitasking(2)
    pure, symmetric = np.array([1.0, 0.0]), np.array([0.5, 0.5]) ** 0.5
    free_energy = jax.jit(theory.free_energy)

    def excess(dilution):
        at = controls(theory, dilution=dilution, temperature=1.0, entropy=entropy)
        q = []
        for R in (0.02, 0.04):  # the terms of order R^2 are the same
            f = [free_energy(theory.Order(jnp.asarray(R * v)), at) for v in (pure, symmetric)]
            q.append(float(f[0] - f[1]) / R**4)
        return (4 * q[0] - q[1]) / 3  # without the term of order R^6

    with jax.enable_x64(True):
        found = brentq(excess, 0.05, 0.9, xtol=1e-10)
    known = solvers.evaluate(multitasking.selection, entropy=entropy)["dilution"].item()
    assert found == pytest.approx(known, abs=1e-5)


@pytest.mark.parametrize(
    "theory, event, begin",
    [
        (Parallel(stored(2), 1), "recruiting", {"dilution": 0.6, "temperature": 0.35}),
        pytest.param(
            *(Parallel(stored(3), 3), "splitting", {"dilution": 0.65, "temperature": 0.3}),
            marks=pytest.mark.slow,
        ),
    ],
    ids=["pure", "symmetric"],
)
def test_lines_of_instability_meet_where_the_symmetric_state_takes_over(theory, event, begin):
    branch = solvers.trace_branch(
        theory, "temperature", start="retrieved", bounds=(0.05, 0.39), **begin
    )
    line = solvers.zero_of(theory, branch, event, along="dilution", bounds=(0.5, 0.7))
    assert (line["status"] == Status.OK).all()
    last = line.sortby(abs(line["class_overlap"])).isel(point=slice(0, 3))
    # d and T / (1 - d) are even in the overlap
    x, d = last["class_overlap"].values ** 2, last["dilution"].values
    assert np.polyfit(x, d, 2)[-1] == pytest.approx(2 / 3, abs=1e-6)
    t = last["temperature"].values / (1 - d)
    assert np.polyfit(x, t, 2)[-1] == pytest.approx(1, abs=1e-6)


def test_the_instabilities_of_the_parallel_states_are_those_of_the_whole_network():
    for start, served, event in (("pure", 1, "recruiting"), ("symmetric", 3, "splitting")):
        theory = Parallel(stored(3), served)
        whole = state(stored(3), start, dilution=0.5, temperature=0.15)
        part = state(theory, "retrieved", dilution=0.5, temperature=0.15)
        n = part["class_overlap"].item()
        np.testing.assert_allclose(whole["class_overlaps"], n * (np.arange(3) < served), atol=1e-12)
        assert part["free_energy"].item() == pytest.approx(whole["free_energy"].item(), abs=1e-14)
        assert part["energy"].item() == pytest.approx(whole["energy"].item(), abs=1e-14)
        with jax.enable_x64(True):
            at = controls(theory, dilution=0.5, temperature=0.15)
            rate = getattr(theory, event)(theory.Order(jnp.asarray(n)), at)
        assert rate == pytest.approx(whole["growth_rate"].item(), abs=1e-11)


def test_hierarchical_and_mixed_states_change_places_before_the_hierarchy_ends():
    branches = [
        solvers.trace_branch(
            stored(3), "dilution", start="hierarchical", dilution=d, temperature=1e-3,
            bounds=(0.4, 0.7),
        )
        for d in (0.45, 0.68)
    ]  # fmt: skip
    found = solvers.coexistence(stored(3), *branches)
    d = found["dilution"].item()

    def energies(d):
        # -sum m^2 / 2 of the two states at T = 0
        votes = (1 - d) ** 2 / 2
        before, after = np.array([1, d, d**2]), np.array([1 - votes, d + votes, d**2 + votes])
        return before @ before - after @ after

    assert d == pytest.approx(brentq(energies, 0.5, 0.6), abs=1e-8)
    assert d < GOLDEN


# limits and identities


@pytest.mark.parametrize("dilution", [0.0, 0.4])
def test_a_single_pattern_is_a_ferromagnet_of_the_spins_that_it_does_not_leave_blank(dilution):
    T = np.array([0.2, 0.5, 0.9])
    data = state(stored(1), "pure", dilution=dilution, temperature=T * (1 - dilution))
    ferromagnet = solvers.saddle_points(CurieWeiss(), start="up", temperature=T)
    m = data["overlaps"].sel(pattern=0) / (1 - dilution)
    np.testing.assert_allclose(m, ferromagnet["magnetization"], atol=1e-10)
    blank = -dilution * T * (1 - dilution) * np.log(2)
    rest = (1 - dilution) ** 2 * ferromagnet["free_energy"].values
    np.testing.assert_allclose(data["free_energy"], rest + blank, atol=1e-12)


@pytest.mark.parametrize(
    "theory, given",
    [
        (stored(3), {}),
        (Multitasking(3), {"entropy": 0.2}),
        (Multitasking(2, "binomial", 8), {"quality": 0.6, "examples": 7.0}),
    ],
    ids=lambda value: getattr(value, "law", ""),
)
def test_the_map_is_a_gradient_step_and_symmetries_hold(theory, given):
    rng = np.random.default_rng(3)
    with jax.enable_x64(True):
        at = controls(theory, dilution=0.35, temperature=0.17, **given)
        n = rng.normal(size=theory.n_patterns) / 2
        slope = jax.grad(theory.free_energy)(theory.Order(jnp.asarray(n)), at).class_overlaps
        moved = theory.update(theory.Order(jnp.asarray(n)), at).class_overlaps
        np.testing.assert_allclose(n - moved, slope, atol=1e-12)
        f = float(theory.free_energy(theory.Order(jnp.asarray(n)), at))
        for order in itertools.permutations(range(theory.n_patterns)):
            signs = rng.choice([-1.0, 1.0], theory.n_patterns)
            same = theory.Order(jnp.asarray(signs * n[list(order)]))
            assert theory.free_energy(same, at) == pytest.approx(f, abs=1e-13)
            image = theory.update(same, at).class_overlaps
            np.testing.assert_allclose(image, signs * moved[np.array(order)], atol=1e-12)


def test_the_overlaps_are_averages_over_all_patterns_spin_by_spin():
    d, T, n = 0.35, 0.17, np.array([0.5, -0.2, 0.1])
    m, f = np.zeros(3), n @ n / 2
    for xi in itertools.product([-1, 0, 1], repeat=3):
        weight = np.prod([d if entry == 0 else (1 - d) / 2 for entry in xi])
        m += weight * np.array(xi) * np.tanh(n @ xi / T)
        f -= weight * T * np.log(2 * np.cosh(n @ xi / T))
    for theory in (stored(3), Multitasking(3), Multitasking(3, "binomial", 1)):
        with jax.enable_x64(True):
            at = controls(theory, dilution=d, temperature=T)
            order = theory.Order(jnp.asarray(n))
            np.testing.assert_allclose(theory.update(order, at).class_overlaps, m, atol=1e-13)
            assert theory.free_energy(order, at) == pytest.approx(f, abs=1e-13)


@pytest.mark.parametrize(
    ("theory", "given"),
    [
        (Multitasking(2, "gauss"), {"entropy": 0.3}),
        (Multitasking(2, "binomial"), {"quality": 0.5, "examples": 10}),  # the same entropy
        (stored(2), {}),
    ],
    ids=lambda value: getattr(value, "law", None),
)
def test_the_loss_is_that_of_sampled_spins(theory, given):
    d, T, samples = 0.3, 0.2, 400_000
    rng = np.random.default_rng(3)
    xi = rng.choice([-1.0, 1.0], (samples, 2)) * (rng.random((samples, 2)) >= d)
    right = rng.binomial(10, 0.75, (samples, 2))
    means = {"gauss": 1 + np.sqrt(0.3) * rng.normal(size=xi.shape), "binomial": right / 2.5 - 2}
    x = xi * means.get(theory.law, 1.0)
    with jax.enable_x64(True):
        at = controls(theory, dilution=d, temperature=T, **given)
        order = theory.Order(jnp.array([0.6, 0.2]))
        n = theory.update(order, at).class_overlaps
        loss = theory.observables(theory.Order(n), at).loss
    s = np.where(rng.random(samples) < (1 + np.tanh(x @ [0.6, 0.2] / T)) / 2, 1.0, -1.0)
    plus, minus = (((x - sign * s[:, None]) ** 2).mean(axis=0) / 2 for sign in (1, -1))
    # a spin contributes numbers of order 1: three standard errors
    assert loss == pytest.approx((plus * minus).sum(), abs=3 / np.sqrt(samples))


@pytest.mark.parametrize("supervised", [True, False])
def test_the_energy_is_the_loss_of_all_patterns(supervised):
    # L+- = |x -+ s|^2 / 2N, and the product of both is what the energy measures
    rng = np.random.default_rng(7)
    N, K, d = 30, 4, 0.3
    blank = rng.random((N, K)) < d
    x = np.where(blank, 0, rng.choice([-1.0, 1.0], (N, K)))
    if supervised:
        x *= 1 + 0.5 * rng.normal(size=(N, K))
    for s in rng.choice([-1.0, 1.0], (20, N)):
        distance = {sign: ((x - sign * s[:, None]) ** 2).sum(axis=0) / (2 * N) for sign in (1, -1)}
        cost = -N / 2 * ((x.T @ s / N) ** 2).sum()
        scale = ((1 + (x**2).mean(axis=0)) / 2) ** 2
        loss = N / 2 * (distance[1] * distance[-1]).sum()
        assert cost == pytest.approx(loss - N / 2 * scale.sum(), abs=1e-12)


def test_the_exact_law_of_many_examples_becomes_gaussian():
    rho, M = 0.3, np.array([8.0, 16.0, 32.0, 64.0])
    point = {"dilution": 0.3, "temperature": 0.3}
    examples = xr.DataArray(M, dims="M")
    quality = 1 / np.sqrt(1 + examples * rho)
    exact = state(Multitasking(2, "binomial"), examples=examples, quality=quality, **point)
    gauss = state(Multitasking(2), entropy=rho, **point)
    apart = abs(exact["class_overlaps"] - gauss["class_overlaps"]).max("pattern").values
    np.testing.assert_allclose(apart[:-1] / apart[1:], 2, rtol=0.2)  # of order 1 / M
    assert apart[-1] < 0.02


def test_examples_of_quality_one_are_the_patterns():
    point = {"dilution": 0.3, "temperature": 0.2}
    seen = state(Multitasking(2, "binomial", 8), quality=1.0, examples=5.0, **point)
    known = state(stored(2), **point)
    np.testing.assert_allclose(seen["overlaps"], known["overlaps"], atol=1e-12)


@pytest.mark.parametrize("start", ["pure", "hierarchical", "symmetric"])
def test_zero_temperature_is_the_limit_of_low_temperatures(start):
    T = np.array([0.02, 0.01, 0.005])
    warm = state(Multitasking(2), start, dilution=0.4, temperature=T, entropy=0.1)
    cold = state(ZeroTemperature(2), start, dilution=0.4, entropy=0.1)
    for name in ("class_overlaps", "overlaps", "free_energy"):
        apart = abs(warm[name] - cold[name])
        apart = apart.max([dim for dim in apart.dims if dim != "temperature"]).values
        if name == "free_energy":  # -T log 2 per spin without a field, and no more of order T
            free = 0.4 if start == "pure" else 0.4**2
            apart = abs(warm[name].values + free * T * np.log(2) - cold[name].item())
        # what is left is of order T^2
        assert (apart[1:] < 0.3 * apart[:-1] + 1e-11).all()
        assert apart[-1] < 1e-3


def test_without_noise_zero_temperature_is_the_hierarchy():
    data = state(ZeroTemperature(3), dilution=0.4, entropy=1e-5)
    np.testing.assert_allclose(data["overlaps"], 0.6 * 0.4 ** np.arange(3), atol=1e-9)
    m = data["overlaps"].values
    assert data["free_energy"].item() == pytest.approx(-m @ m / 2, rel=1e-4)


# phases and input


def named(found):
    """Names of the phases at all points."""
    return np.array(multitasking.PHASES)[multitasking.phases(found).values]


def equilibrium(theory, **controls):
    return solvers.descend(theory, solvers.saddle_points(theory, **controls))


def test_phases_of_two_patterns_in_the_corners_of_the_plane():
    d = xr.DataArray([0.2, 0.2, 0.5, 0.85], dims="point")
    t = xr.DataArray([1.2, 0.6, 0.2, 0.5], dims="point")
    found = equilibrium(stored(2), dilution=d, temperature=t * (1 - d))
    assert named(found).tolist() == ["ergodic", "pure", "hierarchical", "symmetric"]


def test_between_hierarchical_and_symmetric_some_overlaps_are_equal():
    found = equilibrium(stored(3), dilution=0.7, temperature=0.09)
    assert named(found) == "mixed"
    unstable, failed = found.copy(deep=True), found.copy(deep=True)
    unstable["growth_rate"][...] = 0.0
    failed["status"][...] = Status.NOT_CONVERGED
    assert named(unstable) == named(failed) == "undecided"


def test_the_phase_below_a_continuous_transition_is_that_of_the_state_that_branches_off():
    branch = solvers.trace_branch(
        stored(2), "temperature", start="pure", dilution=0.3, temperature=0.4, bounds=(0.05, 0.69)
    )
    transition = solvers.continuous_transition(stored(2), branch)
    below = np.array([1e-2, 1e-3, 1e-4, 1e-5])
    data = solvers.saddle_points(
        stored(2), start=["pure"], dilution=0.3,
        temperature=transition["temperature"].item() * (1 - below),
    )  # fmt: skip
    pure, found = data.isel(start=0), solvers.descend(stored(2), data)
    assert (pure["overlaps"].sel(pattern=1) == 0).all()  # from which no iteration departs
    assert (pure["growth_rate"] > 0).all()
    assert (found["descents"] == 1).all()
    assert (named(found) == "hierarchical").all()
    # a small overlap obeys dm/dt = g m + b m^3 / 6 with the growth rate g of the pure state
    ratio = (found["overlaps"].sel(pattern=1) ** 2).values * transition["cubic"].item()
    ratio /= -6 * pure["growth_rate"].values
    gaps = abs(ratio - 1)
    np.testing.assert_allclose(gaps[:-1] / gaps[1:], 10, rtol=0.2)  # of the next order in below
    assert gaps[-1] < 1e-4


def all_entries(K, d):
    """Entries of K patterns on a spin (3^K, K) and their probabilities, as they are defined."""
    xi = np.array(list(itertools.product([-1.0, 0.0, 1.0], repeat=K)))
    return xi, np.where(xi == 0, d, (1 - d) / 2).prod(axis=1)


@pytest.mark.parametrize(
    "K, dilution, reduced, phase",
    [
        (4, 0.77, 0.011 + 9 * 1.189 / 39, "mixed"),
        pytest.param(8, 0.57, 0.011 + 1.189 / 9, "hierarchical", marks=pytest.mark.slow),
    ],
)
def test_where_all_starts_end_on_unstable_states_the_phase_is_that_of_the_minimum(
    K, dilution, reduced, phase
):
    T = reduced * (1 - dilution)
    data = solvers.saddle_points(stored(K), dilution=dilution, temperature=T)
    assert solvers.equilibrium(data)["status"] == Status.MISSING
    found = solvers.descend(stored(K), data)
    assert named(found) == phase
    assert found["residual"] < 1e-10
    assert found["growth_rate"] < 0
    xi, weight = all_entries(K, dilution)

    def free_energy(n):
        field = xi @ n / T
        slope = n - (weight * np.tanh(field)) @ xi
        return n @ n / 2 - T * (weight @ np.logaddexp(field, -field)), slope

    rng = np.random.default_rng(5)
    begun = rng.uniform(0, 1 - dilution, (30, K))
    minima = [minimize(free_energy, n, jac=True, options={"gtol": 1e-9}) for n in begun]
    lowest = min(minima, key=lambda minimum: minimum.fun)
    assert found["free_energy"].item() == pytest.approx(lowest.fun, abs=1e-14)
    # the slope over the smallest curvature
    apart = 1e-9 / -found["growth_rate"].item()
    np.testing.assert_allclose(
        np.sort(abs(found["overlaps"].values)), np.sort(abs(lowest.x)), atol=apart
    )


@pytest.mark.parametrize(
    "theory, given, sentence",
    [
        (stored(2), {"entropy": 0.1}, "entropy belongs to law = 'gauss'"),
        (Multitasking(2), {"quality": 0.5}, "quality and examples belong to law = 'binomial'"),
        (Multitasking(2, "binomial"), {"examples": 2.5}, "whole numbers of examples"),
        (Multitasking(2, "binomial", 8), {"examples": 9}, "9 is above most_examples = 8"),
        (stored(2), {"dilution": 1.0}, "dilution = 1 is outside"),
    ],
)
def test_data_that_the_law_does_not_describe_are_refused(theory, given, sentence):
    with pytest.raises(ValueError, match=sentence):
        solvers.saddle_points(theory, **{"dilution": 0.3, "temperature": 0.5} | given)


@pytest.mark.parametrize(
    "build, sentence",
    [
        (lambda: Multitasking(0), r"n_patterns = 0 is outside \[1, 10\]"),
        (lambda: Multitasking(2.5), "n_patterns = 2.5 is not a whole number"),  # type: ignore
        (lambda: Multitasking(11), r"n_patterns = 11 is outside \[1, 10\]"),
        (lambda: Multitasking(4, "binomial"), r"n_patterns = 4 is outside \[1, 3\]"),
        (lambda: Multitasking(2, "cauchy"), "law = 'cauchy' is not one of"),  # type: ignore
        (lambda: ZeroTemperature(11), r"n_patterns = 11 is outside \[1, 10\]"),
        (lambda: Parallel(stored(2), 3), r"served = 3 is outside \[1, 2\]"),
    ],
)
def test_networks_that_do_not_exist_are_refused(build, sentence):
    with pytest.raises(ValueError, match=sentence):
        build()


@pytest.mark.slow
@pytest.mark.parametrize("K", [2, 3, 4, 8])
def test_the_whole_diagram_is_solved(K):
    d = xr.DataArray(np.linspace(0.01, 0.97, 49 if K < 8 else 13), dims="dilution")
    t = xr.DataArray(np.linspace(0.011, 1.2, 40 if K < 8 else 10), dims="reduced")
    data = solvers.saddle_points(stored(K), dilution=d, temperature=t * (1 - d))
    assert (data["status"] == Status.OK).all()
    found = solvers.descend(stored(K), data)
    assert (found["status"] == Status.OK).all()
    assert (found["growth_rate"] < 0).all()
    phase, code = multitasking.phases(found), multitasking.PHASES.index
    assert (phase != code("undecided")).all()
    assert ((phase == code("ergodic")) == (t > 1)).all()
    assert ((phase == code("pure")) == pure_is_stable(d, t)).all()


def pure_is_stable(d, t):
    """Whether there is a pure state to which no second pattern is recruited."""
    m = xr.ones_like(t)  # in units of 1 - d, with temperatures in the same units
    for _ in range(10_000):
        m = np.tanh(m / t)
    return (t < 1) & (1 - (1 - d) * m**2 < t)


@dataclass(frozen=True)
class Scattered(Multitasking):
    """Multitasking that starts at random overlaps, of which the first are the largest."""

    @property
    def starts(self):
        shapes = np.random.default_rng(0).dirichlet(np.full(self.n_patterns, 0.7), 24) ** 0.5
        shapes = -np.sort(-shapes, axis=1)

        def begin(shape):
            return lambda control: self.Order((1 - control.dilution) * jnp.asarray(shape))

        return {f"{k}": begin(shape) for k, shape in enumerate(shapes)}


@pytest.mark.slow
@pytest.mark.parametrize("K", [2, 3, 4])
def test_the_phases_do_not_depend_on_the_starts(K):
    d = xr.DataArray(np.linspace(0.01, 0.97, 49), dims="dilution")
    t = xr.DataArray(np.linspace(0.011, 1.2, 40), dims="reduced")
    # near d_s a start may take too long, where others have arrived
    found, other = (
        equilibrium(theory, dilution=d, temperature=t * (1 - d), on_failure="keep")
        for theory in (stored(K), Scattered(K, "storage"))
    )
    assert (named(other) != "undecided").all()
    np.testing.assert_array_equal(named(found), named(other))


@pytest.mark.slow
def test_ten_patterns_learned_from_examples_are_retrieved_by_ranks():
    fine = Multitasking(10, rule=SinhTrapezoid(41))
    data = state(fine, dilution=0.45, temperature=0.05, entropy=0.01)
    first = data["overlaps"].values[:3]
    assert first == pytest.approx(0.55 * 0.45 ** np.arange(3), rel=0.05)  # the hierarchy at T = 0
    assert (data["overlaps"].diff("pattern") < 1e-12).all()  # the last ones vanish
