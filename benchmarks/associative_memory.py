"""Draws of an associative memory per second, on one core.

Ours: the jitted simulation, 16 draws in a batch. The limit: two products in NumPy, class sums and
scores, of embeddings drawn by NumPy, and those products alone. For comparison, the same memory with
its d x d matrix, three products. Single precision everywhere; N tokens in M classes.
"""

from __future__ import annotations

from collections.abc import Callable

import jax
import numpy as np
from _machine import best, machine, use_one_core

from thermolimit.simulations.scaling.associative_memory import simulate

N, M = 4000, 10
DIMENSIONS = (64, 256, 1024)
DRAWS = 16
REPEATS = 5


def ours(d: int) -> float:
    """Draws per second, embeddings included."""
    run = jax.jit(
        jax.vmap(lambda key: simulate(key, 2.0, dimension=d, n_tokens=N, n_classes=M).error)
    )
    keys = jax.random.split(jax.random.key(0), DRAWS)
    run(keys).block_until_ready()  # compiles
    return DRAWS / best(lambda: run(keys).block_until_ready(), REPEATS).wall


def embeddings(rng: np.random.Generator, n: int, d: int) -> np.ndarray:
    """Unit vectors, shape (n, d)."""
    e = rng.standard_normal((n, d), np.float32)
    return e / np.linalg.norm(e, axis=1, keepdims=True)


def class_sums(e: np.ndarray, u: np.ndarray, stored: np.ndarray) -> np.ndarray:
    """Scores by two large products and two small ones."""
    return e @ (u @ (u.T @ (stored.T @ e))).T


def full_matrix(e: np.ndarray, u: np.ndarray, stored: np.ndarray) -> np.ndarray:
    """Scores by the d x d matrix of the definition."""
    return e @ ((stored @ u).T @ e).T @ u.T


def limit(d: int, scores: Callable[..., np.ndarray], draw: bool) -> float:
    """Draws per second in NumPy; without drawing, of the products alone."""
    rng, labels = np.random.default_rng(1), np.arange(N) % M
    p = np.arange(1, N + 1) ** -2.0
    p /= p.sum()
    stored = (p[:, None] * np.eye(M)[labels]).astype(np.float32)
    fixed = embeddings(rng, N, d), embeddings(rng, M, d)

    def once() -> float:
        e, u = (embeddings(rng, N, d), embeddings(rng, M, d)) if draw else fixed
        return float(p @ (np.argmax(scores(e, u, stored), axis=1) != labels))

    once()
    return 1 / best(once, REPEATS).wall


def main() -> None:
    """Measure and print."""
    use_one_core()
    print(machine())
    print(f"N = {N}, M = {M}, q = p, one core; JAX on {jax.default_backend()}; draws per second")
    head = ("d", "ours", "NumPy", "products", "d x d", "ours / NumPy", "ours / products")
    print("".join(f"{name:>17}" for name in head))
    for d in DIMENSIONS:
        rates = (
            ours(d), limit(d, class_sums, True), limit(d, class_sums, False),
            limit(d, full_matrix, True),
        )  # fmt: skip
        ratios = rates[0] / rates[1], rates[0] / rates[2]
        print(f"{d:17}" + "".join(f"{value:17.3g}" for value in (*rates, *ratios)))


if __name__ == "__main__":
    main()
