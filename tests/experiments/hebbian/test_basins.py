"""What the comparison of first steps allows to finite networks is what they need."""

import itertools
import math

import numpy as np
import pytest

from thermolimit.experiments.hebbian import basins

SMALL = basins.Grid(
    pairs=(100,), triples=(101,), quadruples=(64,), pair_load=(0.1,), dense_load=(0.2,),
    start_overlap=(0.25, 0.5), compared=(0.25, 0.5), steps=2, replicas=64, seed=5,
)  # fmt: skip


def elementary(k: int, total: int, count: int) -> int:
    """e_k of so many signs that sum to ``total``."""
    up = (count + total) // 2
    down = count - up
    return sum((-1) ** j * math.comb(down, j) * math.comb(up, k - j) for j in range(k + 1))


def first_step(P: int, N: int, load: float, start_overlap: float) -> float:
    """Overlap after one step of N spins, the noise of the many other patterns being Gaussian.

    The pattern's part of a field is the sum of all products of P - 1 other spins, which are known.
    """
    scale = math.factorial(P) / (2 * N ** (P - 1))
    others = round(load / scale) - 1
    deviation = scale * math.sqrt(others * math.comb(N - 1, P - 1))
    total = N - 2 * round(N * (1 - start_overlap) / 2)
    fields = {s: scale * elementary(P - 1, total - s, N - 1) for s in (1, -1)}
    return sum(
        (1 + s * total / N) / 2 * math.erf(h / deviation / math.sqrt(2)) for s, h in fields.items()
    )


def test_the_allowance_of_the_first_step_is_what_finite_networks_need_and_little_more():
    needed = []
    for grid in basins.PROFILES.values():
        limit = basins.predict(grid)["first"]
        for P, (sizes, loads) in basins.networks(grid).items():
            for N, load, m in itertools.product(sizes, loads, grid.compared):
                at = {"interaction_order": P, "pattern_load": load, "start_overlap": m}
                needed.append(N * abs(first_step(P, N, load, m) - limit.sel(at).item()))
    assert max(needed) <= basins.TOLERANCE.bias["first"] <= 1.5 * max(needed)


@pytest.mark.slow
def test_first_steps_of_finite_networks_are_those_of_their_fields():
    data = basins.measure(SMALL)
    for P, ((N,), (load,)) in basins.networks(SMALL).items():
        for m in SMALL.compared:
            at = {"interaction_order": P, "n_spins": N, "pattern_load": load, "start_overlap": m}
            found = data["first"].sel(at)
            error = found.std("replica", ddof=1) / np.sqrt(found.sizes["replica"])
            assert abs(found.mean("replica") - first_step(P, N, load, m)) < 4 * error, at
