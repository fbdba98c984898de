"""A sweep of 10^6 points with a store, and a sweep that computes on one worker and on two.

The large one runs an empty jitted simulation, so that nothing but the sweep is measured, in a
process of its own, whose memory is watched. The other one runs the Hopfield network; the same runs
in one and in two plain processes, side by side with it, show what two cores of this machine can do.
"""

from __future__ import annotations

import json
import multiprocessing
import re
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from _machine import Seconds, machine, timed
from sweeps import OURS

from thermolimit.experiments import Store, inspection, sweep
from thermolimit.experiments.stores import Blockwise
from thermolimit.experiments.workers import cluster
from thermolimit.simulations.hebbian import hopfield

SIDE = 1000  # values of each axis of the large sweep
EVERY = 0.05  # seconds between looks at the memory
TEMPERATURES, REPLICAS, ROUNDS = np.linspace(0.1, 0.6, 64), 8, 3
NETWORK = {"n_spins": 1000, "pattern_load": 0.05}
PEAK, SUMMARY, RATIO = 500.0, 2.0, 1.7  # goals: MB above the imports, seconds, of two workers


def megabytes(field: str) -> float:
    """Resident memory of this process, now (VmRSS) or at most so far (VmHWM); Linux only."""
    found = re.search(rf"{field}:\s*(\d+) kB", Path("/proc/self/status").read_text())
    return int(found[1]) / 1024 if found else np.nan


def watched(call: Callable[[], Any]) -> tuple[Seconds, list[float]]:
    """How long a call takes, and the memory meanwhile."""
    samples, over = [], threading.Event()

    def watch() -> None:
        while not over.wait(EVERY):
            samples.append(megabytes("VmRSS"))

    watcher = threading.Thread(target=watch)
    watcher.start()
    took = timed(call)[1]
    over.set()
    watcher.join()
    return took, samples


def large(path: Path) -> dict[str, Any]:
    """In a process of its own: begin and finish a store, then find that nothing is to be done."""
    imported = megabytes("VmHWM")
    run, options = OURS["key, jitted"]
    axes = {"first": np.linspace(0, 1, SIDE), "second": np.linspace(1, 2, SIDE)}
    call = partial(sweep, run, store=Store(path), **options, **axes)
    took, samples = watched(call)
    at = [samples[round(part * (len(samples) - 1))] - imported for part in (0.25, 0.5, 1)]
    peak = megabytes("VmHWM") - imported
    return {"took": took, "imported": imported, "at": at, "peak": peak, "again": timed(call)[1]}


def report_large(folder: Path) -> dict[str, bool]:
    """Run it, and look at the store; the goals it decides."""
    path = folder / "large.zarr"
    command = [sys.executable, __file__, str(path)]
    said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    found = json.loads(said.splitlines()[-1])
    whole, whole_took = timed(lambda: inspection.summary(path))
    saved = Blockwise(path)
    for block in range(len(saved.blocks) // 2):
        saved.status.file(saved.blocks.index(block)).unlink()
    half, half_took = timed(lambda: inspection.summary(path))
    if whole.missing or half.missing != SIDE**2 // 2:
        raise ArithmeticError("the store does not hold what was computed")
    wall, cpu = found["took"]
    print(f"{SIDE**2} points, {whole.blocks} blocks of at most 256")
    print(f"{wall:.1f} s wall, {cpu:.1f} s CPU, {1e3 * cpu / whole.blocks:.2f} ms CPU per block")
    print("MB above the {imported:.0f} after the imports: at most {peak:.0f}".format(**found))
    print("at 25, 50, 100 % of the time: {:.0f}, {:.0f}, {:.0f}".format(*found["at"]))
    print("a run with nothing to do: {:.2f} s wall, {:.2f} s CPU".format(*found["again"]))
    print(f"summary, finished: {whole_took.wall:.2f} s; half of it: {half_took.wall:.2f} s")
    return {
        f"peak memory below {PEAK:g} MB above the imports": found["peak"] < PEAK,
        f"summary in less than {SUMMARY:g} s": max(whole_took.wall, half_took.wall) < SUMMARY,
    }


def plain(runs: int) -> None:
    """What a notebook does in one process."""
    for k in range(runs):
        hopfield.simulate_numba(np.random.default_rng(k), TEMPERATURES[k % 64], **NETWORK)


def on_workers(client: Any, folder: Path) -> None:
    """The sweep in a new store."""
    store = Store(Path(tempfile.mkdtemp(dir=folder)) / "store.zarr", block=REPLICAS, client=client)
    options = {"engine": "numba", "seed": 0, "replicas": REPLICAS}
    sweep(hopfield.simulate, store=store, **options, **NETWORK, temperature=TEMPERATURES)


def report_scaling(folder: Path) -> dict[str, bool]:
    """Everything in turn, several times, the shortest counts; the goal it decides."""
    total = TEMPERATURES.size * REPLICAS
    spawn = multiprocessing.get_context("spawn")
    with spawn.Pool(1) as single, spawn.Pool(2) as double, cluster(1, None) as one:
        with cluster(2, None) as two:
            pools, clients = [(single, 1), (double, 2)], [one, two]
            for pool, count in pools:  # compiles
                pool.map(plain, [1] * count, chunksize=1)
            for client in clients:
                client.run(hopfield.simulate_numba, np.random.default_rng(0), 0.3, **NETWORK)
            calls: list[Callable[[], Any]] = [
                *(partial(p.map, plain, [total // 4] * count, chunksize=1) for p, count in pools),
                *(partial(on_workers, client, folder) for client in clients),
            ]
            rounds = [[timed(call)[1].wall for call in calls] for _ in range(ROUNDS)]
    seconds = np.min(rounds, axis=0)
    rates = np.array([total / 4, total / 2, total, total]) / seconds
    names = ["one plain process", "two plain processes", "one worker", "two workers"]
    print(f"\nHopfield network, Numba: {total} runs on workers; {total // 4} per plain process")
    print(f"{'':22}{'wall/s':>8}{'runs/s':>8}{'ratio':>8}")
    for k, name in enumerate(names):
        ratio = f"{rates[k] / rates[k - 1]:8.2f}" if k % 2 else ""
        print(f"{name:22}{seconds[k]:8.2f}{rates[k]:8.1f}{ratio}")
    limit, ratio = rates[1] / rates[0], rates[3] / rates[2]
    each = ", ".join(f"{2 * r[0] / r[1]:.2f} and {r[2] / r[3]:.2f}" for r in rounds)
    print(f"ratios of plain processes and of workers, round by round: {each}")
    print(f"workers / plain processes: {ratio / limit:.2f}")
    return {f"two workers {RATIO:g} times as fast as one": ratio >= RATIO}


def main() -> None:
    """Measure and print."""
    print(machine("xarray", "zarr", "distributed"))
    with tempfile.TemporaryDirectory() as folder:
        goals = {**report_large(Path(folder)), **report_scaling(Path(folder))}
    for goal, met in goals.items():
        print(f"goal: {goal}: {'met' if met else 'NOT met'}")


if __name__ == "__main__":
    if len(sys.argv) > 1:
        print(json.dumps(large(Path(sys.argv[1]))))
    else:
        main()
