"""Attempted spin flips per second in the Hopfield network, on one core.

Ours: the Numba kernel of dense networks, for pairs, and the JAX engine on whatever device it finds
(two networks per replica). Peer: the package ``hopfieldnetwork`` at T = 0, whose sweep visits the
spins in random order. All start at the stored pattern, as our kernel always does. An attempt costs
us K operations (the N x N couplings are never built) and an accepted flip as many again; the peer
N, whatever K.
"""

from __future__ import annotations

import jax
import numpy as np
from _machine import best, machine, use_one_core

from thermolimit.simulations.hebbian.hopfield import run_network, simulate_jax

N = 1000
PATTERNS = (50, 1000)
REPLICAS = (1, 16, 64)
REPEATS = 10  # short runs: other jobs disturb some of them
PEER = "hopfieldnetwork"


def random_patterns(k: int) -> np.ndarray:
    """Array (N, K) of +-1."""
    return (2 * np.random.default_rng(1).integers(0, 2, (N, k)) - 1).astype(np.int8)


def numba_rate(k: int, temperature: float) -> tuple[float, float]:
    """Attempts per second of one network, and the fraction accepted."""
    patterns, rng = random_patterns(k), np.random.default_rng(2)
    sweeps = 100_000 // k
    run_network(rng, patterns, temperature, 1, 0, False)  # compiles
    took = best(lambda: run_network(rng, patterns, temperature, sweeps, 0, False), REPEATS)
    accepted = run_network(rng, patterns, temperature, sweeps, 0, False).acceptance
    return N * sweeps / took.wall, accepted


def jax_rate(k: int, temperature: float, replicas: int) -> tuple[float, float]:
    """The same of a whole batch; the time includes drawing the patterns."""
    sweeps = 20
    fixed = {"n_spins": N, "pattern_load": k / N, "sweeps": sweeps, "burn_in": 0}
    run = jax.jit(jax.vmap(lambda key: simulate_jax(key, temperature, **fixed).acceptance))
    keys = jax.random.split(jax.random.key(0), replicas)
    accepted = float(run(keys).mean())  # compiles
    took = best(lambda: run(keys).block_until_ready(), 3)
    return 2 * replicas * N * sweeps / took.wall, accepted


def peer_rate(k: int) -> float:
    """Updates per second of the peer: one iteration updates each of the N spins once."""
    from hopfieldnetwork import HopfieldNetwork  # pyright: ignore[reportMissingImports]

    patterns = random_patterns(k).astype(float)  # int8 would be converted at every update
    network = HopfieldNetwork(N)
    network.train_pattern(patterns)
    network.set_initial_neurons_state(patterns[:, 0].copy())
    iterations = 50
    return N * iterations / best(lambda: network.update_neurons(iterations, "async"), REPEATS).wall


def row(engine: str, k: int, temperature: float, rate: float, accepted: float | None = None) -> str:
    """One line of the table."""
    fraction = "" if accepted is None else f"{accepted:10.3f}"
    return f"{engine:24}{k:6}{temperature:6.1f}{rate:13.2e}{fraction}"


def main() -> None:
    """Measure and print."""
    use_one_core()
    print(machine())
    print(f"N = {N}, stored pattern, one core; JAX on {jax.default_backend()}")
    print(f"{'engine':24}{'K':>6}{'T':>6}{'attempts/s':>13}{'accepted':>10}")
    cold = {}
    for k in PATTERNS:
        for temperature in (0.3, 0.0):
            rate, accepted = numba_rate(k, temperature)
            print(row("numba", k, temperature, rate, accepted))
            cold[k] = rate
        for replicas in REPLICAS:
            rate, accepted = jax_rate(k, 0.3, replicas)
            print(row(f"jax, replicas: {replicas}", k, 0.3, rate, accepted))
    compare(cold)


def compare(cold: dict[int, float]) -> None:
    """The peer, and the ratio of our kernel at T = 0 to it."""
    try:
        rates = {k: peer_rate(k) for k in PATTERNS}
    except ImportError:
        print(f'{PEER} is not installed; for the comparison: pip install -e ".[benchmark]"')
        return
    for k, rate in rates.items():
        print(row(PEER, k, 0.0, rate))
    for k, rate in rates.items():
        print(f"numba / {PEER} at T = 0, K = {k}: {cold[k] / rate:.1f}")


if __name__ == "__main__":
    main()
