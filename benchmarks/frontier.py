"""Time of a compute-optimal frontier from the theory: 40 dimensions, 30 values of compute.

    python benchmarks/frontier.py

One point of every phase. Every curve is a contour integral, whose cost hardly depends on the
dimension or the number of steps. The goal is 10 seconds for a frontier.
"""

from __future__ import annotations

import numpy as np
import xarray as xr
from _machine import best, machine

from thermolimit import solvers
from thermolimit.experiments.compute_optimal import exponents, isoflop
from thermolimit.theory.scaling import frontier, phases

POINTS = (
    (0.75, 0.25), (0.4, 0.3), (0.2, 0.9), (1.0, 0.75), (0.7, 1.2), (0.4, 1.0), (0.27, 0.8)
)  # fmt: skip
DIMENSIONS = np.geomspace(100, 1e6, 40)
FLOPS = np.geomspace(1e7, 1e10, 30)


def measured(alpha: float, beta: float) -> xr.Dataset:
    """The frontier of one point and its exponents, through the public calls."""
    data = solvers.evaluate(
        frontier.at_flops, alpha=alpha, beta=beta, dimension=DIMENSIONS, flops=FLOPS
    )
    late = data["loss"].where(data["step"] >= frontier.EARLIEST)
    return exponents(isoflop(late))


def main() -> None:
    """Measure and print."""
    print(machine("scipy"))
    print(f"frontier of {len(DIMENSIONS)} dimensions at {len(FLOPS)} values of compute, seconds")
    print(f"{'phase':8}{'alpha':>7}{'beta':>7}{'wall':>8}{'cpu':>8}{'eta':>8}{'limit':>8}")
    for alpha, beta in POINTS:
        took = best(lambda alpha=alpha, beta=beta: measured(alpha, beta), 3)
        eta = measured(alpha, beta)["loss_exponent"].item()
        limit = solvers.evaluate(phases.exponents, alpha=alpha, beta=beta)["loss_exponent"].item()
        print(
            f"{phases.phase(alpha, beta):8}{alpha:7.2f}{beta:7.2f}"
            f"{took.wall:8.2f}{took.cpu:8.2f}{eta:8.3f}{limit:8.3f}"
        )


if __name__ == "__main__":
    main()
