"""The retrieval spinodal of the Hopfield network at 50 loads: a fold line against bisections.

The bisections ask what one asks in a notebook: does the iterated overlap stay above 0.5? Load by
load, or with all loads at once, each going on to its next temperature as soon as it can. They stop
early, need few nodes and know that 0 < T_M < 1. The errors are those against an independent check:
with x = m / sqrt(alpha r) and b = sqrt(alpha r) / T load and temperature are explicit, T_M is where
their Jacobian vanishes, and none of our code takes part.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import xarray as xr
from _machine import Seconds, best, machine, timed
from scipy.integrate import quad
from scipy.optimize import root

from thermolimit import solvers
from thermolimit.theory.hebbian import hopfield

LOADS = np.linspace(0.01, 0.13, 50)  # where the overlap is above 0.57 up to the spinodal
ROUGH, FINE = 1e-3, 1e-9  # largest error of a bisection: half of its last bracket
LOST = 0.5  # an overlap that is not coming back
SMALL = {ROUGH: 1e-8, FINE: 1e-10}  # change of the overlaps at which the iteration stops
CAP = 1_000_000  # iterations at one temperature
COMPILING, FASTER = 12.0, 50.0  # goals: seconds of compilation, and times the usual practice


def plain(nodes: int, cut: float) -> tuple[np.ndarray, np.ndarray]:
    """Trapezoidal rule for a Gaussian: cheap, and good enough at these temperatures."""
    z = np.linspace(-cut, cut, nodes)
    weights = np.exp(-(z**2) / 2)
    return z, weights / weights.sum()


Z, WEIGHTS = plain(101, 7.0)
FINE_Z, FINE_WEIGHTS = plain(2001, 9.0)


def survives(alpha: float, T: float, small: float) -> bool:
    """Whether the iterated overlap stays."""
    m = q = r = 1.0
    for _ in range(CAP):
        spin = np.tanh((m + math.sqrt(alpha * r) * Z) / T)
        m_old, q_old, m, q = m, q, float(WEIGHTS @ spin), float(WEIGHTS @ (spin * spin))
        r = q / (1 - (1 - q) / T) ** 2
        if m < LOST or max(abs(m - m_old), abs(q - q_old)) < small:
            break
    return m > LOST


def survives_by_quad(alpha: float, T: float, small: float) -> bool:
    """The same with the integrals left to ``scipy.integrate.quad``, as in many a notebook."""
    m = q = r = 1.0
    for _ in range(CAP):

        def weighted(
            z: float, power: int, h: float = m, std: float = math.sqrt(alpha * r)
        ) -> float:
            return math.exp(-z * z / 2) * math.tanh((h + std * z) / T) ** power

        m_old, q_old = m, q
        m, q = (quad(weighted, -9, 9, args=(n,))[0] / math.sqrt(2 * math.pi) for n in (1, 2))
        r = q / (1 - (1 - q) / T) ** 2
        if m < LOST or max(abs(m - m_old), abs(q - q_old)) < small:
            break
    return m > LOST


def bisect_loop(
    precision: float, loads: np.ndarray = LOADS, survives: Callable[..., bool] = survives
) -> np.ndarray:
    """One load after the other."""
    found = []
    for alpha in loads:
        low, high = 0.0, 1.0
        while high - low > 2 * precision:
            T = (low + high) / 2
            low, high = (T, high) if survives(alpha, T, SMALL[precision]) else (low, T)
        found.append((low + high) / 2)
    return np.array(found)


def bisect_at_once(precision: float) -> tuple[np.ndarray, str]:
    """All loads side by side, those that are done leave; and what that took."""
    result, lane, one = np.zeros(LOADS.size), np.arange(LOADS.size), np.ones(LOADS.size)
    low, high, T, m, q, r, began = 0 * one, one, one / 2, one, one, one, 0 * one
    step = iterations = longest = 0
    while lane.size:
        step, iterations = step + 1, iterations + lane.size
        spin = np.tanh((m / T)[:, None] + (np.sqrt(LOADS[lane] * r) / T)[:, None] * Z)
        m_old, q_old, m, q = m, q, spin @ WEIGHTS, (spin * spin) @ WEIGHTS
        r = q / (1 - (1 - q) / T) ** 2
        change = np.maximum(np.abs(m - m_old), np.abs(q - q_old))
        decided = (change < SMALL[precision]) | (m < LOST) | (step - began >= CAP)
        if not decided.any():
            continue
        longest = max(longest, int(np.max((step - began)[decided])))
        low = np.where(decided & (m > LOST), T, low)
        high = np.where(decided & (m <= LOST), T, high)
        result[lane] = T = (low + high) / 2
        m, q, r = (np.where(decided, 1.0, x) for x in (m, q, r))
        began = np.where(decided, step, began)
        going = high - low > 2 * precision
        low, high, T, m, q, r, began = (x[going] for x in (low, high, T, m, q, r, began))
        lane = lane[going]
    return result, f"{iterations} iterations, at most {longest} at one temperature, cap {CAP}"


def bisect_ours(precision: float) -> np.ndarray:
    """All loads through ``saddle_points``, which also certifies every state."""
    low, high = np.zeros(LOADS.size), np.ones(LOADS.size)
    while np.max(high - low) > 2 * precision:
        T = (low + high) / 2
        data = solvers.saddle_points(
            hopfield.ReplicaSymmetric(),
            start="retrieval",
            on_failure="keep",
            pattern_load=xr.DataArray(LOADS, dims="load"),
            temperature=xr.DataArray(T, dims="load"),
        )
        stays = data["overlap"].values > LOST
        low, high = np.where(stays, T, low), np.where(stays, high, T)
    return (low + high) / 2


def branch() -> xr.Dataset:
    """The retrieval state at one load, around its fold."""
    return solvers.trace_branch(
        hopfield.ReplicaSymmetric(), "temperature", start="retrieval", on_failure="keep",
        pattern_load=0.05, temperature=0.3, bounds=(0.1, 1.0),
    )  # fmt: skip


def line(followed: xr.Dataset) -> xr.Dataset:
    """The line of its folds."""
    return solvers.spinodal(
        hopfield.ReplicaSymmetric(), followed, on_failure="keep",
        along="pattern_load", bounds=(0.009, 0.131), include=LOADS,
    )  # fmt: skip


def explicit(x: complex, b: complex) -> np.ndarray:
    """Temperature and load of the state with these x and b."""
    spin = np.tanh(b * (x + FINE_Z))
    m, q = spin @ FINE_WEIGHTS, spin**2 @ FINE_WEIGHTS
    T = m / (x * b)
    return np.array([T, (m / x * (1 - (1 - q) / T)) ** 2 / q])


def fold(point: np.ndarray, alpha: float) -> tuple[float, float]:
    """What is zero at the spinodal; derivatives by complex steps, exact to rounding."""
    (x, b), tiny = point, 1e-30
    by_x, by_b = np.imag([explicit(x + 1j * tiny, b), explicit(x, b + 1j * tiny)]) / tiny
    return explicit(x, b)[1] - alpha, by_x[0] * by_b[1] - by_x[1] * by_b[0]


def check() -> np.ndarray:
    """T_M from the explicit curve; the guess is the hottest of a grid of states at this load."""
    points = [(x, b) for x in np.geomspace(0.3, 5, 40) for b in np.geomspace(0.2, 10, 40)]
    T, alpha = np.array([explicit(*point) for point in points]).T
    guesses = [points[int(np.argmax(np.where(alpha >= load, T, 0.0)))] for load in LOADS]
    roots = [root(fold, *pair, tol=1e-14) for pair in zip(guesses, LOADS, strict=True)]  # type: ignore
    if max(np.max(np.abs(found.fun)) for found in roots) > 1e-14:
        raise ArithmeticError("the independent check has not converged")
    return np.array([explicit(*found.x)[0] for found in roots])


def main() -> None:
    """Measure and print."""
    followed, first_branch = timed(branch)
    folds, first_line = timed(lambda: line(followed))
    warm_branch, warm_line = best(branch, 5), best(lambda: line(followed), 5)
    meanings = folds["feature"].attrs["flag_meanings"].split()
    ours = folds.isel(point=folds["feature"].values == meanings.index("included"))
    ours = ours.sortby("pattern_load")
    found = ours["temperature"].values

    exact, with_ours, loop = check(), bisect_ours(ROUGH), bisect_loop(ROUGH)
    at_once, rough_count = bisect_at_once(ROUGH)
    (fine, fine_count), fine_took = timed(lambda: bisect_at_once(FINE))
    few = LOADS[::10]
    _, slow = timed(lambda: bisect_loop(ROUGH, few, survives_by_quad))
    slow = Seconds(*(seconds * LOADS.size / few.size for seconds in slow))
    rows = {
        "bisection to 1e-3, by quad": (slow, loop),
        "bisection to 1e-3, loop": (best(lambda: bisect_loop(ROUGH), 5), loop),
        "the same, all loads at once": (best(lambda: bisect_at_once(ROUGH), 5), at_once),
        "to 1e-9, all loads at once": (fine_took, fine),
        "to 1e-3 with saddle_points": (best(lambda: bisect_ours(ROUGH), 3), with_ours),
        "branch and line, first call": (Seconds(*np.add(first_branch, first_line)), found),
        "branch and line, again": (Seconds(*np.add(warm_branch, warm_line)), found),
        "explicit curve, by hand": (best(check, 3), exact),
    }
    usual = min(took.wall for took, _ in list(rows.values())[:3])

    print(machine("scipy"))
    print(f"Hopfield spinodal T_M at {LOADS.size} loads; how much longer bisection takes:")
    print(f"{'seconds':28}{'wall':>9}{'cpu':>9}{'to 1e-3':>9}{'to 1e-9':>9}{'error':>9}")
    for name, (took, T) in rows.items():
        ratios = f"{usual / took.wall:9.2g}{fine_took.wall / took.wall:9.3g}"
        print(f"{name:28}{took.wall:9.3f}{took.cpu:9.3f}{ratios}{np.max(np.abs(T - exact)):9.0e}")
    unsure = int((ours["status"] != solvers.Status.OK).sum())
    print(f"line: {folds.sizes['point']} points, {unsure} of {len(found)} loads not certified")
    print(f"bisection to 1e-3: {rough_count}")
    print(f"bisection to 1e-9: {fine_count}")
    warm = rows["branch and line, again"][0].wall
    compiling = [first_branch.wall - warm_branch.wall, first_line.wall - warm_line.wall]
    print("compilation: branch {:.1f} s, fold line {:.1f} s".format(*compiling))
    for goal, met in {
        f"fold line compiled in less than {COMPILING:g} s": compiling[1] < COMPILING,
        f"{FASTER:g} times faster than a notebook with quad, to {ROUGH:g}": slow.wall
        > FASTER * warm,
        f"{FASTER:g} times faster than any bisection to {ROUGH:g}": usual > FASTER * warm,
        f"{FASTER:g} times faster than any to {FINE:g}": fine_took.wall > FASTER * warm,
    }.items():
        print(f"goal: {goal}: {'met' if met else 'NOT met'}")


if __name__ == "__main__":
    main()
