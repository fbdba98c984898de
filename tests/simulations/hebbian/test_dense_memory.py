"""Dense networks: fields and energies are those of the definition, runs sample the right law."""

import itertools
import math
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from thermolimit import solvers
from thermolimit.experiments import sweep
from thermolimit.simulations.hebbian import (
    dense_case,
    dense_data,
    dense_jax,
    dense_kernels,
    hopfield,
)
from thermolimit.simulations.hebbian import dense_memory as network
from thermolimit.solvers.precision import simulation_precision
from thermolimit.theory.hebbian import dense_memory as theory

STANDARD_ERRORS = 4
RUNS = 64  # independent runs; their scatter is the error bar
PROTOCOLS = ("supervised", "unsupervised")
INDICES = ("distinct", "all")
SMALL = "ignore:n_spins = :UserWarning"  # networks that can be enumerated retrieve nothing


def make(P, protocol="supervised", indices="distinct", dynamics="glauber", **changes):
    """A network of 8 spins, and its disorder: 3 classes of 5 examples at r = 0.8 by default."""
    given = {"n_spins": 8, "classes": 3, "quality": 0.8, "examples": 5, "seed": 3} | changes
    N, K, r, M = (given[name] for name in ("n_spins", "classes", "quality", "examples"))
    load = K * math.factorial(P) / (2 * N ** (P - 1))
    case = dense_case.Case(N, load, P, protocol, indices, M, dynamics, "archetype")
    assert case.classes == K
    rng = np.random.default_rng(given["seed"])
    packing = {"most_bytes": given["most_bytes"]} if "most_bytes" in given else {}
    return case, dense_data.draw(rng, N, K, r, M, protocol, **packing), r


def compiled(case, disorder, quality, spins):
    """The network at ``spins`` and its rules, for one core."""
    kind = case.interaction_order, case.all_indices, case.scale(quality)
    if disorder.signs:
        return dense_kernels.signs(disorder.rows, disorder.width, spins, *kind)
    return dense_kernels.means(disorder.rows, spins, *kind)


def rows_of(disorder):
    """All rows as integers (N, rows)."""
    rows = disorder.rows
    return (dense_data.unpacked(rows, disorder.width) if disorder.packed else rows).astype(int)


def hamiltonian(case, rows, quality, spins):
    """H as it is defined, of configurations (C, N)."""
    P, N, M = case.interaction_order, case.n_spins, case.examples
    if case.protocol == "supervised":
        x, weight = rows / (quality * M), 1.0
    else:
        x, weight = rows / quality, 1 / M
    terms = spins[:, :, None] * x  # (C, N, rows)
    if case.all_indices:
        return -weight / (2 * N ** (P - 1)) * (terms.sum(axis=1) ** P).sum(axis=1)
    products = sum(
        terms[:, list(chosen)].prod(axis=1).sum(axis=1)
        for chosen in itertools.combinations(range(N), P)
    )
    return -weight * math.factorial(P) / (2 * N ** (P - 1)) * products


def configurations(N):
    return np.array(list(itertools.product([-1, 1], repeat=N)))


@pytest.mark.parametrize("P", range(2, 8))
def test_field_from_power_sums_is_the_sum_over_products_of_others(P):
    x = np.random.default_rng(P).normal(size=9)
    powers = [(x**k).sum() for k in range(1, P)]
    direct = sum(math.prod(chosen) for chosen in itertools.combinations(x, P - 1))
    assert dense_case.elementary_field(P)(*powers) == pytest.approx(direct, rel=1e-12)
    column = np.array(powers)[:, None]
    found = dense_kernels.newton(column, 0, 0.0, P - 1, np.empty(P))
    assert found == pytest.approx(direct, rel=1e-12)


def test_the_field_of_three_others_is_the_textbook_one():
    p1, p2, p3 = 1.3, 2.1, -0.7
    expected = (p1**3 - 3 * p1 * p2 + 2 * p3) / 6
    assert dense_case.elementary_field(4)(p1, p2, p3) == pytest.approx(expected, rel=1e-14)


KINDS = [
    ("supervised", {}),  # class means
    ("supervised", {"examples": 1, "quality": 1.0}),  # archetypes
    ("supervised", {"examples": 1, "most_bytes": 0}),  # bits
    ("unsupervised", {}),
]


@pytest.mark.parametrize("indices", INDICES)
@pytest.mark.parametrize("protocol, changes", KINDS)
@pytest.mark.parametrize("P", range(2, 7))
def test_flips_cost_the_change_of_the_energy(P, protocol, changes, indices):
    case, disorder, r = make(P, protocol, indices, **changes)
    rng = np.random.default_rng(P)
    spins = rng.choice(np.array([-1, 1], np.int8), case.n_spins)
    at, rules = compiled(case, disorder, r, spins)
    energy = partial(hamiltonian, case, rows_of(disorder), r)
    for i in rng.integers(0, case.n_spins, 12):
        here = energy(spins[None])[0]
        assert rules.energy(at) == pytest.approx(here, rel=1e-12, abs=1e-12)
        flipped = spins.copy()
        flipped[i] *= -1
        cost = rules.cost(at, i, spins[i])
        assert cost == pytest.approx(energy(flipped[None])[0] - here, rel=1e-12, abs=1e-12)
        rules.move(at, i, spins[i])
        rules.refresh(at)
        spins = flipped


@pytest.mark.parametrize("indices", INDICES)
@pytest.mark.parametrize("protocol, changes", [KINDS[0], KINDS[1], KINDS[3]])
@pytest.mark.parametrize("P", range(2, 7))
def test_both_programs_have_the_same_fields_and_energies(P, protocol, changes, indices):
    case, disorder, r = make(P, protocol, indices, **changes)
    spins = np.random.default_rng(P).choice(np.array([-1, 1], np.int8), case.n_spins)
    at, rules = compiled(case, disorder, r, spins)
    with simulation_precision(64):
        laws = dense_jax.Laws(case, jnp.asarray(disorder.rows), jnp.ones(()), r)
        s = jnp.asarray(spins, float)
        sums = laws.power_sums(s)
        fields, energy = np.asarray(laws.fields(s, sums)), float(laws.energy(sums))
        moved = laws.moved(sums, laws.rows[2], -2 * s[2])
        for p, q in zip(moved, laws.power_sums(s.at[2].multiply(-1)), strict=True):
            np.testing.assert_allclose(p, q, atol=1e-12)
    costs = [rules.cost(at, i, spins[i]) for i in range(case.n_spins)]
    np.testing.assert_allclose(2 * spins * fields, costs, rtol=1e-12, atol=1e-12)
    assert energy * case.n_spins == pytest.approx(rules.energy(at), rel=1e-12, abs=1e-12)


@pytest.mark.parametrize("protocol, changes", [KINDS[0], KINDS[1], KINDS[3]])
@pytest.mark.parametrize("P", range(2, 7))
def test_mean_fields_are_averages_over_independent_spins(P, protocol, changes):
    case, disorder, r = make(P, protocol, dynamics="tap", **changes)
    m = np.random.default_rng(P).uniform(-1, 1, case.n_spins)
    spins = configurations(case.n_spins)
    probability = ((1 + m * spins) / 2).prod(axis=1)
    energies = hamiltonian(case, rows_of(disorder), r, spins)
    fields, powers = np.empty(case.n_spins), np.empty((P, disorder.width))
    dense_kernels.mean_fields(disorder.rows, disorder.width, m, powers, fields)
    found = -case.scale(r) * dense_kernels.newton_sum(powers)
    assert found == pytest.approx(probability @ energies, rel=1e-11)
    up, down = (
        (probability * (spins[:, 2] == s) / ((1 + s * m[2]) / 2)) @ energies for s in (1, -1)
    )
    assert case.scale(r) * fields[2] == pytest.approx((down - up) / 2, rel=1e-11)
    with simulation_precision(64):
        laws = dense_jax.Laws(case, jnp.asarray(disorder.rows), jnp.ones(()), r)
        found = laws.fields(jnp.asarray(m), laws.power_sums(jnp.asarray(m)))
        np.testing.assert_allclose(found, case.scale(r) * fields, rtol=1e-11)


def exact(case, disorder, quality, temperature):
    """Means over the Gibbs law of m, the energy per spin, and the acceptance of a flip."""
    spins = configurations(case.n_spins)
    energy = hamiltonian(case, rows_of(disorder), quality, spins)
    weight = np.exp(-(energy - energy.min()) / temperature)
    probability = weight / weight.sum()
    states = np.arange(len(spins))
    bits = 2 ** np.arange(case.n_spins)[::-1]  # of itertools.product
    cost = energy[states[:, None] ^ bits] - energy[:, None]
    rule = {
        "glauber": 1 / (1 + np.exp(cost / temperature)),
        "metropolis": np.minimum(1, np.exp(-cost / temperature)),
    }[case.dynamics]
    overlap = spins @ disorder.first_archetypes(1)[0].astype(int) / case.n_spins
    return probability @ overlap, probability @ energy / case.n_spins, probability @ rule.mean(1)


def run_numba(case, disorder, quality, temperature, steps=4000):
    rng = np.random.default_rng(1)
    return [
        network.run_network(rng, case, disorder, temperature, quality, steps, 100)
        for _ in range(RUNS)
    ]


def run_jax(case, disorder, quality, temperature, steps=2000):
    rows = jnp.asarray(disorder.rows)
    laws = dense_jax.Laws(case, rows, jnp.float32(temperature), jnp.float32(quality))
    spins = jnp.asarray(disorder.first_archetypes(1)[0])
    run = jax.jit(jax.vmap(lambda key: dense_jax.run(laws, key, spins, 100, steps)))
    found = run(jax.random.split(jax.random.key(1), RUNS))
    return [dense_kernels.Run(*leaves) for leaves in zip(*map(np.asarray, found), strict=True)]


def averages(runs, disorder):
    """Samples of m, the energy, and the acceptance."""
    archetype = disorder.first_archetypes(1)[0].astype(float)
    return (
        np.array([run.spins.astype(float) @ archetype / archetype.size for run in runs]),
        np.array([run.energy for run in runs], float),
        np.array([run.acceptance for run in runs], float),
    )


def agree(samples, mean, accuracy):
    """Within four standard errors, which are small enough to mean something."""
    error = samples.std(ddof=1) / math.sqrt(len(samples))
    assert abs(samples.mean() - mean) < STANDARD_ERRORS * error
    assert error < accuracy


@pytest.mark.parametrize("dynamics", ["glauber", "metropolis"])
@pytest.mark.parametrize("indices", INDICES)
@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("P", [2, 3, 4])
def test_averages_agree_with_the_enumeration_of_all_states(P, protocol, indices, dynamics):
    case, disorder, r = make(P, protocol, indices, dynamics)
    T = 1.5
    runs = run_numba(case, disorder, r, T)
    means = exact(case, disorder, r, T)
    for samples, mean in zip(averages(runs, disorder), means, strict=True):
        agree(samples, mean, 0.01)


BATCHED = [
    (2, "supervised", "distinct", "metropolis"),
    (3, "supervised", "distinct", "glauber"),
    (4, "unsupervised", "all", "glauber"),
]
OTHERS = [
    case
    for case in itertools.product([2, 3, 4], PROTOCOLS, INDICES, ["glauber", "metropolis"])
    if case not in BATCHED
]


@pytest.mark.parametrize(
    "P, protocol, indices, dynamics",
    [*BATCHED, *(pytest.param(*case, marks=pytest.mark.slow) for case in OTHERS)],
)
def test_so_do_those_of_the_batched_program(P, protocol, indices, dynamics):
    case, disorder, r = make(P, protocol, indices, dynamics)
    T = 1.5
    runs = run_jax(case, disorder, r, T)
    means = exact(case, disorder, r, T)
    for samples, mean in zip(averages(runs, disorder), means, strict=True):
        agree(samples, mean, 0.02)


def stationary_parallel(case, disorder, quality, temperature):
    """Left eigenvector of the transition matrix of all spins at once, and the configurations."""
    spins = configurations(case.n_spins)
    energy = hamiltonian(case, rows_of(disorder), quality, spins)
    bits = 2 ** np.arange(case.n_spins)[::-1]
    cost = energy[np.arange(len(spins))[:, None] ^ bits] - energy[:, None]
    field = cost * spins / 2  # flipping s costs 2 s h
    new = 1 / (1 + np.exp(-2 * field[:, None] * spins / temperature))  # (from, to, N)
    law = np.linalg.matrix_power(new.prod(axis=2), 2**16)[0]
    return spins, energy, field, law


def test_parallel_dynamics_of_pairs_has_the_law_of_peretto():
    # P. Peretto, Biol. Cybern. 50, 51 (1984): exp(sum_i log 2 cosh(h_i / T)), without diagonal
    T = 1.5
    case, disorder, r = make(2, "supervised", "distinct", "parallel")
    spins, energy, field, law = stationary_parallel(case, disorder, r, T)
    weight = np.exp(np.logaddexp(field / T, -field / T).sum(axis=1))
    np.testing.assert_allclose(law, weight / weight.sum(), rtol=1e-9)


@pytest.mark.parametrize("run", [run_numba, run_jax])
@pytest.mark.parametrize("P, protocol", [(2, "supervised"), (3, "unsupervised")])
def test_parallel_dynamics_has_its_own_stationary_law(P, protocol, run):
    T = 1.5
    case, disorder, r = make(P, protocol, "distinct", "parallel")
    spins, energy, field, law = stationary_parallel(case, disorder, r, T)
    flip = 1 / (1 + np.exp(2 * field * spins / T))
    overlap = spins @ disorder.first_archetypes(1)[0].astype(int) / case.n_spins
    means = law @ overlap, law @ energy / case.n_spins, law @ flip.mean(axis=1)
    found = averages(run(case, disorder, r, T), disorder)
    for samples, mean in zip(found, means, strict=True):
        agree(samples, mean, 0.02)


@pytest.mark.parametrize("dynamics", ["glauber", "parallel", "tap"])
@pytest.mark.parametrize("protocol, examples", [("supervised", 1), ("unsupervised", 3)])
@pytest.mark.parametrize("P", [2, 3, 4, 5])
def test_networks_of_bits_and_of_bytes_are_the_same(P, protocol, examples, dynamics):
    # 1001 classes: bits of the last byte, and blocks that are not full
    found = []
    for most_bytes in (0, 10**9):
        case, disorder, r = make(
            P, protocol, dynamics=dynamics, n_spins=41, classes=1001, examples=examples,
            most_bytes=most_bytes,
        )  # fmt: skip
        assert disorder.packed == (most_bytes == 0)
        run = network.run_network(np.random.default_rng(2), case, disorder, 0.7, r, 4, 2)
        found.append((run, network._archetype_overlaps(disorder, run.spins)))
    (bits, overlaps), (numbers, _) = found
    assert (bits.spins == numbers.spins).all()
    assert (bits.energy, bits.acceptance) == (numbers.energy, numbers.acceptance)
    archetypes = dense_data.unpacked(disorder.archetypes, 1001)
    np.testing.assert_allclose(overlaps, bits.spins @ archetypes / 41, atol=1e-14)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_rows_are_made_of_examples(protocol):
    rng = np.random.default_rng(1)
    N, K, r, M = 500, 40, 0.6, 9
    data = dense_data.draw(rng, N, K, r, M, protocol)
    archetypes = dense_data.unpacked(data.archetypes, K)
    gauged = data.rows.reshape(N, K, -1) * archetypes[:, :, None]
    unit = M if protocol == "supervised" else 1
    error = math.sqrt((1 - r**2) / (N * K * M))
    assert abs(gauged.mean() / unit - r) < STANDARD_ERRORS * error
    assert (data.rows.reshape(N, K, -1)[:, 0].sum(axis=1) == data.examples.sum(axis=0)).all()
    variance = gauged.sum(axis=2).var() / M
    assert variance == pytest.approx(1 - r**2, rel=STANDARD_ERRORS * math.sqrt(2 / (N * K)))
    assert abs(archetypes.mean()) < STANDARD_ERRORS / math.sqrt(N * K)


def test_rows_that_do_not_fit_are_refused():
    sentence = "16666667 rows of 1000 numbers and their archetypes take 18.8 GB, above the limit"
    with pytest.raises(ValueError, match=sentence):
        dense_data.draw(np.random.default_rng(1), 1000, 16_666_667, 0.5, 5, "supervised")


@pytest.mark.parametrize("engine", ["numba", "jax"])
@pytest.mark.parametrize("start, name", [("archetype", "overlap"), ("example", "example_overlap")])
def test_a_run_begins_at_the_given_overlap_with_its_start(engine, start, name):
    # a mean-field step at a temperature without order goes half of the way to m = 0
    m = np.array([1.0, 0.5, -0.25])
    data = sweep(
        network.simulate, seed=1, replicas=3, engine=engine, temperature=1e12, quality=0.5,
        start_overlap=m, n_spins=64, pattern_load=3 / 64, interaction_order=2,
        dynamics="naive_mf", sweeps=1, start=start,
    )  # fmt: skip
    found = data[name].transpose("replica", "start_overlap")
    np.testing.assert_allclose(found, np.tile(m / 2, (3, 1)), rtol=1e-6)


@pytest.mark.parametrize("quality", [1.0, 0.7])
def test_a_single_pattern_of_pairs_is_the_hopfield_network(quality):
    # an example of quality r at P = 2 is a pattern at the temperature r^2 T
    fixed = {"temperature": 0.8, "n_spins": 40, "sweeps": 50, "burn_in": 50}
    dense = sweep(
        network.simulate, seed=1, replicas=400, engine="numba", interaction_order=2,
        pattern_load=0.0, quality=quality, start="example", **fixed,
    )  # fmt: skip
    fixed["temperature"] *= quality**2
    pairs = sweep(  # by JAX: in Numba both have the same loops
        hopfield.simulate, seed=2, replicas=400, engine="jax", pattern_load=1 / 40, **fixed
    )
    for name, factor in (
        ("example_overlap", 1), ("self_overlap", 1), ("energy", quality**2), ("acceptance", 1),
    ):  # fmt: skip
        a = dense[name].values * factor
        b = pairs["overlap" if name == "example_overlap" else name].values
        error = math.hypot(a.std(ddof=1), b.std(ddof=1)) / math.sqrt(400)
        assert abs(a.mean() - b.mean()) < STANDARD_ERRORS * error, name


@pytest.mark.parametrize("dynamics", ["glauber", "metropolis", "parallel", "naive_mf"])
@pytest.mark.parametrize("P", [2, 3, 4, 6])
def test_at_zero_temperature_a_single_archetype_is_a_fixed_point(P, dynamics):
    data = sweep(
        network.simulate, seed=1, replicas=2, engine="numba", dynamics=dynamics,
        temperature=0.0, n_spins=64, pattern_load=0.0, interaction_order=P, sweeps=5, burn_in=0,
    )  # fmt: skip
    for name in ("overlap", "class_overlap", "self_overlap", "retrieved", "example_overlap"):
        assert (data[name] == 1).all()
    assert (data["acceptance"] == 0).all()
    assert (data["largest_overlaps"] == 1).all() and data.sizes["rank"] == 1
    energy = -math.comb(64, P) * math.factorial(P) / (2 * 64**P)
    assert data["energy"].values == pytest.approx(energy, rel=1e-12)


@pytest.mark.parametrize("engine", ["numba", pytest.param("jax", marks=pytest.mark.slow)])
@pytest.mark.parametrize(
    "start, overlap, example",
    [("archetype", 1.0, 0.5), ("example", 0.5, 1.0), ("mixture", 0.5, 0.25), ("random", 0.0, 0.0)],
)
def test_runs_start_where_they_are_told(start, overlap, example, engine):
    # at a very high temperature one step of the iteration halves the magnetisations
    data = sweep(
        network.simulate, seed=1, replicas=20, engine=engine, dynamics="naive_mf", start=start,
        temperature=1e6, n_spins=400, pattern_load=0.02, interaction_order=2, sweeps=1,
        quality=0.5, examples=3,
    )  # fmt: skip
    error = 0.03  # 1 / sqrt(20 x 400) = 0.011, half of it is left after a step
    assert data["overlap"].mean() == pytest.approx(overlap / 2, abs=error)
    found = data["example_overlap"].mean()
    assert found == pytest.approx(example / 2, abs=error + 0.05 * (start != "example"))


def test_class_overlaps_exceed_one():
    data = sweep(
        network.simulate, seed=1, replicas=4, engine="numba", temperature=0.1, n_spins=200,
        pattern_load=0.01, quality=0.3, examples=5, start="example", sweeps=20, burn_in=20,
    )  # fmt: skip
    assert (data["class_overlap"] > 1).all()
    assert (data["largest_overlaps"].isel(rank=slice(1, None)) < 0.5).all()


@pytest.mark.parametrize("ranks", [2, 100])
def test_overlaps_are_those_with_all_archetypes_from_the_largest_on(ranks):
    at = {"n_spins": 200, "interaction_order": 2, "pattern_load": 0.1, "start": "mixture"}
    found = network.simulate_numba(
        np.random.default_rng(3), 0.2, **at, sweeps=5, burn_in=5, ranks=ranks
    )
    rng = np.random.default_rng(3)  # the same patterns and runs
    disorder = dense_data.draw(rng, 200, 20, 1.0, 1, "supervised")
    case = dense_case.Case(200, 0.1, 2, "supervised", "distinct", 1, "glauber", "mixture")
    spins = [network.run_network(rng, case, disorder, 0.2, 1.0, 5, 5).spins for _ in range(2)]
    known = np.sort(abs(np.array(spins) @ disorder.first_archetypes(20).T) / 200)[:, ::-1]
    np.testing.assert_allclose(found.largest_overlaps, known.mean(axis=0)[:ranks], rtol=1e-12)


def test_the_batched_program_tells_the_three_overlaps_of_a_mixture():
    data = sweep(
        network.simulate, seed=1, replicas=8, engine="jax", temperature=0.0, n_spins=1000,
        interaction_order=2, pattern_load=0.02, start="mixture", ranks=100, sweeps=1, burn_in=9,
    )  # fmt: skip
    overlaps = data["largest_overlaps"]
    assert overlaps.sizes["rank"] == 20 and (overlaps.diff("rank") <= 0).all()
    # one of the three is that with the first archetype; +-1 of three have a mean of 1 / 2
    assert (abs(data["overlap"] - overlaps.isel(rank=slice(3))).min("rank") < 1e-6).all()
    assert overlaps.isel(rank=slice(3)).mean() == pytest.approx(0.5, abs=4 / np.sqrt(8 * 1000))
    assert (overlaps.isel(rank=slice(3, None)) < 0.25).all()


@pytest.mark.slow
@pytest.mark.parametrize("dynamics", ["glauber", "parallel", "tap"])
@pytest.mark.parametrize(
    "P, protocol, examples, quality",
    [(2, "supervised", 1, 1.0), (3, "supervised", 8, 0.8), (4, "unsupervised", 4, 0.9)],
)
def test_both_programs_follow_the_same_law(P, protocol, examples, quality, dynamics):
    numba, jitted = (
        sweep(
            network.simulate, seed=1, replicas=48, engine=engine, dynamics=dynamics,
            temperature=0.4, n_spins={2: 200, 3: 100, 4: 64}[P], pattern_load=0.02,
            interaction_order=P, protocol=protocol, examples=examples, quality=quality,
            sweeps=60, burn_in=30,
        )
        for engine in ("numba", "jax")
    )  # fmt: skip
    for name in network.Observables._fields:
        a, b = numba[name].values.astype(float), jitted[name].values.astype(float)
        error = math.hypot(a.std(ddof=1), b.std(ddof=1)) / math.sqrt(48)
        assert abs(a.mean() - b.mean()) <= STANDARD_ERRORS * error, name


@pytest.mark.parametrize(
    "P, expected",
    [(2, math.tanh), (3, lambda h: math.tanh(1.5 * h)), (4, lambda h: math.tanh(2 * h))],
)
def test_naive_mean_field_of_one_archetype_is_the_curie_weiss_equation(P, expected):
    data = sweep(
        network.simulate, seed=1, replicas=1, engine="numba", dynamics="naive_mf", sweeps=500,
        temperature=0.5, n_spins=2000, pattern_load=0.0, interaction_order=P,
    )  # fmt: skip
    m = float(data["overlap"].item())
    assert m == pytest.approx(expected(m ** (P - 1) / 0.5), abs=5 / 2000)  # others: N - 1 of N
    assert float(data["self_overlap"].item()) == pytest.approx(m**2, abs=1e-9)


@pytest.mark.slow
@pytest.mark.parametrize(
    "P, n_spins, load, temperature, naive, tap, error",
    [(2, 2000, 0.05, 0.4, 0.96929, 0.96766, 0.0015), (3, 300, 0.1, 0.6, 0.96519, 0.96087, 0.0026)],
)
def test_mean_field_solutions_have_the_reference_values(
    P, n_spins, load, temperature, naive, tap, error
):
    # of an independent program, with the standard error of its means
    for dynamics, value in (("naive_mf", naive), ("tap", tap)):
        data = sweep(
            network.simulate, seed=1, replicas=40, engine="numba", dynamics=dynamics, sweeps=200,
            temperature=temperature, n_spins=n_spins, pattern_load=load, interaction_order=P,
        )  # fmt: skip
        ours = float(data["overlap"].std(ddof=1)) / math.sqrt(40)
        assert ours < error
        assert abs(data["overlap"].mean() - value) < 3 * math.hypot(ours, error)


@pytest.mark.slow
@pytest.mark.parametrize(
    "P, protocol, examples, quality, n_spins, load, T",
    [
        (2, "supervised", 1, 1.0, 1000, 0.05, 0.4),
        (2, "unsupervised", 5, 0.8, 1000, 0.02, 0.4),
        (3, "supervised", 1, 1.0, 300, 0.1, 0.6),
        (3, "supervised", 10, 0.8, 300, 0.06, 0.5),
        (3, "unsupervised", 5, 0.9, 200, 0.05, 0.5),
        (4, "supervised", 1, 1.0, 128, 0.1, 0.65),
    ],
)
def test_the_reaction_term_corrects_most_of_the_error_of_naive_mean_field(
    P, protocol, examples, quality, n_spins, load, T
):
    rng = np.random.default_rng(1)
    off = {"naive_mf": [], "tap": []}
    for _ in range(12):
        overlap = {}
        state = rng.bit_generator.state
        for dynamics in ("glauber", *off):
            rng.bit_generator.state = state  # the same examples
            overlap[dynamics] = network.simulate.numba(
                rng, np.float64(T), quality, n_spins=n_spins, pattern_load=load,
                interaction_order=P, protocol=protocol, examples=examples, dynamics=dynamics,
                sweeps=600, burn_in=50,
            ).overlap  # fmt: skip
        for dynamics, found in off.items():
            found.append(float(overlap[dynamics] - overlap["glauber"]))
    naive, tap = (np.array(found) for found in off.values())
    assert naive.mean() > STANDARD_ERRORS * naive.std(ddof=1) / math.sqrt(12)
    assert abs(tap.mean()) < naive.mean() / 2


@pytest.mark.slow
@pytest.mark.parametrize(
    "P, protocol, indices, quality, examples, n_spins, load, T",
    [
        (2, "supervised", "distinct", 1.0, 1, 1000, 0.05, 0.3),
        (2, "unsupervised", "distinct", 0.7, 10, 1000, 0.03, 0.3),
        (3, "supervised", "distinct", 0.6, 20, 200, 0.05, 0.4),
        (3, "unsupervised", "distinct", 0.8, 10, 200, 0.03, 0.4),
        (4, "supervised", "all", 1.0, 1, 200, 0.08, 0.5),
    ],
)
def test_overlaps_agree_with_the_theory_where_size_hardly_matters(
    P, protocol, indices, quality, examples, n_spins, load, T
):
    about = {"pattern_load": load, "temperature": T, "quality": quality, "examples": examples}
    measured = sweep(
        network.simulate, seed=1, replicas=24, engine="numba", interaction_order=P,
        protocol=protocol, indices=indices, n_spins=n_spins, **about,
    )  # fmt: skip
    law = "storage" if examples == 1 else "binomial"
    model = theory.Model(interaction_order=P, protocol=protocol, law=law, indices=indices)
    predicted = solvers.saddle_points(
        theory.ReplicaSymmetric(model), start="retrieval", **about
    ).squeeze()
    kept = measured["retrieved"] == 1  # few of the smaller networks lose the archetype
    assert kept.mean() > 0.9
    for name in ("overlap", "class_overlap", "self_overlap"):
        values = measured[name].values[kept.values]
        error = values.std(ddof=1) / math.sqrt(values.size)
        assert abs(values.mean() - predicted[name].item()) < STANDARD_ERRORS * error, name
        assert error < 0.006


@pytest.mark.parametrize("P, n_spins", [(3, 99), (4, 63), (5, 63)])
def test_too_small_networks_say_so(P, n_spins):
    with pytest.warns(UserWarning, match="retrieval is lost by finite size"):
        network.simulate.numba(
            np.random.default_rng(1), 0.5, n_spins=n_spins, pattern_load=0.001,
            interaction_order=P, sweeps=1, burn_in=0,
        )  # fmt: skip


@pytest.mark.filterwarnings(SMALL)
@pytest.mark.parametrize("engine", ["numba", "jax"])
@pytest.mark.parametrize(
    "wrong, sentence",
    [
        ({"temperature": -0.1}, r"temperature = -0.1 is outside \[0, inf\)"),
        ({"temperature": math.nan}, "temperature = nan is not a finite number"),
        ({"quality": 0.0}, r"quality = 0 is outside \[1e-06, 1\]"),
        ({"quality": -0.2}, r"quality = -0.2 is outside \[1e-06, 1\]"),
        ({"quality": 1.1}, r"quality = 1.1 is outside \[1e-06, 1\]"),
        ({"n_spins": 1}, r"n_spins = 1 is outside \[2, inf\)"),
        ({"pattern_load": -1.0}, r"pattern_load = -1 is outside \[0, inf\)"),
        ({"pattern_load": 0.001}, r"pattern_load = 0.001 makes no class at n_spins = 10"),
        ({"pattern_load": math.inf}, "pattern_load = inf is not a finite number"),
        ({"interaction_order": 1}, "interaction_order = 1 is below 2"),
        ({"interaction_order": 2.5}, "interaction_order = 2.5 is not a whole number"),
        ({"interaction_order": 11}, "n_spins = 10 is below interaction_order = 11"),
        ({"n_spins": 9999}, "rows of 9999 numbers and their archetypes take"),
        ({"examples": 0}, r"examples = 0 is outside \[1, inf\)"),
        ({"examples": 1.5}, "examples = 1.5 is not a whole number"),
        ({"dynamics": "heat"}, "dynamics = 'heat' is not one of"),
        ({"protocol": "none"}, "protocol = 'none' is not one of"),
        ({"indices": "some"}, "indices = 'some' is not one of"),
        ({"start": "here"}, "start = 'here' is not one of"),
        ({"start": "mixture", "pattern_load": 0.0}, "mixes 3 classes, and there are 1"),
        ({"dynamics": "tap", "indices": "all"}, "equations for indices = 'distinct' only"),
    ],
)
def test_bad_input_gets_one_sentence(wrong, sentence, engine):
    arguments = {"temperature": 0.3, "n_spins": 10, "pattern_load": 0.2, "sweeps": 1} | wrong
    with pytest.raises(ValueError, match=sentence) as caught:
        sweep(network.simulate, seed=1, replicas=1, engine=engine, **arguments)
    assert "\n" not in str(caught.value)


def test_the_reaction_term_at_zero_temperature_is_refused():
    with pytest.raises(ValueError, match="'tap' needs temperature > 0"):
        network.simulate.numba(
            np.random.default_rng(1), 0.0, n_spins=100, pattern_load=0.1, dynamics="tap"
        )
