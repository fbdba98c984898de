"""Attempted spin flips per second in dense networks that store patterns, on one core.

Sequential dynamics by the Numba kernels, against the rates of an earlier Numba kernel on the same
kind of machine, which are the goal. Parallel dynamics, against the two products of matrices of the
same shapes by NumPy (float32, one network and two side by side), which draw and decide nothing.

The peer is the usual program in JAX, written here since no package of this kind can be installed:
overlaps of a batch of networks, which update sqrt(N) random spins at once. It is an approximation.
Two networks of one sample are what our programs run; 64 networks of one sample are the best case
for its products of matrices, and 32 samples of two are what an average over samples needs.

All start at the stored pattern at low temperature. Times are CPU seconds, best of several. GPU not
measured.
"""

from __future__ import annotations

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # before NumPy

import jax
import jax.numpy as jnp
import numpy as np
from _machine import best, machine, use_one_core
from jax import lax

from thermolimit.simulations.hebbian.dense_data import draw
from thermolimit.simulations.hebbian.dense_kernels import (
    means,
    run_parallel,
    run_sequential,
    signs,
)
from thermolimit.simulations.hebbian.dense_memory import simulate_jax

N = 1000
ORDERS = (2, 3, 4)
CLASSES = (50, 1000, 20_000)
TEMPERATURE = 0.4
GOALS = {
    2: (9.0e6, 5.9e6, 3.2e5),
    3: (6.7e6, 3.9e6, 2.6e5),
    4: (5.5e6, 3.1e6, 1.9e5),
}
BATCHES = ((1, 1), (1, 2), (32, 2), (1, 64))  # samples, networks of each
REPEATS = 8  # short runs: other jobs disturb some of them


def scale(order: int) -> float:
    """c in the energy -c sum E of stored patterns."""
    return 1 / (2 * float(N) ** (order - 1))


def sequential_rate(order: int, classes: int) -> tuple[float, float]:
    """Attempts per second of one network, and the fraction accepted."""
    rng = np.random.default_rng(1)
    disorder = draw(rng, N, classes, 1.0, 1, "supervised")
    spins = disorder.first_archetypes(1)[0].copy()
    network, rules = signs(disorder.rows, classes, spins, order, False, scale(order))
    return _rate(rng, network, rules, spins, max(2, 100_000 // classes))


def supervised_rate(order: int, classes: int) -> tuple[float, float]:
    """The same with means of 20 examples of quality 0.8 in place of patterns."""
    rng = np.random.default_rng(1)
    disorder = draw(rng, N, classes, 0.8, 20, "supervised")
    spins = disorder.first_archetypes(1)[0].copy()
    unit = scale(order) / (0.8 * 20) ** order
    network, rules = means(disorder.rows, spins, order, False, unit)
    return _rate(rng, network, rules, spins, max(2, 50_000 // classes))


def _rate(rng, network, rules, spins, sweeps) -> tuple[float, float]:
    def run(sweeps):
        return run_sequential(rng, network, rules, spins, TEMPERATURE, sweeps, 0, False)

    run(1)  # compiles
    took = best(lambda: run(sweeps), REPEATS).cpu
    return N * sweeps / took, run(sweeps)[2]


def parallel_seconds(order: int, classes: int) -> tuple[float, float, float]:
    """Seconds per sweep and network: ours; two products of NumPy of one network, and of two."""
    rng = np.random.default_rng(1)
    disorder = draw(rng, N, classes, 1.0, 1, "supervised")
    spins = disorder.first_archetypes(1)[0].copy()
    network, rules = signs(disorder.rows, classes, spins, order, False, scale(order))
    sweeps = max(2, 20_000 // classes)

    def run(sweeps):
        run_parallel(rng, network, rules, spins, TEMPERATURE, sweeps, 0)

    run(1)
    ours = best(lambda: run(sweeps), REPEATS).cpu / sweeps
    patterns = disorder.rows.astype(np.float32)

    def products(networks):
        s = rng.random((N, networks), np.float32)
        w = rng.random((classes, networks), np.float32)
        return best(lambda: (patterns.T @ s, patterns @ w), REPEATS).cpu / networks

    return ours, products(1), products(2)


def peer_rate(order: int, classes: int, samples: int, networks: int) -> float:
    """Updates per second of all networks of the peer."""
    block, sweeps = round(N**0.5), 4
    shape = (samples, N, classes)
    signs_of_all = 2 * np.random.default_rng(1).integers(0, 2, shape, np.int8) - 1
    patterns = jnp.asarray(signs_of_all, jnp.float32)
    strength = order / float(N) ** (order - 1) / TEMPERATURE  # 2 h / T per S^(P-1)

    def of_sample(key, patterns):
        def update(carry, key):
            spins, sums = carry
            choose, decide = jax.random.split(key)
            sites = jax.random.choice(choose, N, (block,), replace=False)
            rows = patterns[sites]
            drive = strength * sums ** (order - 1) @ rows.T  # (networks, block)
            up = jax.random.uniform(decide, drive.shape) < jax.nn.sigmoid(drive)
            new = jnp.where(up, 1.0, -1.0)
            sums += (new - spins[:, sites]) @ rows
            return (spins.at[:, sites].set(new), sums), None

        spins = jnp.tile(patterns[:, 0], (networks, 1))
        keys = jax.random.split(key, sweeps * N // block)
        return lax.scan(update, (spins, spins @ patterns), keys)[0][0]

    run = jax.jit(jax.vmap(of_sample))
    keys = jax.random.split(jax.random.key(0), samples)
    run(keys, patterns).block_until_ready()  # compiles
    took = best(lambda: run(keys, patterns).block_until_ready(), 4).cpu
    return samples * networks * (sweeps * N // block) * block / took


def jax_rate(order: int, classes: int, replicas: int) -> float:
    """Attempts per second of our JAX engine; the time includes drawing the patterns."""
    fixed = {"interaction_order": order, "n_spins": N, "sweeps": 20, "burn_in": 0}
    # whole numbers of classes come out of this load
    fixed["pattern_load"] = classes * float(np.prod(range(1, order + 1))) / (2 * N ** (order - 1))
    run = jax.jit(jax.vmap(lambda key: simulate_jax(key, TEMPERATURE, **fixed).acceptance))
    keys = jax.random.split(jax.random.key(0), replicas)
    run(keys).block_until_ready()  # compiles
    return 2 * replicas * N * 20 / best(lambda: run(keys).block_until_ready(), 3).cpu


def main() -> None:
    """Measure and print."""
    use_one_core()
    print(machine())
    print(f"N = {N}, T = {TEMPERATURE}, stored pattern, one core; JAX on {jax.default_backend()}")
    print(f"{'sequential':12}{'P':>3}{'K':>8}{'attempts/s':>12}{'goal':>10}{'ratio':>7}{'acc.':>7}")
    rates = {}
    for order, goals in GOALS.items():
        for classes, goal in zip(CLASSES, goals, strict=True):
            rate, accepted = rates[order, classes] = sequential_rate(order, classes)
            print(
                f"{'patterns':12}{order:3}{classes:8}{rate:12.2e}{goal:10.1e}{rate / goal:7.1f}"
                f"{accepted:7.3f}"
            )
    for order in ORDERS:
        rate, accepted = supervised_rate(order, 1000)
        print(f"{'class means':12}{order:3}{1000:8}{rate:12.2e}{'':17}{accepted:7.3f}")
    print(f"{'parallel, ms per sweep':24}{'P':>3}{'K':>8}{'ours':>8}{'1 GEMM':>8}{'2 GEMM':>8}")
    for order in ORDERS:
        for classes in CLASSES:
            seconds = parallel_seconds(order, classes)
            print(f"{'':24}{order:3}{classes:8}" + "".join(f"{1e3 * s:8.3f}" for s in seconds))
    compare({key: rate for key, (rate, _) in rates.items()})


def compare(ours: dict[tuple[int, int], float]) -> None:
    """The peer and our JAX engine at K = 1000."""
    print("JAX, K = 1000: samples x networks: attempts/s (sequential, Numba / peer)")
    for order in ORDERS:
        rates = {batch: peer_rate(order, 1000, *batch) for batch in BATCHES}
        said = [f"{s} x {n}: {r:.1e} ({ours[order, 1000] / r:.1f})" for (s, n), r in rates.items()]
        print(f"peer, P = {order}: " + ", ".join(said))
        said = [f"{r} x 2: {jax_rate(order, 1000, r):.1e}" for r in (1, 8)]
        print(f"ours, P = {order}: " + ", ".join(said))


if __name__ == "__main__":
    main()
