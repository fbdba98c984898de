"""Steps per second of one-pass SGD on random features, on one core.

The reduced simulation, O(B d) per step, against the ambient one, O(B v d), both by JAX in float32
with B = 1. The recursion of the exact mean loss, O(d) per step, and the poles of its transform,
with which any time costs O(d). Setting up W is not counted, but printed. Rates per second on the
wall and, for a machine with other jobs, per second on the CPU.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import numpy as np
from _machine import Seconds, best, machine, timed, use_one_core

from thermolimit.simulations.scaling import disorder, random_features
from thermolimit.theory.scaling import quenched

ALPHA, BETA, DIMENSION, FEATURES, STEP_SIZE = 0.7, 0.7, 800, 3200, 0.1
REPEATS = 3


class Rate(NamedTuple):
    """Steps per second."""

    wall: float
    cpu: float


def rate(steps: int, took: Seconds) -> Rate:
    """From the duration of so many steps."""
    return Rate(steps / took.wall, steps / took.cpu)


def simulated(init: Callable[..., Any], advance: Callable[..., Any], steps: int) -> Rate:
    """Of one run."""
    shapes = {"dimension": DIMENSION, "n_features": FEATURES}
    state = jax.jit(lambda key: init(key, ALPHA, BETA, STEP_SIZE, 1, **shapes))(jax.random.key(1))
    go = jax.jit(advance)
    jax.block_until_ready(go(state, steps))  # compiles
    return rate(steps, best(lambda: jax.block_until_ready(go(state, steps)), REPEATS))


def recursion(modes: quenched.Modes, steps: int) -> Rate:
    """Of the exact mean loss."""
    schedule, ones, last = np.full(steps, STEP_SIZE), np.ones(steps), np.array([float(steps)])

    def run() -> quenched.Loss:
        return quenched.scheduled_loss(
            modes.eigenvalues, modes.weights, schedule, ones, modes.irreducible_loss, step=last
        )

    run()  # compiles
    return rate(steps, best(run, REPEATS))


def curve(modes: quenched.Modes) -> quenched.Loss:
    """The exact mean loss at 200 times."""
    lam, w, P_inf = modes
    return quenched.loss(lam, w, P_inf, STEP_SIZE, step=np.geomspace(1, 1e12, 200).round())


def main() -> None:
    """Measure and print."""
    use_one_core()
    print(machine())
    print(f"d = {DIMENSION}, v = {FEATURES}, B = 1, float32 but for the theory; one core")
    reduced = simulated(random_features.init, random_features.advance, 200_000)
    ambient = simulated(random_features.init_ambient, random_features.advance_ambient, 2_000)
    j = np.arange(1.0, FEATURES + 1)
    W = disorder.shared_disorder(1, dimension=DIMENSION, n_features=FEATURES)
    modes, setup = timed(lambda: quenched.modes(W, j ** (-2 * ALPHA), j**-BETA))
    exact = recursion(modes, 200_000)
    curve(modes)  # compiles
    poles = best(lambda: curve(modes), REPEATS)
    rows = {"reduced SGD": reduced, "ambient SGD": ambient, "exact recursion": exact}
    print(f"{'steps per second':20}{'wall':>12}{'CPU':>12}{'ratio, wall':>14}{'ratio, CPU':>14}")
    for name, (wall, cpu) in rows.items():
        ratios = f"{wall / ambient.wall:14.1f}{cpu / ambient.cpu:14.1f}"
        print(f"{name:20}{wall:12.3g}{cpu:12.3g}{ratios}")
    print(f"10^6 steps of reduced SGD: {1e6 / reduced.wall:.1f} s, CPU {1e6 / reduced.cpu:.1f} s")
    print(
        f"exact loss at 200 steps up to 10^12: {poles.wall:.2f} s; modes of W: {setup.wall:.2f} s"
    )


if __name__ == "__main__":
    main()
