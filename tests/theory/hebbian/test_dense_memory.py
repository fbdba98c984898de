"""Dense Hebbian networks: published and derived values, identities, limits."""

from __future__ import annotations

import math
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.optimize import root_scalar
from scipy.special import erf, erfinv

from thermolimit import solvers
from thermolimit.solvers import SinhTrapezoid
from thermolimit.solvers.stability import growth_rate
from thermolimit.theory.hebbian import hopfield
from thermolimit.theory.hebbian.dense_glass import OneStep, OneStepZeroTemperature
from thermolimit.theory.hebbian.dense_memory import Model, ReplicaSymmetric, ZeroTemperature
from thermolimit.theory.hebbian.example_law import class_means, dataset_entropy

retrieved = partial(solvers.saddle_points, start="retrieval")
UNSUPERVISED = partial(Model, protocol="unsupervised")


# Amit, Gutfreund and Sompolinsky 1987 for P = 2, and this package's derivation for the others
KNOWN = {
    "pairs": (
        Model(2), {"pattern_load": 0.05, "temperature": 0.3},
        {"overlap": 0.991164995702, "self_overlap": 0.982960950216, "entropy": 1.67078723315},
    ),
    "triples": (
        Model(3), {"pattern_load": 0.1, "temperature": 0.5},
        {"overlap": 0.98243591621, "self_overlap": 0.966759794071, "entropy": 1.00846274459},
    ),
    "supervised triples": (
        Model(3, law="binomial"),
        {"pattern_load": 0.05, "temperature": 0.4, "quality": 0.6, "examples": 20},
        {"class_overlap": 0.98812177788, "overlap": 0.972297400246, "self_overlap": 0.960491685708},
    ),
    "unsupervised pairs": (
        UNSUPERVISED(2, law="binomial"),
        {"pattern_load": 0.03, "temperature": 0.3, "quality": 0.7, "examples": 10},
        {"class_overlap": 0.977839270426, "overlap": 0.946016551957,
         "self_overlap": 0.932185454451},
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", KNOWN)
def test_the_known_retrieval_states_solve_the_equations(name):
    model, at, expected = KNOWN[name]
    # all of a stored pattern is its class
    state = expected.get("class_overlap", expected["overlap"]), expected["self_overlap"]
    n, q, m, _, f = equations(model, state, **at)
    assert (n, q) == pytest.approx(state, abs=1e-10)
    assert m == pytest.approx(expected["overlap"], abs=1e-10)
    if "entropy" in expected:  # log Z / N
        assert -f / at["temperature"] == pytest.approx(expected["entropy"], abs=1e-10)


@pytest.mark.parametrize(
    "name",
    [name if name == "triples" else pytest.param(name, marks=pytest.mark.slow) for name in KNOWN],
)
def test_retrieval_states_have_their_known_values(name):
    model, at, expected = KNOWN[name]
    data = retrieved(ReplicaSymmetric(model), **at)
    data["entropy"] = -data["free_energy"] / at["temperature"]
    for variable, value in expected.items():
        assert data[variable] == pytest.approx(value, abs=1e-10)


@pytest.mark.parametrize(
    "model, data, expected",
    [
        (Model(2), {}, 0.137905566495),
        (Model(3), {}, 0.378285646156),
        # other orders, repeated indices and noisy examples: below, and by closed forms
        pytest.param(Model(4), {}, 0.395720238391, marks=pytest.mark.slow),
        pytest.param(Model(4, indices="all"), {}, 0.158288095356, marks=pytest.mark.slow),
        pytest.param(
            Model(3, law="gauss"), {"quality": 0.5, "examples": 40.0}, 0.313798591501,
            marks=pytest.mark.slow,
        ),
    ],
    ids=repr,
)  # fmt: skip
def test_capacities_at_zero_temperature(model, data, expected):
    theory = ZeroTemperature(model)
    branch = solvers.trace_branch(
        theory, "pattern_load", start="retrieval", pattern_load=0.05, bounds=(1e-3, 1.0), **data
    )
    assert solvers.spinodal(theory, branch)["pattern_load"] == pytest.approx(expected, abs=1e-11)


@pytest.mark.parametrize("order", [3, pytest.param(4, marks=pytest.mark.slow)])
def test_a_capacity_is_the_maximum_of_an_explicit_curve(order):
    m = np.linspace(0.7, 1 - 1e-6, 400_001)
    explicit = np.max(order * m ** (2 * order - 2) / (4 * erfinv(m) ** 2))
    theory = ZeroTemperature(Model(order))
    branch = solvers.trace_branch(
        theory, "pattern_load", start="retrieval", pattern_load=0.05, bounds=(1e-3, 1.0)
    )
    found = solvers.spinodal(theory, branch)["pattern_load"]
    assert found == pytest.approx(explicit, abs=1e-9)  # of the grid


@pytest.mark.parametrize("order, factor", [(3, 1.5), (4, 2.5)])
def test_repeated_indices_lower_the_capacity_by_a_ratio_of_factorials(order, factor):
    double_factorial = math.prod(range(2 * order - 3, 0, -2))
    assert factor == double_factorial / math.factorial(order - 1)
    at = {"overlap": [], "load": []}
    for indices, load in (("distinct", 0.1 * factor), ("all", 0.1)):
        data = retrieved(ZeroTemperature(Model(order, indices=indices)), pattern_load=load)
        at["overlap"].append(data["overlap"].item())
    assert at["overlap"][0] == pytest.approx(at["overlap"][1], abs=1e-12)


def test_the_energy_of_a_cold_retrieval_state():
    data = retrieved(ZeroTemperature(Model(4)), pattern_load=0.2)
    assert data["overlap"] == pytest.approx(0.998348389891, abs=1e-10)
    assert data["free_energy"] == pytest.approx(-0.500277086619, abs=1e-10)


def root(fn, lower, upper):
    return root_scalar(fn, bracket=(lower, upper), xtol=1e-15).root


def temperature_of(m):
    """Of a state of triples without load: m = tanh(3 m^2 / 2 T)."""
    return 1.5 * m**2 / math.atanh(m)


def above_paramagnet(m):
    """Its free energy, over T, minus log 2."""
    T = temperature_of(m)
    return m**3 / T - math.log(math.cosh(1.5 * m**2 / T))


# d T / d m = 0, and equal free energies
SPINODAL = temperature_of(root(lambda m: 2 * (1 - m**2) * math.atanh(m) - m, 0.5, 0.9))
FIRST_ORDER = temperature_of(root(above_paramagnet, 0.8, 0.99))


def test_few_archetypes_are_retrieved_below_a_first_order_transition():
    assert SPINODAL == pytest.approx(0.873874362548, abs=1e-12)
    assert FIRST_ORDER == pytest.approx(0.743953754631, abs=1e-12)
    near = np.array([FIRST_ORDER - 1e-7, FIRST_ORDER + 1e-7, SPINODAL - 1e-4, SPINODAL + 1e-4])
    data = solvers.saddle_points(
        ReplicaSymmetric(Model(3)), start=["retrieval", "paramagnet"], pattern_load=0.0,
        temperature=near,
    ).squeeze()  # fmt: skip
    retrieval = data.sel(start="retrieval")
    above = (retrieval["free_energy"] - data["free_energy"].sel(start="paramagnet")).values
    assert above[0] < -1e-9 and above[1] > 1e-9
    m = retrieval["overlap"].values
    for overlap, T in zip(m[:3], near, strict=False):
        assert temperature_of(overlap) == pytest.approx(T, abs=1e-9)
    assert m[2] > 0.5 and abs(m[3]) < 1e-9


@pytest.mark.slow
def test_the_solvers_locate_that_transition():
    theory = ReplicaSymmetric(Model(3))
    trace = partial(
        solvers.trace_branch, theory, "temperature", pattern_load=0.0, bounds=(0.1, 1.2)
    )
    retrieval = trace(start="retrieval", temperature=0.3)
    paramagnet = trace(start="paramagnet", temperature=0.3)
    spinodal = solvers.spinodal(theory, retrieval)
    assert spinodal["temperature"] == pytest.approx(SPINODAL, abs=1e-10)
    first_order = solvers.coexistence(theory, retrieval, paramagnet)
    assert first_order["temperature"] == pytest.approx(FIRST_ORDER, abs=1e-10)


STATES = [
    (0.9, 0.8),
    (0.4, 0.7),
    (0.0, 0.6),
    (1.2, 0.95),
]  # n and q at which equations are compared


@pytest.fixture(autouse=True)
def double_precision():
    with jax.enable_x64(True):
        yield


def equations(model, state, rule=None, **at):
    """Right-hand sides, free energy, overlap and energy of a state, solution or not."""
    theory = ReplicaSymmetric(model, rule or SinhTrapezoid(101))
    order = theory.Order(*map(jnp.asarray, state))
    control = theory.Control(**{name: jnp.asarray(float(value)) for name, value in at.items()})
    found = theory.update(order, control), theory.observables(order, control)
    return np.array([*found[0], *found[1], theory.free_energy(order, control)])


@pytest.mark.parametrize("state", STATES)
def test_pairs_that_store_are_the_hopfield_network(state):
    n, q = state
    found = equations(Model(2), state, pattern_load=0.1, temperature=0.7)
    classic = hopfield.ReplicaSymmetric()
    r = q / (1 - (1 - q) / 0.7) ** 2
    order, control = classic.Order(n, q, r), classic.Control(jnp.asarray(0.1), jnp.asarray(0.7))
    m_new, q_new, _ = classic.update(order, control)
    f = classic.free_energy(order, control)
    np.testing.assert_allclose(found, [m_new, q_new, m_new, found[3], f], atol=1e-14)


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("order", [2, 3, 4])
@pytest.mark.parametrize("law", ["binomial", "gauss"])
def test_one_example_is_the_same_under_both_protocols(order, law, state):
    at = {"pattern_load": 0.05, "temperature": 0.9, "quality": 0.8, "examples": 1}
    supervised, unsupervised = (
        equations(Model(order, protocol=protocol, law=law), state, **at)
        for protocol in ("supervised", "unsupervised")
    )
    np.testing.assert_allclose(supervised, unsupervised, rtol=1e-13)


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("order, indices", [(2, "distinct"), (3, "distinct"), (4, "all")])
@pytest.mark.parametrize("protocol", ["supervised", "unsupervised"])
@pytest.mark.parametrize(
    "law, quality, examples",
    [("binomial", 1.0, 7), ("gauss", 1.0, 7), ("gauss", 0.5, 1e13)],
    ids=["perfect", "perfect, gauss", "very many"],
)
def test_perfect_or_very_many_examples_are_storage(
    state, order, indices, protocol, law, quality, examples
):
    at = {"pattern_load": 0.05, "temperature": 0.7}
    model = Model(order, protocol=protocol, law=law, indices=indices)
    if indices == "all" and protocol == "unsupervised" and quality < 1:
        pytest.skip("repeated indices of single examples make noise however many there are")
    learned = equations(model, state, **at, quality=quality, examples=examples)
    stored = equations(Model(order, indices=indices), state, **at)
    np.testing.assert_allclose(learned, stored, atol=1e-11)


@pytest.mark.parametrize("protocol", ["supervised", "unsupervised"])
def test_the_binomial_law_becomes_gaussian_with_many_examples(protocol):
    at = {"pattern_load": 0.05, "temperature": 0.4, "quality": 0.3}
    deviations = []
    for examples in (40, 160, 640):
        exact, gauss = (
            equations(
                Model(3, protocol=protocol, law=law, most_examples=640), (0.9, 0.8), **at,
                examples=examples,
            )
            for law in ("binomial", "gauss")
        )  # fmt: skip
        deviations.append(np.max(np.abs(exact - gauss)))
    assert deviations[0] > 2 * deviations[1] > 4 * deviations[2]
    assert deviations[2] < 3e-4


@pytest.mark.parametrize(
    "order, load", [(3, 0.2), (3, 0.4), pytest.param(4, 0.3, marks=pytest.mark.slow)]
)
def test_on_the_nishimori_line_the_overlaps_are_equal(order, load):
    data = retrieved(ReplicaSymmetric(Model(order)), pattern_load=load, temperature=load)
    assert data["overlap"] > 0.5
    assert data["overlap"] == pytest.approx(data["self_overlap"].item(), abs=1e-14)


@pytest.mark.parametrize("order", [3, 4])
def test_on_the_nishimori_line_the_replicon_vanishes_where_retrieval_ends(order):
    # there both equations are the one of q, and the state ends where their slope is 1
    theory = ReplicaSymmetric(Model(order))
    q, control = jnp.asarray(0.7), theory.Control(*map(jnp.asarray, (0.4, 0.4)))

    def update(q):
        return theory.update(theory.Order(q, q), control)

    moved, slope = (np.array(pair) for pair in jax.jvp(update, (q,), (jnp.ones(()),)))
    assert moved[0] == pytest.approx(moved[1], abs=1e-14)
    replicon = float(theory.replicon(theory.Order(q, q), control))
    assert slope == pytest.approx(1 - replicon, abs=1e-12)


@pytest.mark.parametrize("order", [2, 3, 4])
def test_the_replicon_is_one_minus_the_growth_of_differences_between_replicas(order):
    theory, (n, q, alpha, T) = ReplicaSymmetric(Model(order)), (0.9, 0.8, 0.1, 0.5)
    found = theory.replicon(
        theory.Order(*map(jnp.asarray, (n, q))), theory.Control(*map(jnp.asarray, (alpha, T)))
    )
    if order == 2:
        slope = (1 - (1 - q) / T) ** -2
        noise = alpha * q * slope
    else:
        slope = order / 2 * (order - 1) * q ** (order - 2)
        noise = alpha * order / 2 * q ** (order - 1)
    z = np.linspace(-10, 10, 20_001)
    weight = np.exp(-(z**2) / 2) / np.exp(-(z**2) / 2).sum()
    spin = np.tanh((order / 2 * n ** (order - 1) + np.sqrt(noise) * z) / T)
    known = 1 - alpha * slope / T**2 * (weight @ (1 - spin**2) ** 2)
    assert found == pytest.approx(known, abs=1e-12)


@pytest.mark.parametrize(
    "model, data",
    [
        (Model(2), {}),
        (Model(4), {}),
        (Model(4, indices="all"), {}),
        (Model(3, law="binomial"), {"quality": 0.6, "examples": 20}),
        (UNSUPERVISED(2, law="gauss"), {"quality": 0.7, "examples": 10}),
        (UNSUPERVISED(4, law="gauss", indices="all"), {"quality": 0.9, "examples": 30}),
    ],
    ids=repr,
)
def test_cooling_leads_to_zero_temperature(model, data):
    cold = ZeroTemperature(model)
    at = {
        name: jnp.asarray(float(value)) for name, value in ({"pattern_load": 0.02} | data).items()
    }
    state = cold.Order(jnp.asarray(0.9), jnp.asarray(0.3))
    n, C = cold.update(state, cold.Control(**at))
    (m,) = cold.observables(state, cold.Control(**at))
    energy = cold.free_energy(state, cold.Control(**at))
    deviations = []
    for T in (0.005, 0.0025):
        rule = SinhTrapezoid(401)
        warm = equations(model, (0.9, 1 - 0.3 * T), rule, **at, temperature=T)
        expected = [n, 1 - C * T, m, energy]
        deviations.append(np.abs((warm[[0, 1, 2, 4]] - expected) / [1, T, 1, 1]).max())
    assert deviations[1] < 2e-3
    assert deviations[1] < 0.6 * deviations[0]


def test_the_noise_of_repeated_indices_is_the_covariance_of_the_energies():
    """E (x_a^P) (x_b^P) for Gaussian overlaps of correlation q, without its constant."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(20)
    weights = weights / weights.sum()
    q = 0.37
    for order in (3, 4, 5):
        a = nodes[:, None]
        b = q * a + math.sqrt(1 - q**2) * nodes[None, :]
        mean = weights @ nodes**order
        covariance = weights @ (a**order * b**order) @ weights - mean**2
        powers = Model(order, indices="all").noise_powers(1.0, 1.0)
        g = sum(float(weight) * q**k for k, weight in powers.items())
        assert g == pytest.approx(covariance / math.factorial(order), rel=1e-12)


def test_the_covariance_of_unsupervised_energies_is_that_of_the_examples():
    """Direct average over one class of M examples, P = 3, at N so small that nothing is large."""
    quality, examples = 0.6, 3
    rng = np.random.default_rng(5)
    n_spins, trials = 12, 40_000
    archetype = rng.choice([-1.0, 1.0], (trials, 1, n_spins))
    chi = np.where(rng.random((trials, examples, n_spins)) < (1 + quality) / 2, 1.0, -1.0)
    p = [(archetype * chi).sum(axis=-1)]
    e3 = (p[0] ** 3 - 3 * p[0] * n_spins + 2 * p[0]) / 6  # of +-1 entries, all spins up
    energy = e3.mean(axis=1) / quality**3
    triples = math.comb(n_spins, 3)
    (weight,) = UNSUPERVISED(3, law="binomial").noise_powers(quality, examples).values()
    expected = triples * float(weight)
    error = 6 * expected / math.sqrt(trials)  # the square of a cubic has heavy tails
    assert np.mean(energy**2) == pytest.approx(expected, abs=error)


@pytest.mark.slow
def test_learning_thresholds_of_noisy_examples_collapse():
    """M_c r^8 = 1 / (alpha_s / alpha - 1) as r -> 0 for P = 4 without supervision."""
    theory = ZeroTemperature(UNSUPERVISED(4, law="gauss"))
    storage, alpha = 0.395720238391, 0.1
    collapsed = []
    for quality in (0.2, 0.1):
        guess = quality**-8 / (storage / alpha - 1)
        branch = solvers.trace_branch(
            theory, "examples", start="retrieval", pattern_load=alpha, quality=quality,
            examples=1.5 * guess, bounds=(0.5 * guess, 2 * guess),
        )  # fmt: skip
        collapsed.append(float(solvers.spinodal(theory, branch)["examples"]) * quality**8)
    assert collapsed[1] == pytest.approx(0.33816, abs=1e-5)
    limit = 1 / (storage / alpha - 1)
    assert abs(collapsed[1] - limit) < abs(collapsed[0] - limit) / 10


def test_supervised_learning_depends_on_the_entropy_of_the_data_only():
    theory = ZeroTemperature(Model(3, law="gauss"))
    rho = 0.07
    overlaps = [
        retrieved(theory, pattern_load=0.2, quality=r, examples=(1 - r**2) / (rho * r**2))[
            "overlap"
        ]
        for r in (0.05, 0.3, 0.9)
    ]
    np.testing.assert_allclose(overlaps, overlaps[0].item(), atol=1e-12)


@pytest.mark.slow
def test_the_examples_that_an_accuracy_needs():
    theory = ZeroTemperature(Model(3, law="gauss"))
    branch = solvers.trace_branch(
        theory, "examples", start="retrieval", pattern_load=0.1, quality=0.2, examples=400.0,
        bounds=(50.0, 800.0),
    )  # fmt: skip
    found = solvers.zero_of(theory, branch, misses_95_percent)
    assert found["examples"] == pytest.approx(157.92397, abs=1e-5)


def misses_95_percent(order, control):
    theory = ZeroTemperature(Model(3, law="gauss"))
    return theory.observables(order, control).overlap - 0.95


@pytest.mark.parametrize("order", [2, 3])
def test_cold_learning_without_load_is_a_majority_vote(order):
    quality, examples = 0.4, 30.0
    data = retrieved(
        ZeroTemperature(Model(order, law="gauss")), pattern_load=0.0, quality=quality,
        examples=examples,
    )  # fmt: skip
    rho = dataset_entropy(quality, examples)
    assert data["overlap"] == pytest.approx(erf(1 / math.sqrt(2 * rho)), abs=1e-12)


@pytest.mark.parametrize("examples", [1, 2, 9])
def test_the_binomial_law_is_normalised_and_has_the_entropy_as_variance(examples):
    quality = 0.45
    x, chance = class_means(quality, float(examples), 64)
    assert chance.sum() == pytest.approx(1, rel=1e-5)
    assert (chance * x).sum() == pytest.approx(1, rel=1e-5)
    rho = dataset_entropy(quality, examples)
    assert (chance * x**2).sum() == pytest.approx(1 + rho, rel=1e-5)


@pytest.mark.parametrize("protocol", ["supervised", "unsupervised"])
def test_the_glass_of_pairs_begins_where_the_paramagnet_ends(protocol):
    quality, examples, alpha = 0.6, 12.0, 0.1
    theory = ReplicaSymmetric(Model(2, protocol=protocol, law="gauss"))
    rho = float(dataset_entropy(quality, examples))
    spectrum = [(1 + rho, 1.0)] + ([(rho, examples - 1)] if protocol == "unsupervised" else [])

    def excess(T):
        return alpha * sum(g * lam**2 / (T - lam) ** 2 for lam, g in spectrum) - 1

    T = root(excess, (1 + rho) * 1.01, 10.0)
    if protocol == "supervised":
        assert pytest.approx((1 + rho) * (1 + math.sqrt(alpha)), abs=1e-13) == T
    paramagnet = theory.Order(*jnp.zeros(2))
    cold, found, warm = (
        RATE(theory, paramagnet, theory.Control(*map(jnp.asarray, (alpha, t, quality, examples))))
        for t in (0.99 * T, T, 1.01 * T)
    )
    assert cold > 1e-3 and warm < -1e-3
    assert found == pytest.approx(0, abs=1e-10)


RATE = jax.jit(growth_rate, static_argnums=0)


@pytest.mark.slow
def test_the_replicon_changes_sign_on_the_spinodal_where_it_crosses_the_nishimori_line():
    theory = ReplicaSymmetric(Model(3))
    branch = solvers.trace_branch(
        theory, "pattern_load", start="retrieval", pattern_load=0.1, temperature=0.4,
        bounds=(0.01, 0.6),
    )  # fmt: skip
    line = solvers.spinodal(theory, branch, along="temperature", bounds=(0.3, 0.6))
    assert line["pattern_load"].max() == pytest.approx(0.4646, abs=1e-4)
    away = (abs(line["temperature"] - line["pattern_load"]) > 0.01).values
    for point in np.flatnonzero(away)[::4]:
        here = line.isel(point=point)
        order = theory.Order(*(jnp.asarray(here[n].item()) for n in theory.Order._fields))
        control = theory.Control(*(jnp.asarray(here[n].item()) for n in theory.Control._fields))
        stable = theory.replicon(order, control) > 0
        assert stable == (here["temperature"] > here["pattern_load"]).item()


@partial(jax.jit, static_argnums=0)
def glass(theory, q, load, temperature):
    """The next q of the map, and of this q the breaking parameter, f and the complexity."""
    order, control = theory.Order(q), theory.Control(load, temperature)
    return (
        theory.update(order, control).self_overlap,
        theory.observables(order, control).breaking,
        theory.free_energy(order, control),
        theory.complexity(order, control),
    )


def settled(theory, load, temperature):
    """The state to which the map leads: q, and the same three."""
    q, change = 0.99, 1.0
    while change > 1e-13:
        following, *meaning = map(float, glass(theory, q, load, temperature))
        q, change = following, abs(following - q)
    return q, *meaning


DYNAMICAL, STATIC = 0.681598040576, 0.651385226936  # of triples, T / sqrt(alpha)


def test_below_the_dynamical_transition_are_states_and_below_the_static_one_too_few():
    at = partial(settled, OneStep(equilibrium=False), 1.0)
    assert at(DYNAMICAL - 1e-4)[0] > 0.5
    assert at(DYNAMICAL + 1e-4)[0] < 1e-6
    assert at(STATIC - 1e-6)[3] < -1e-8
    assert at(STATIC + 1e-6)[3] > 1e-8


@pytest.mark.slow
def test_the_dynamical_and_the_static_glass_transition_of_triples():
    theory = OneStep(equilibrium=False)
    branch = solvers.trace_branch(
        theory, "temperature", start="spin_glass", pattern_load=1.0, temperature=0.66,
        bounds=(0.5, 1.0),
    )  # fmt: skip
    dynamical = solvers.spinodal(theory, branch)["temperature"]
    static = solvers.zero_of(theory, branch, "complexity")["temperature"]
    assert dynamical == pytest.approx(DYNAMICAL, abs=1e-10)
    assert static == pytest.approx(STATIC, abs=1e-10)


def test_the_glass_breaks_below_its_static_transition_only():
    _, breaking, free_energy, _ = zip(
        *(settled(OneStep(), 1.0, T) for T in (0.3, 0.6, 0.64, 0.66)), strict=True
    )
    assert (np.diff(breaking[:3]) > 0).all() and breaking[2] < 1
    assert breaking[3] == 1
    # above it, the free energy is that of the paramagnet
    paramagnet = -0.66 * math.log(2) - 1 / (4 * 0.66)
    assert free_energy[3] == pytest.approx(paramagnet, abs=1e-10)


def test_the_glass_cools_to_its_ground_state():
    cold = solvers.saddle_points(OneStepZeroTemperature(), pattern_load=0.5)
    warm = [settled(OneStep(), 0.5, T)[2] for T in (0.02, 0.01)]
    deviation = cold["free_energy"].item() - np.array(warm)
    assert (abs(deviation) < [4e-4, 2e-4]).all()
    assert abs(deviation[1]) < 0.6 * abs(deviation[0])


def test_glasses_of_very_many_spins_are_the_random_energy_model():
    data = solvers.saddle_points(OneStepZeroTemperature(Model(30)), pattern_load=1.0)
    assert data["free_energy"] == pytest.approx(-math.sqrt(math.log(2)), abs=1e-8)
    assert data["breaking"] == pytest.approx(2 * math.sqrt(math.log(2)), abs=1e-5)


def test_the_retrieval_state_of_triples_is_the_ground_state_up_to_its_spinodal():
    load = 0.378285
    retrieval = retrieved(ZeroTemperature(Model(3)), pattern_load=load)["free_energy"]
    glass = solvers.saddle_points(OneStepZeroTemperature(Model(3)), pattern_load=load)
    assert retrieval == pytest.approx(-0.5203, abs=1e-4)
    assert glass["free_energy"] == pytest.approx(-0.5004, abs=1e-4)


@pytest.mark.parametrize(
    "wrong, said",
    [
        ({"interaction_order": 1}, r"interaction_order = 1 is outside \[2, inf\)"),
        ({"interaction_order": 2.5}, "interaction_order = 2.5 is not a whole number"),
        ({"protocol": "self-taught"}, "protocol = 'self-taught' is not one of"),
        ({"law": "poisson"}, "law = 'poisson' is not one of"),
        ({"interaction_order": 2, "indices": "all"}, "by a constant at P = 2"),
    ],
)
def test_a_network_that_makes_no_sense_is_refused(wrong, said):
    with pytest.raises(ValueError, match=said):
        Model(**wrong)


@pytest.mark.parametrize(
    "model, wrong, said",
    [
        (Model(3), {"pattern_load": -0.1}, r"pattern_load = -0.1 is outside \[0, inf\)"),
        (Model(3), {"temperature": 0.0}, r"temperature = 0 is outside \(0, inf\)"),
        (Model(3), {"quality": 0.5}, "law = 'storage' has quality = 1"),
        (Model(3, law="gauss"), {"quality": 1.5}, r"quality = 1.5 is outside \[1e-06, 1\]"),
        (Model(3, law="gauss"), {"quality": 0.0}, r"quality = 0 is outside"),
        (Model(3, law="gauss"), {"examples": 0.5}, r"examples = 0.5 is outside \[1, inf\)"),
        (Model(3, law="binomial"), {"examples": 2.5}, "whole numbers of examples"),
        (Model(3, law="binomial"), {"examples": 100}, "above most_examples = 64"),
    ],
)
def test_data_that_make_no_sense_are_refused_in_one_sentence(model, wrong, said):
    at = {"pattern_load": 0.1, "temperature": 0.3} | wrong
    with pytest.raises(ValueError, match=said) as caught:
        retrieved(ReplicaSymmetric(model), **at)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("model", [Model(2), Model(4, indices="all")])
def test_one_step_of_breaking_is_for_distinct_indices_of_at_least_three(model):
    with pytest.raises(ValueError, match="P >= 3 and distinct indices"):
        OneStep(model)
