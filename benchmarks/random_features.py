"""Loss curves of power-law random features: one contour against tabulated Volterra kernels.

The peer is the notebook ``colabs/PowerlawVolterra_largeD_20240426.ipynb`` of the repository
LosVolterrosHermanos/Experimental on GitHub (Apache-2.0), which is not part of this package: give
the path of a copy as the argument. Only its definitions run. It needs all steps up to the last one;
its case is alpha = 0.4, beta = 1, v = 10 d, gamma = 0.25 / sum_j j^(-2 alpha), and r up to
200 d^(2 alpha) / 0.25. To be run with OPENBLAS_NUM_THREADS=1: two threads would share one core.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import numpy as np
from _machine import Seconds, best, machine, timed, use_one_core

from thermolimit import solvers
from thermolimit.theory.scaling import contour, random_features, spectra

ALPHA, BETA, MULTIPLE = 0.4, 1.0, 0.25
PEER = "jax_gen_Volterra_batched_mk2"


def steps_of(dimension: int) -> int:
    """How far the notebook goes."""
    return int(200 * dimension ** (2 * ALPHA) / MULTIPLE)


def ours(alpha: float, dimension: int, ratio: int, last: float) -> Callable[[], contour.Loss]:
    """A curve of 200 times, from the spectrum on."""
    r = np.geomspace(1, last, 200)

    def curve() -> contour.Loss:
        spectrum = spectra.power_law(alpha, BETA, ratio * dimension)
        gamma = MULTIPLE / spectrum.trace
        return contour.loss_curve(spectrum, dimension, gamma, 1, r)

    return curve


def labelled(dimension: int) -> Any:
    """The same through the public call, at whole steps."""
    step = np.unique(np.geomspace(1, 1e9, 220).astype(int))[-200:]
    return solvers.evaluate(
        random_features.loss, alpha=ALPHA, beta=BETA, step_size=0.01, step=step,
        dimension=dimension, n_features=4 * dimension,
    )  # fmt: skip


def definitions(notebook: Path) -> dict[str, Any]:
    """The functions of the notebook: its cells up to the first that sets parameters."""
    cells = json.loads(notebook.read_text())["cells"]
    names: dict[str, Any] = {}
    for cell in (cell for cell in cells if cell["cell_type"] == "code"):
        source = "".join(cell["source"])
        if "DLIST" in source:
            break
        exec(compile(source, str(notebook), "exec"), names)
    return names


def compare(peer: Callable[..., Any], dimension: int) -> None:
    """Both on the notebook's case, in one run."""
    last, v = steps_of(dimension), 10 * dimension
    gamma = MULTIPLE / spectra.power_law(ALPHA, BETA, v).trace

    def theirs() -> np.ndarray:
        batches = max(1, dimension // 80)
        found = peer(v, dimension, ALPHA, BETA, gamma, last, err=-1.0, batches=batches)
        return np.asarray(jax.block_until_ready(found[2]))

    loss, first = timed(theirs)
    again = timed(theirs)[1]
    own = best(ours(ALPHA, dimension, 10, last), 5)
    r = np.unique(np.geomspace(1, last, 200).astype(int))
    exact = contour.loss_curve(spectra.power_law(ALPHA, BETA, v), dimension, gamma, 1, r).loss
    print(
        f"d = {dimension}, {last} steps; largest difference {np.max(abs(loss[r] / exact - 1)):.1e}"
    )
    print(row("  notebook, first call", first, own))
    print(row("  notebook, again", again, own))
    print(row("  contour, 200 times", own, own))


def row(name: str, took: Seconds, own: Seconds) -> str:
    """Seconds, and how much longer than ours."""
    ratios = took.wall / own.wall, took.cpu / own.cpu
    return f"{name:36}{took.wall:9.3f}{took.cpu:9.3f}{ratios[0]:9.1f}{ratios[1]:9.1f}"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="Time the loss of random features.")
    parser.add_argument("notebook", nargs="?", type=Path, help="the peer's notebook")
    parser.add_argument(
        "--dimensions", nargs="*", type=int, default=[400, 800], help="for the peer"
    )
    arguments = parser.parse_args()
    use_one_core()

    print(machine("scipy"))
    print(f"{'seconds':36}{'wall':>9}{'cpu':>9}{'ratio':>9}{'of cpu':>9}")
    for alpha in (ALPHA, 0.7, 1.0):
        for dimension in (800, 10_000, 1_000_000):
            curve = ours(alpha, dimension, 4, 1e9)
            took, residual = best(curve, 5), curve().residual
            name = f"alpha = {alpha}, d = {dimension}, v = 4 d"
            print(f"{row(name, took, took)}   P(0) {residual:.0e}")
    labelled(20)
    took = best(lambda: labelled(1_000_000), 3)
    print(row("the same by evaluate, d = 1000000", took, took))
    if arguments.notebook:
        peer = definitions(arguments.notebook)[PEER]
        for dimension in arguments.dimensions:
            compare(peer, dimension)


if __name__ == "__main__":
    main()
