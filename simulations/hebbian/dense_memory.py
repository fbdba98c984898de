"""Dense Hebbian networks at finite N: P spins interact, at once or by mean-field equations.

With the class means x_i^mu = sum_a eta_i^{mu a} / (r M) of M examples eta of the archetype xi^mu,
which agree with it with mean r, the energy is

    H = -(P! / 2 N^(P-1)) sum_mu sum_{i_1 < ... < i_P} x_{i_1}^mu ... x_{i_P}^mu s_{i_1} ... s_{i_P}

(supervised), or the mean over a of the same with eta_i^{mu a} / r in place of x (unsupervised).
With all indices it is -(N / 2) sum_mu n_mu^P, n_mu the overlap with x, repeated indices included.
There are K = 2 alpha N^(P-1) / P! classes, rounded. At r = M = 1 and P = 2 it is the Hopfield
network. Temperatures are in units of the energy.

A sweep is N attempts at spins chosen at random. Fields come from K sums over spins, so that no
coupling is ever built. Two networks with the same examples and independent noise run side by side;
the product of their time averages estimates the square of a thermal average without bias.

``dynamics`` has besides the rules of a single spin: ``parallel`` updates all spins at once by the
heat bath, which has another stationary law, with cycles of two at low T; ``naive_mf`` solves
m_i = tanh(h_i(m) / T), and ``tap`` the same with the reaction of the spin on its field taken off.
"""

from __future__ import annotations

from functools import partial
from math import inf
from typing import Annotated, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from thermolimit.leaves import Interval, Label
from thermolimit.simulations.engines import Engines
from thermolimit.simulations.glauber import BurnIn, Spins, Sweeps, Temperature

from . import dense_jax
from .dense_case import TOLERANCE, Case, Dynamics, Indices, Start, onsager
from .dense_data import Disorder, Protocol, check_size, draw, form_of_rows
from .dense_kernels import (
    Run,
    bit_overlaps,
    mean_fields,
    means,
    newton_sum,
    run_parallel,
    run_sequential,
    signs,
)

Quality = Annotated[
    Array | float, Interval(1e-6, 1.0, closed=True), Label("quality of examples, $r$")
]
StartOverlap = Annotated[
    Array | float, Interval(-1.0, 1.0, closed=True), Label("overlap with the start, $m_0$")
]
PatternLoad = Annotated[
    float, Interval(0.0, inf, closed=True), Label(r"load, $\alpha = P! K / 2 N^{P-1}$")
]
Order = Annotated[int, Label("interaction order, $P$")]
Examples = Annotated[int, Interval(1, inf, closed=True), Label("examples per class, $M$")]
Ranks = Annotated[int, Interval(1, inf, closed=True), Label("overlaps that are told")]


class Observables(NamedTuple):
    """What is measured, averaged over the sweeps after the burn-in and over the two networks."""

    overlap: Annotated[Array, Label("overlap with the archetype, $m$")]
    class_overlap: Annotated[Array, Label("overlap with the mean of the examples over $r$, $n$")]
    self_overlap: Annotated[Array, Label("Edwards-Anderson overlap, $q$")]
    energy: Annotated[Array, Label("energy per spin, $u$; of an archetype $-1/2$")]
    acceptance: Annotated[Array, Label("accepted flips per attempt")]
    retrieved: Annotated[Array, Label("fraction of networks that end with $|m| > 1/2$")]
    largest_overlaps: Annotated[
        Array, "rank", Label(r"overlaps with archetypes, the largest first, $|m_\mu|$")
    ]
    example_overlap: Annotated[Array, Label("largest overlap with an example of the class")]


def _observables(networks: Run, overlaps, largest, final, examples, quality) -> Observables:
    """From the time averages of the two networks, leading dimension 2.

    ``overlaps`` and ``final`` ones with the first archetype (2,), the ``largest`` with any
    (2, ranks), ``examples`` (M, N).
    """
    n = networks.spins.shape[1]
    of_examples = networks.spins @ examples.T.astype(networks.spins.dtype) / n  # (2, M)
    return Observables(
        overlap=overlaps.mean(),
        class_overlap=of_examples.mean() / quality,
        self_overlap=(networks.spins[0] * networks.spins[1]).mean(),
        energy=networks.energy.mean(),
        acceptance=networks.acceptance.mean(),
        retrieved=(abs(final) > 0.5).astype(overlaps.dtype).mean(),
        largest_overlaps=largest.mean(axis=0),
        example_overlap=of_examples.max(axis=1).mean(),
    )


def simulate_numba(
    rng: np.random.Generator,
    temperature: Temperature,
    quality: Quality = 1.0,
    start_overlap: StartOverlap = 1.0,
    *,
    n_spins: Spins,
    pattern_load: PatternLoad,
    interaction_order: Order = 3,
    protocol: Protocol = "supervised",
    indices: Indices = "distinct",
    examples: Examples = 1,
    sweeps: Sweeps = 100,
    burn_in: BurnIn = 100,
    dynamics: Dynamics = "glauber",
    start: Start = "archetype",
    ranks: Ranks = 3,
) -> Observables:
    """One set of examples, two networks, on one core.

    Parameters
    ----------
    rng : Generator
        Of the examples and the noise.
    temperature : float
        T >= 0, in units of the energy; T > 0 for ``tap``.
    quality : float
        r in (0, 1].
    start_overlap : float
        Between the first state and that of ``start``, of which as many spins as this takes, to the
        nearest whole number, are flipped at random.
    n_spins, pattern_load : int, float
        N, and alpha: K is the whole number nearest to 2 alpha N^(P-1) / P!, and 1 at alpha = 0.
    interaction_order : int
        P >= 2.
    protocol : {"supervised", "unsupervised"}
        Whether the network knows which examples belong together.
    indices : {"distinct", "all"}
        Whether products with repeated indices are left out of the energy.
    examples : int
        M, of each class.
    sweeps, burn_in : int
        Measured sweeps of N attempts, and those before them. The mean-field equations are iterated
        until they are solved, at most ``sweeps`` times.
    dynamics : {"glauber", "metropolis", "parallel", "naive_mf", "tap"}
        Rule of a flip, or which equations.
    start : {"archetype", "example", "mixture", "random"}
        The first archetype, its first example, the majority of three archetypes, or any state;
        see ``start_overlap``.
    ranks : int
        How many of the largest overlaps with archetypes are told; K or more for all of them.

    Returns
    -------
    Observables
        ``overlap``, ``class_overlap`` (which may exceed 1), ``example_overlap`` and
        ``largest_overlaps`` are those of time averages, ``retrieved`` that of the last state. The
        energy of magnetisations is H with these in place of spins. With all indices the energy
        includes the mean of (n_mu)^P over other classes, a constant that grows with N.

    Raises
    ------
    ValueError
        For unknown words, P < 2, a load that makes no class, and examples that do not fit.

    Warns
    -----
    UserWarning
        For networks too small to retrieve.
    """
    if quality == 1:
        examples = 1  # they are all the same
    case = Case(
        n_spins, pattern_load, interaction_order, protocol, indices, examples, dynamics, start
    )
    case.warn()
    T, r = float(temperature), float(quality)
    if dynamics == "tap" and T == 0:
        raise ValueError("dynamics = 'tap' needs temperature > 0: its reaction term has no limit")
    disorder = draw(rng, n_spins, case.classes, r, examples, protocol)
    m = float(start_overlap)
    runs = [run_network(rng, case, disorder, T, r, sweeps, burn_in, m) for _ in range(2)]
    networks = Run(*map(np.array, zip(*runs, strict=True)))
    overlaps = np.array([_archetype_overlaps(disorder, spins) for spins in networks.spins])
    largest = np.sort(abs(overlaps))[:, ::-1][:, :ranks]
    final = networks.final.astype(float) @ disorder.first_archetypes(1)[0] / n_spins
    return _observables(networks, overlaps[:, 0], largest, final, disorder.examples, r)


def run_network(
    rng: np.random.Generator,
    case: Case,
    disorder: Disorder,
    temperature: float,
    quality: float,
    sweeps: int,
    burn_in: int,
    start_overlap: float = 1.0,
) -> Run:
    """One network, its time averages and last state; see ``simulate_numba``."""
    spins = _first_state(rng, case, disorder)
    flips = round(case.n_spins * (1 - start_overlap) / 2)
    spins[rng.choice(case.n_spins, flips, replace=False)] *= -1
    if case.mean_field:
        return _solve(case, disorder, spins, temperature, quality, sweeps)
    kind = case.interaction_order, case.all_indices, case.scale(quality)
    if disorder.signs:
        network, rules = signs(disorder.rows, disorder.width, spins, *kind)
    else:
        network, rules = means(disorder.rows, spins, *kind)
    args = (rng, network, rules, spins, temperature, sweeps, burn_in)
    if case.dynamics == "parallel":
        return Run(*run_parallel(*args))
    return Run(*run_sequential(*args, case.dynamics == "metropolis"))


def _first_state(rng, case: Case, disorder: Disorder) -> np.ndarray:
    if case.start == "archetype":
        return disorder.first_archetypes(1)[0].copy()
    if case.start == "example":
        return disorder.examples[0].copy()
    if case.start == "mixture":
        return np.sign(disorder.first_archetypes(3).sum(axis=0)).astype(np.int8)
    return (2 * rng.integers(0, 2, case.n_spins, dtype=np.int8) - 1).astype(np.int8)


def _archetype_overlaps(disorder: Disorder, spins: np.ndarray) -> np.ndarray:
    """With all K archetypes."""
    overlaps = np.zeros(disorder.classes)
    bit_overlaps(disorder.archetypes, spins, overlaps)
    return overlaps / spins.size


def _solve(case: Case, disorder: Disorder, spins, temperature, quality, steps) -> Run:
    """Iterate the mean-field equations, half of the way at each step."""
    m, fields = spins.astype(float), np.empty(case.n_spins)
    powers = np.empty((case.interaction_order, disorder.width))
    scale = case.scale(quality)
    for _ in range(steps):
        mean_fields(disorder.rows, disorder.width, m, powers, fields)
        h = scale * fields
        if case.dynamics == "tap":
            h -= onsager(case, np.mean(m**2), temperature, quality) * m
        with np.errstate(divide="ignore", invalid="ignore"):
            step = (np.tanh(np.where(h == 0, 0.0, h / temperature)) - m) / 2
        m += step
        if abs(step).max() < TOLERANCE:
            break
    mean_fields(disorder.rows, disorder.width, m, powers, fields)
    energy = -scale * newton_sum(powers) / case.n_spins
    return Run(m, energy, 0.0, m)


@partial(
    jax.jit,
    static_argnames=(
        "n_spins", "pattern_load", "interaction_order", "protocol", "indices", "examples",
        "sweeps", "burn_in", "dynamics", "start", "ranks",
    ),
)  # fmt: skip
def simulate_jax(
    key: Array,
    temperature: Temperature,
    quality: Quality = 1.0,
    start_overlap: StartOverlap = 1.0,
    *,
    n_spins: Spins,
    pattern_load: PatternLoad,
    interaction_order: Order = 3,
    protocol: Protocol = "supervised",
    indices: Indices = "distinct",
    examples: Examples = 1,
    sweeps: Sweeps = 100,
    burn_in: BurnIn = 100,
    dynamics: Dynamics = "glauber",
    start: Start = "archetype",
    ranks: Ranks = 3,
) -> Observables:
    """The same by JAX, to be batched over points and replicas; see ``simulate_numba``.

    All rows are kept as whole numbers of 8 or 16 bits, never as bits, so that they are refused
    sooner. ``tap`` is NaN at T = 0.
    """
    case = Case(
        n_spins, pattern_load, interaction_order, protocol, indices, examples, dynamics, start
    )
    case.warn()
    width, _, entry = form_of_rows(case.classes, examples, protocol)
    check_size(n_spins * (case.classes + width * entry), n_spins, width)
    temperature = jnp.asarray(temperature)
    quality = jnp.asarray(quality, temperature.dtype)
    disorder, *run = jax.random.split(key, 3)
    archetypes, seen, rows = dense_jax.draw(disorder, case, quality)
    laws = dense_jax.Laws(case, rows, temperature, quality)

    def network(key):
        begin, flip = jax.random.split(jax.random.fold_in(key, 0))
        spins = dense_jax.first_state(begin, case, archetypes, seen)
        flips = jnp.round(n_spins * (1 - start_overlap) / 2).astype(jnp.int32)
        flipped = jax.random.permutation(flip, n_spins) < flips
        spins = jnp.where(flipped, -spins, spins)
        if case.mean_field:
            return dense_jax.solve(laws, spins, sweeps)
        return dense_jax.run(laws, key, spins, burn_in, sweeps)

    networks = jax.vmap(network)(jnp.stack(run))
    overlaps = jax.vmap(partial(dense_jax.column_sums, archetypes))(networks.spins) / n_spins
    largest, _ = lax.top_k(abs(overlaps), min(ranks, case.classes))
    final = networks.final @ archetypes[:, 0].astype(temperature.dtype) / n_spins
    return _observables(networks, overlaps[:, 0], largest, final, seen, quality)


simulate = Engines(numba=simulate_numba, jax=simulate_jax)
