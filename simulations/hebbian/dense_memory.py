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

import math
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache, partial
from math import inf
from typing import Annotated, Any, Literal, NamedTuple, get_args

import jax
import jax.numpy as jnp
import numpy as np
import sympy
from jax import Array, lax

from thermolimit.leaves import Interval, Label
from thermolimit.simulations.engines import Engines
from thermolimit.simulations.glauber import (
    BurnIn,
    Spins,
    Sweeps,
    Temperature,
    flip_probability,
    sweep,
)
from thermolimit.simulations.recording import time_average

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

Indices = Literal["distinct", "all"]
Dynamics = Literal["glauber", "metropolis", "parallel", "naive_mf", "tap"]
Start = Literal["archetype", "example", "mixture", "random"]

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

TOLERANCE = 1e-6  # largest change of a magnetisation in a step that ends the iteration
SMALLEST_LOSSLESS = {3: 100, 4: 64}  # spins; found in simulations of retrieval far from its limit


class Observables(NamedTuple):
    """What is measured, averaged over the sweeps after the burn-in and over the two networks."""

    overlap: Annotated[Array, Label("overlap with the archetype, $m$")]
    class_overlap: Annotated[Array, Label("overlap with the mean of the examples over $r$, $n$")]
    self_overlap: Annotated[Array, Label("Edwards-Anderson overlap, $q$")]
    energy: Annotated[Array, Label("energy per spin, $u$; of an archetype $-1/2$")]
    acceptance: Annotated[Array, Label("accepted flips per attempt")]
    retrieved: Annotated[Array, Label("fraction of networks that end with $|m| > 1/2$")]
    largest_other: Annotated[Array, Label("largest overlap with another archetype, absolute")]
    example_overlap: Annotated[Array, Label("largest overlap with an example of the class")]


@dataclass(frozen=True)
class Case:
    """Everything about a network that fixes shapes.

    Parameters
    ----------
    n_spins, pattern_load, interaction_order : int, float, int
        N, alpha and P.
    protocol, indices, examples
        Which energy, and M.
    dynamics, start
        How it runs, and from where.

    Raises
    ------
    ValueError
        For what does not exist.
    """

    n_spins: int
    pattern_load: float
    interaction_order: int
    protocol: Protocol
    indices: Indices
    examples: int
    dynamics: Dynamics
    start: Start

    def __post_init__(self) -> None:
        if self.interaction_order < 2:
            raise ValueError(f"interaction_order = {self.interaction_order} is below 2")
        if self.n_spins < self.interaction_order:
            raise ValueError(
                f"n_spins = {self.n_spins} is below interaction_order = {self.interaction_order}: "
                "so many spins must interact"
            )
        for name, words in (
            ("protocol", Protocol),
            ("indices", Indices),
            ("dynamics", Dynamics),
            ("start", Start),
        ):
            if getattr(self, name) not in get_args(words):
                raise ValueError(
                    f"{name} = {getattr(self, name)!r} is not one of {get_args(words)}"
                )
        if self.mean_field and self.all_indices:
            raise ValueError(
                f"dynamics = {self.dynamics!r} has equations for indices = 'distinct' only"
            )
        if self.start == "mixture" and self.classes < 3:
            raise ValueError(f"start = 'mixture' mixes 3 classes, and there are {self.classes}")

    @property
    def classes(self) -> int:
        """K, the whole number nearest to 2 alpha N^(P-1) / P!; one at alpha = 0."""
        if self.pattern_load == 0:
            return 1
        P = self.interaction_order
        count = round(2 * self.pattern_load * self.n_spins ** (P - 1) / math.factorial(P))
        if count == 0:
            raise ValueError(
                f"pattern_load = {self.pattern_load:g} makes no class at n_spins = {self.n_spins}"
            )
        return count

    @property
    def all_indices(self) -> bool:
        """Whether repeated indices are kept."""
        return self.indices == "all"

    @property
    def mean_field(self) -> bool:
        """Whether magnetisations take the place of spins."""
        return self.dynamics in ("naive_mf", "tap")

    def scale(self, quality: Any) -> Any:
        """c in H = -c sum_rows E, with rows of whole numbers."""
        P, M = self.interaction_order, self.examples
        repeated = M**P if self.protocol == "supervised" else M
        return quality ** (-P) / (2.0 * float(self.n_spins) ** (P - 1) * repeated)

    def warn(self) -> None:
        """Say that a network is too small to retrieve."""
        least = SMALLEST_LOSSLESS.get(min(self.interaction_order, 4), 0)
        if self.pattern_load > 0 and self.n_spins < least:
            warnings.warn(
                f"n_spins = {self.n_spins} is below {least}: at interaction_order = "
                f"{self.interaction_order} the field of an archetype falls so fast with the "
                "overlap that the fluctuations of few spins take the network out of its basin, "
                "and retrieval is lost by finite size",
                UserWarning,
                stacklevel=3,
            )


@lru_cache
def elementary_field(interaction_order: int) -> Callable[..., Any]:
    """e_(P-1) of any numbers as a function of their power sums p_1 ... p_(P-1).

    From Newton's identities k e_k = sum_j (-1)^(j-1) e_(k-j) p_j, solved by SymPy.

    Parameters
    ----------
    interaction_order : int
        P >= 2: a spin is in the field of products of P - 1 others.
    """
    degree = interaction_order - 1
    p = sympy.symbols(f"p1:{degree + 1}")
    e = [sympy.Integer(1)]
    for k in range(1, degree + 1):
        terms = [(-1) ** (j - 1) * e[k - j] * p[j - 1] for j in range(1, k + 1)]
        e.append(sympy.expand(sympy.Add(*terms) / k))
    return sympy.lambdify(p, sympy.horner(e[degree], wrt=p[0]), modules="math")


def onsager(case: Case, q: Any, temperature: Any, quality: Any) -> Any:
    """Coefficient of the reaction of a spin on its own field, to be multiplied by m_i.

    Parameters
    ----------
    case : Case
        Which network.
    q : float or array
        Mean of m_i^2.
    temperature, quality : float or array
        T > 0 and r.

    Notes
    -----
    Of the other classes, which are many: P >= 3: alpha_eff (P / 2) (P - 1) q^(P-2) (1 - q) / T; for
    P = 2, sum_k lambda_k^2 alpha C / (1 - lambda_k C) over the eigenvalues of the covariance of a
    class, C = (1 - q) / T. On the way to the solution the denominators may be negative, where the
    expansion means nothing: they are kept above 0.1.
    """
    P, M = case.interaction_order, case.examples
    load = case.classes * math.factorial(P) / (2.0 * float(case.n_spins) ** (P - 1))
    response = (1 - q) / temperature
    rho = (1 - quality**2) / (M * quality**2)
    if P > 2:
        of_products = 1 + (1 - quality ** (2 * P)) / (M * quality ** (2 * P))
        noise = (1 + rho) ** P if case.protocol == "supervised" else of_products
        return load * noise * (P / 2) * (P - 1) * q ** (P - 2) * response
    pairs = [(1 + rho, 1)] + ([(rho, M - 1)] if case.protocol == "unsupervised" else [])
    return load * response * sum(g * r**2 / (1 - r * response).clip(0.1) for r, g in pairs)


def _observables(networks: Run, overlaps, final, examples, quality) -> Observables:
    """From the time averages of the two networks, leading dimension 2.

    ``overlaps`` with all archetypes (2, K), ``final`` with the first (2,), ``examples`` (M, N).
    """
    n = networks.spins.shape[1]
    of_examples = networks.spins @ examples.T.astype(networks.spins.dtype) / n  # (2, M)
    others = abs(overlaps[:, 1:])
    return Observables(
        overlap=overlaps[:, 0].mean(),
        class_overlap=of_examples.mean() / quality,
        self_overlap=(networks.spins[0] * networks.spins[1]).mean(),
        energy=networks.energy.mean(),
        acceptance=networks.acceptance.mean(),
        retrieved=(abs(final) > 0.5).astype(overlaps.dtype).mean(),
        largest_other=others.max(axis=1).mean() if others.size else 0 * overlaps[0, 0],
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

    Returns
    -------
    Observables
        ``overlap``, ``class_overlap`` (which may exceed 1), ``example_overlap`` and
        ``largest_other`` are those of time averages, ``retrieved`` that of the last state. The
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
    overlaps = [_archetype_overlaps(disorder, spins) for spins in networks.spins]
    final = networks.final.astype(float) @ disorder.first_archetypes(1)[0] / n_spins
    return _observables(networks, np.array(overlaps), final, disorder.examples, r)


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
        "sweeps", "burn_in", "dynamics", "start",
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
    draw, *run = jax.random.split(key, 3)
    archetypes, seen, rows = _draw_jax(draw, case, quality)
    laws = Laws(case, rows, temperature, quality)
    solve = _solve_jax if case.mean_field else partial(_run_jax, burn_in=burn_in)

    def network(key):
        begin, flip = jax.random.split(jax.random.fold_in(key, 0))
        spins = _first_state_jax(begin, case, archetypes, seen)
        flips = jnp.round(n_spins * (1 - start_overlap) / 2).astype(jnp.int32)
        flipped = jax.random.permutation(flip, n_spins) < flips
        return solve(laws, key, jnp.where(flipped, -spins, spins), steps=sweeps)

    networks = jax.vmap(network)(jnp.stack(run))
    overlaps = jax.vmap(partial(_column_sums, archetypes))(networks.spins) / n_spins
    final = networks.final @ archetypes[:, 0].astype(temperature.dtype) / n_spins
    return _observables(networks, overlaps, final, seen, quality)


def _draw_jax(key, case: Case, quality):
    """Archetypes (N, K), examples of the first class (M, N), rows (N, rows), of whole numbers."""
    N, K, M = case.n_spins, case.classes, case.examples
    first, second = jax.random.split(key)
    archetypes = jax.random.rademacher(first, (N, K), jnp.int8)

    def examples(a):
        agrees = jax.random.bernoulli(jax.random.fold_in(second, a), (1 + quality) / 2, (N, K))
        return jnp.where(agrees, archetypes, -archetypes)

    seen = lax.map(lambda a: examples(a)[:, 0], jnp.arange(M))
    if case.protocol == "unsupervised" or M == 1:
        rows = lax.map(examples, jnp.arange(M))  # (M, N, K)
        return archetypes, seen, jnp.moveaxis(rows, 0, 2).reshape(N, K * M)
    dtype = jnp.int8 if M <= 127 else jnp.int16
    zero = jnp.zeros((N, K), dtype)
    rows = lax.fori_loop(0, M, lambda a, rows: rows + examples(a).astype(dtype), zero)
    return archetypes, seen, rows


def _first_state_jax(key, case: Case, archetypes, seen):
    if case.start == "archetype":
        return archetypes[:, 0]
    if case.start == "example":
        return seen[0]
    if case.start == "mixture":
        return jnp.sign(archetypes[:, 0] + archetypes[:, 1] + archetypes[:, 2])
    return jax.random.rademacher(key, (case.n_spins,), jnp.int8)


def _column_sums(rows, spins):
    """Sums over sites, without a copy of the rows as floating-point numbers."""
    return jnp.sum(rows.astype(spins.dtype) * spins[:, None], axis=0)


class Laws:
    """The energy of a network, its fields and its noise, from power sums over spins.

    Rows of +-1 need the first power sum only: the odd ones are equal, the even ones count spins.
    Others are divided by M, so that high powers stay in the range of float32.
    """

    def __init__(self, case: Case, rows, temperature, quality) -> None:
        self.case, self.rows = case, rows
        self.temperature, self.quality = temperature, quality
        self.signs = rows.shape[1] != case.classes or case.examples == 1
        self.unit = 1.0 if self.signs else 1.0 / case.examples
        self.short = self.signs and not case.mean_field
        self.scale = case.scale(quality) * (1.0 / self.unit) ** case.interaction_order

    def entries(self, row):
        """A row at a site, in floating-point numbers."""
        return self.unit * row.astype(self.temperature.dtype)

    def power_sums(self, spins) -> tuple[Array, ...]:
        """Of all spins: p_1 ... p_P, each (rows,), or the first."""
        terms = self.entries(self.rows) * spins[:, None]
        count = 1 if self.short else self.case.interaction_order
        return tuple(jnp.sum(terms**k, axis=0) for k in range(1, count + 1))

    def moved(self, sums, row, change) -> tuple[Array, ...]:
        """The power sums when a spin +-1 changes by ``change``; even ones stay."""
        y = self.entries(row)
        return tuple(p if k % 2 else p + y ** (k + 1) * change for k, p in enumerate(sums))

    def field(self, row, spin, sums):
        """Of one site, per ``scale``: half of the change of E with the spin from -1 to 1."""
        P, y = self.case.interaction_order, self.entries(row)
        others = self._without(sums, y * spin)
        if self.case.all_indices:
            odd = [math.comb(P, j) * others[0] ** (P - j) * y**j for j in range(1, P + 1, 2)]
            return jnp.sum(sum(odd[1:], odd[0]))
        return math.factorial(P) * jnp.sum(y * elementary_field(P)(*others))

    def _without(self, sums, own) -> list[Any]:
        """p_1 ... p_(P-1) of the other spins."""
        count = self.case.interaction_order - 1
        if self.short:
            rest = sums[0] - own
            return [float(self.case.n_spins - 1) if k % 2 else rest for k in range(count)]
        return [p - own ** (k + 1) for k, p in enumerate(sums[:count])]

    def energy(self, sums):
        """Per spin."""
        P = self.case.interaction_order
        if self.case.all_indices:
            total = jnp.sum(sums[0] ** P)
        else:
            n = float(self.case.n_spins)
            full = [n if k % 2 else sums[0] for k in range(P)] if self.short else sums
            total = math.factorial(P) * jnp.sum(elementary_field(P + 1)(*full))
        return -self.scale * total / self.case.n_spins

    def fields(self, spins, sums):
        """Of all sites at once."""
        at_sites = jax.vmap(self.field, (0, 0, None))
        return self.scale * at_sites(self.rows, spins, sums)


def _run_jax(laws: Laws, key, spins, burn_in: int, steps: int) -> Run:
    """Time averages of one network from ``spins``."""
    one = _sweep_parallel if laws.case.dynamics == "parallel" else _sweep_sequential

    def one_sweep(state, step):
        (spins, sums), accepted = one(laws, jax.random.fold_in(key, 1 + step), *state)
        return (spins, sums), (spins, laws.energy(sums), accepted / spins.size)

    first = spins.astype(laws.temperature.dtype)
    state = (first, laws.power_sums(first))
    averages, (final, _) = time_average(one_sweep, state, burn_in, steps)
    return Run(*averages, final=final)


def _sweep_sequential(laws: Laws, key, spins, sums):
    """N attempts; returns the spins and their power sums, and how many flips were accepted."""

    def cost(i, spin, sums):
        return 2 * spin * laws.scale * laws.field(laws.rows[i], spin, sums)

    def moved(sums, i, change):
        return laws.moved(sums, laws.rows[i], change)

    rule = "metropolis" if laws.case.dynamics == "metropolis" else "glauber"
    spins, sums, accepted = sweep(key, spins, sums, cost, moved, laws.temperature, rule)
    if not laws.short:  # made anew, so that rounding does not add up; whole numbers are exact
        sums = laws.power_sums(spins)
    return (spins, sums), accepted


def _sweep_parallel(laws: Laws, key, spins, sums):
    """All spins at once."""
    uniforms = jax.random.uniform(key, spins.shape, spins.dtype)
    cost = 2 * spins * laws.fields(spins, sums)
    flips = uniforms < flip_probability(cost, laws.temperature, "glauber")
    spins = jnp.where(flips, -spins, spins)
    return (spins, laws.power_sums(spins)), jnp.sum(flips.astype(spins.dtype))


def _solve_jax(laws: Laws, key, spins, steps: int) -> Run:
    """Iterate the mean-field equations, half of the way at each step."""
    del key
    dtype = laws.temperature.dtype

    def is_moving(state):
        _, change, done = state
        return (change >= TOLERANCE) & (done < steps)

    def step(state):
        m, _, done = state
        h = laws.fields(m, laws.power_sums(m))
        if laws.case.dynamics == "tap":
            h -= onsager(laws.case, jnp.mean(m**2), laws.temperature, laws.quality) * m
        change = (jnp.tanh(jnp.where(h == 0, 0, h / laws.temperature)) - m) / 2
        return m + change, jnp.max(abs(change)), done + 1

    m, _, _ = lax.while_loop(is_moving, step, (spins.astype(dtype), jnp.array(inf, dtype), 0))
    energy = laws.energy(laws.power_sums(m))
    return Run(m, energy, jnp.zeros((), dtype), m)


simulate = Engines(numba=simulate_numba, jax=simulate_jax)
