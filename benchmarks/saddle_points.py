"""The Hopfield phase diagram: ``solvers.saddle_points`` against a ``scipy.optimize.root`` loop.

The loop is what one writes in a notebook, with the same quadrature and the same recipe: damped
iterations come close, a Newton-like solver finishes. It knows no domain and reports no stability.
"""

from __future__ import annotations

import math

import numpy as np
import xarray as xr
from _machine import Seconds, best, machine, timed
from scipy.optimize import root

from thermolimit import solvers
from thermolimit.theory.hebbian import hopfield

LOADS = np.linspace(0.002, 0.16, 100)
TEMPERATURES = np.linspace(0.02, 1.2, 100)
SAMPLE = 1000  # points of the loop, which takes too long for all of them
CONVERGED = 1e-10
SAME = 1e-6  # difference of overlaps that is no other state; near T = 1 they are soft


def diagram() -> xr.Dataset:
    """The whole grid, through the public call."""
    return solvers.saddle_points(
        hopfield.ReplicaSymmetric(),
        start="retrieval",
        on_failure="keep",
        pattern_load=LOADS,
        temperature=TEMPERATURES,
    )


U = np.linspace(-1.0, 1.0, 101)
CUT = 9.0


def nodes_and_weights(mean, std, T):
    """Trapezoidal rule in u for z = centre + w sinh(u), dense where the field vanishes."""
    centre = min(max(-mean / std, -CUT), CUT)
    w = 1 / (0.1 + max(1 - (centre / 7.7) ** 2, 0.0) * std / (2 * T))
    left, right = math.asinh((CUT + centre) / w), math.asinh((CUT - centre) / w)
    half = (right + left) / 2
    u = (right - left) / 2 + half * U
    z = centre + w * np.sinh(u)
    step = half * (U[1] - U[0])
    return z, step * w * np.cosh(u) * np.exp(-(z**2) / 2) / math.sqrt(2 * math.pi)


def equations(x, alpha, T):
    """Right-hand sides of the equations for m, q, r."""
    m, q, r = x
    std = math.sqrt(max(alpha * r, 1e-300))
    z, weights = nodes_and_weights(m, std, T)
    spin = np.tanh((m + std * z) / T)
    m, q = weights @ spin, weights @ spin**2
    return np.array([m, q, q / (1 - (1 - q) / T) ** 2])


def defect(x, alpha, T):
    """What ``root`` is asked to make zero."""
    return equations(x, alpha, T) - x


def residual(x, alpha, T):
    """As ``solvers`` measures it."""
    return np.max(np.abs(defect(x, alpha, T)) / (1 + np.abs(x)))


def solve(alpha, T):
    """One point, from the stored pattern."""
    x = np.ones(3)
    for _ in range(2000):
        change = defect(x, alpha, T)
        if np.max(np.abs(change) / (1 + np.abs(x))) < 1e-4:
            break
        x = x + change / 2
    return root(defect, x, args=(alpha, T), method="hybr", tol=1e-12).x


def loop(points: np.ndarray) -> np.ndarray:
    """The notebook."""
    return np.array([solve(alpha, T) for alpha, T in points])


def row(name: str, took: Seconds, reference: Seconds) -> str:
    """One line of the table; the ratio says how much longer the loop takes."""
    ratios = [slow / fast for slow, fast in zip(reference, took, strict=True)]
    return f"{name:28}{took.wall:8.2f} {took.cpu:8.2f} {ratios[0]:9.1f} {ratios[1]:9.1f}"


def main() -> None:
    """Measure and print."""
    data, first = timed(diagram)
    warm = best(diagram, 3)

    grid = np.stack(np.meshgrid(LOADS, TEMPERATURES, indexing="ij"), axis=-1).reshape(-1, 2)
    chosen = np.random.default_rng(0).choice(len(grid), SAMPLE, replace=False)
    loop(grid[chosen[:10]])
    found, sample = loop(grid[chosen]), best(lambda: loop(grid[chosen]), 3)
    scaled = Seconds(*(seconds * len(grid) / SAMPLE for seconds in sample))

    print(machine("scipy"))
    print(f"Hopfield diagram, {len(grid)} points; the loop: {SAMPLE} random ones, scaled")
    print(f"{'seconds':28}{'wall':>8} {'cpu':>8} {'ratio':>9} {'of cpu':>9}")
    print(row("scipy.optimize.root, loop", scaled, scaled))
    print(row("saddle_points, first call", first, scaled))
    print(row("saddle_points, again", warm, scaled))
    print(describe_ours(data))
    print(describe_theirs(found, grid[chosen], data["overlap"].values.ravel()[chosen]))


def describe_ours(data: xr.Dataset) -> str:
    """How far our points can be trusted."""
    status, worst = data["status"], float(data["certificate"].max())
    uncertified = int((status == solvers.Status.NOT_CERTIFIED).sum())
    unsolved = int((status != solvers.Status.OK).sum()) - uncertified
    return (
        f"saddle_points: {unsolved} unconverged, {uncertified} uncertified of {status.size}; "
        f"largest certificate {worst:.1e}"
    )


def describe_theirs(found: np.ndarray, points: np.ndarray, overlaps: np.ndarray) -> str:
    """How far the loop's points can be trusted."""
    residuals = [residual(x, *point) for x, point in zip(found, points, strict=True)]
    unsolved = ~(np.array(residuals) <= CONVERGED)  # NaN counts as unsolved
    unphysical = 1 - (1 - found[:, 1]) / points[:, 1] <= 0
    other = ~unsolved & ~unphysical & (np.abs(found[:, 0] - overlaps) > SAME)
    return (
        f"loop: {unsolved.sum()} with residual > {CONVERGED:.0e}, {unphysical.sum()} unphysical, "
        f"{(unsolved | unphysical).sum()} either, {other.sum()} other states of {len(points)}"
    )


if __name__ == "__main__":
    main()
