"""Attempted spin flips per second in dense networks that store patterns, on one core.

Sequential dynamics by the Numba kernels, against the rates of an earlier Numba kernel on the same
kind of machine, which are the goal, and against peers at the same N, K and P:

- *public*: the JAX program of Theriault and Tantari (arXiv 2401.04191), sqrt(N) random spins at
  once, of which the overlaps with all patterns are then made anew; ``--public`` names the folder
  of a copy of github.com/RobinTher/Dense_Associative_Network, else it is left out;
- *blocks*: the same rule as we would write it, with overlaps that are kept up to date. Both are
  approximations: spins of a block do not see each other;
- *serial*: one spin of every network at a time, in JAX;
- ``hopfieldnetwork`` of PyPI, if installed, P = 2, at T = 0 (finite T fails under NumPy 2).

The JAX peers run two networks of one sample, as we do, and as many as suit their products of
matrices best. Ours runs one network at a time.

Parallel dynamics of one network, against NumPy in float32 with networks of one sample side by side,
per network: the two products of matrices alone, which draw and decide nothing, for 1, 2 and 64
networks, and the dynamics of 64 networks with its draws and decisions.

Memory: P = 4, N = 1000, alpha = 0.2, one sweep of two networks in a process of its own.

All start at the stored pattern at low temperature. Times are CPU seconds, best of several. GPU not
measured.
"""

from __future__ import annotations

import argparse
import importlib
import os
import subprocess
import sys
from importlib.util import find_spec

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
MOST = {50: 32, 1000: 64, 20_000: 16}  # networks of one sample, for the peers
LARGEST = """
import resource, numpy as np
from thermolimit.simulations.hebbian.dense_memory import simulate_numba
found = simulate_numba(np.random.default_rng(1), 0.4, n_spins=1000, pattern_load=0.2,
                       interaction_order=4, sweeps=1, burn_in=0)
used = resource.getrusage(resource.RUSAGE_SELF)
print(f"{used.ru_maxrss / 1e6:.2f} GB at most, {used.ru_utime + used.ru_stime:.0f} s, "
      f"overlap {found.overlap:.3f}")
"""
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


def parallel_seconds(order: int, classes: int) -> list[float]:
    """Seconds per sweep and network: ours; two products of NumPy for 1, 2 and 64 networks."""
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
        repeats = max(2, 2000 // (classes * networks))  # a call is longer than a tick of the clock

        def many():
            for _ in range(repeats):
                patterns.T @ s, patterns @ w  # pyright: ignore[reportUnusedExpression]

        return best(many, REPEATS).cpu / (repeats * networks)

    return [ours, *map(products, (1, 2, 64)), numpy_dynamics(order, patterns)]


def numpy_dynamics(order: int, patterns: np.ndarray) -> float:
    """Seconds per sweep and network of NumPy's parallel dynamics of 64 networks of one sample."""
    rng = np.random.default_rng(1)
    state = [np.repeat(patterns[:, :1], 64, axis=1)]

    def sweep():
        sums = patterns.T @ state[0]
        field = np.float32(drive(order)) * (patterns @ sums ** (order - 1))
        with np.errstate(over="ignore"):
            up = rng.random(field.shape, np.float32) * (1 + np.exp(-field)) < 1
        state[0] = np.where(up, np.float32(1), np.float32(-1))

    repeats = max(2, 2000 // patterns.shape[1])
    return best(lambda: [sweep() for _ in range(repeats)], REPEATS).cpu / (64 * repeats)


def drive(order: int) -> float:
    """2 h / T of a spin is the sum over patterns of this times S^(P-1), for large N."""
    return order / float(N) ** (order - 1) / TEMPERATURE


def blocks_rate(order: int, classes: int, networks: int) -> float:
    """Updates per second of all networks of one sample, sqrt(N) spins at once."""
    block, steps = round(N**0.5), 128 if classes <= N else 16
    patterns = _patterns(classes)

    @jax.jit
    def run(key, patterns):
        def update(carry, key):
            spins, sums = carry
            choose, decide = jax.random.split(key)
            sites = jax.random.choice(choose, N, (block,), replace=False)
            rows = patterns[sites]
            field = drive(order) * sums ** (order - 1) @ rows.T  # (networks, block)
            up = jax.random.uniform(decide, field.shape) < jax.nn.sigmoid(field)
            new = jnp.where(up, 1.0, -1.0)
            sums += (new - spins[:, sites]) @ rows
            return (spins.at[:, sites].set(new), sums), None

        spins = jnp.tile(patterns[:, 0], (networks, 1))
        return lax.scan(update, (spins, spins @ patterns), jax.random.split(key, steps))[0][0]

    key = jax.random.key(0)
    run(key, patterns).block_until_ready()  # compiles
    return steps * block * networks / best(lambda: run(key, patterns).block_until_ready(), 4).cpu


def _patterns(classes: int) -> jax.Array:
    signs_of_all = 2 * np.random.default_rng(1).integers(0, 2, (N, classes), np.int8) - 1
    return jnp.asarray(signs_of_all, jnp.float32)


def serial_rate(order: int, classes: int, networks: int) -> float:
    """Attempts per second of all networks of one sample, a spin of each at a time."""
    attempts = N if classes <= N else N // 10
    patterns = _patterns(classes)
    each = jnp.arange(networks)

    @jax.jit
    def run(key, patterns):
        choose, decide = jax.random.split(key)
        sites = jax.random.randint(choose, (attempts, networks), 0, N)
        uniforms = jax.random.uniform(decide, (attempts, networks))

        def attempt(step, carry):
            spins, sums = carry
            at = sites[step]
            rows = patterns[at]  # (networks, classes)
            field = drive(order) * jnp.sum(rows * sums ** (order - 1), axis=1)
            new = jnp.where(uniforms[step] < jax.nn.sigmoid(field), 1.0, -1.0)
            change = new - spins[each, at]
            return spins.at[each, at].set(new), sums + change[:, None] * rows

        spins = jnp.tile(patterns[:, 0], (networks, 1))
        return lax.fori_loop(0, attempts, attempt, (spins, spins @ patterns))[0]

    key = jax.random.key(0)
    run(key, patterns).block_until_ready()  # compiles
    took = best(lambda: run(key, patterns).block_until_ready(), 4).cpu
    return attempts * networks / took


def public_rate(folder: str, order: int, classes: int, networks: int) -> float:
    """Updates per second of the public program, which starts each network at its own pattern."""
    sys.path.insert(0, folder)
    peer = importlib.import_module("Dense_Associative_Memory_Monte_Carlo_simulation")
    block = int(N**0.5)
    model = peer.Model("gardner", order, N, classes, networks, block, jax.random.PRNGKey(0))
    patterns, spins = model.init_spins(1)
    steps = 64 if classes <= N else 2
    beta = 0.5 / TEMPERATURE  # its energy is twice ours

    def run():
        return model.generate_spins(steps, beta, patterns, spins).block_until_ready()

    run()  # compiles
    return steps * block * networks / best(run, 4).cpu


def package_rate(classes: int) -> float:
    """Updates per second of ``hopfieldnetwork``."""
    from hopfieldnetwork import HopfieldNetwork  # pyright: ignore[reportMissingImports]

    patterns = 2.0 * np.random.default_rng(1).integers(0, 2, (N, classes)) - 1
    network = HopfieldNetwork(N)
    network.train_pattern(patterns)
    network.set_initial_neurons_state(patterns[:, 0].copy())
    return N * 20 / best(lambda: network.update_neurons(20, "async"), 4).cpu


def jax_rate(order: int, classes: int, replicas: int) -> float:
    """Attempts per second of our JAX engine; the time includes drawing the patterns."""
    fixed = {"interaction_order": order, "n_spins": N, "sweeps": 20, "burn_in": 0}
    # whole numbers of classes come out of this load
    fixed["pattern_load"] = classes * float(np.prod(range(1, order + 1))) / (2 * N ** (order - 1))
    run = jax.jit(jax.vmap(lambda key: simulate_jax(key, TEMPERATURE, **fixed).acceptance))
    keys = jax.random.split(jax.random.key(0), replicas)
    run(keys).block_until_ready()  # compiles
    return 2 * replicas * N * 20 / best(lambda: run(keys).block_until_ready(), 3).cpu


def print_sequential() -> dict[tuple[int, int], float]:
    """Our rates, and the goals."""
    print(f"{'sequential':12}{'P':>3}{'K':>8}{'attempts/s':>12}{'goal':>10}{'ratio':>7}{'acc.':>7}")
    rates = {}
    for order, goals in GOALS.items():
        for classes, goal in zip(CLASSES, goals, strict=True):
            rate, accepted = sequential_rate(order, classes)
            rates[order, classes] = rate
            print(
                f"{'patterns':12}{order:3}{classes:8}{rate:12.2e}{goal:10.1e}{rate / goal:7.1f}"
                f"{accepted:7.3f}"
            )
    for order in ORDERS:
        rate, accepted = supervised_rate(order, 1000)
        print(f"{'class means':12}{order:3}{1000:8}{rate:12.2e}{'':17}{accepted:7.3f}")
    return rates


def print_parallel() -> None:
    """Ours, and how many times as long as NumPy."""
    print("parallel, ms per sweep and network (ours / NumPy)")
    print(f"{'P':>3}{'K':>8}{'ours':>10}   two products for 1, 2, 64 networks; dynamics of 64")
    for order in ORDERS:
        for classes in CLASSES:
            ours, *numpy = parallel_seconds(order, classes)
            said = [f"{1e3 * s:.4f} ({ours / s:.2f})" for s in numpy]
            print(f"{order:3}{classes:8}{1e3 * ours:10.4f}   " + "  ".join(said))


def print_peers(ours: dict[tuple[int, int], float], public: str | None) -> None:
    """Rates of all peers, and how many times as fast we are."""
    print("peers, updates/s of all networks (ours, sequential / peer)")
    for (order, classes), rate in ours.items():
        peers = {}
        for networks in (2, MOST[classes]):
            peers[f"blocks {networks}"] = blocks_rate(order, classes, networks)
        peers[f"serial {networks}"] = serial_rate(order, classes, networks)
        if order == 2 and classes < N and find_spec("hopfieldnetwork"):
            peers["hopfieldnetwork"] = package_rate(classes)
        if classes <= N:
            peers["ours in JAX 8 x 2"] = jax_rate(order, classes, 8)
        print(f"P = {order}, K = {classes}: " + _said(peers, rate))
    if public is None:
        return
    for (order, classes), rate in ours.items():  # last: it changes the precision of JAX
        peers = {f"public {n}": public_rate(public, order, classes, n) for n in (2, MOST[classes])}
        print(f"P = {order}, K = {classes}: " + _said(peers, rate))


def _said(peers: dict[str, float], ours: float) -> str:
    return ", ".join(f"{name}: {rate:.1e} ({ours / rate:.1f})" for name, rate in peers.items())


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="Flips per second of dense Hebbian networks.")
    parser.add_argument("--public", help="folder of the program of Theriault and Tantari")
    public = parser.parse_args().public
    use_one_core()
    print(machine())
    print(f"N = {N}, T = {TEMPERATURE}, stored pattern, one core; JAX on {jax.default_backend()}")
    print_parallel()
    rates = print_sequential()
    print("memory:", subprocess.check_output([sys.executable, "-c", LARGEST], text=True).strip())
    print_peers(rates, public)


if __name__ == "__main__":
    main()
