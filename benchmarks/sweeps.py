"""What a sweep with a store costs besides its function, which is empty.

Peers: a Crop of ``xyzpy`` (sow, grow in this process, reap), ``to_zarr(region=...)`` of xarray, and
four arrays of zarr-python, block by block. All call a function of one point that returns three
numbers, and end with the same arrays in memory. All but the Crop also keep a status and one
array on disk for each result; a Crop has a file per batch, and one more while it is sown.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial, partialmethod
from importlib.util import find_spec
from itertools import product
from pathlib import Path
from typing import Annotated, Any, NamedTuple
from unittest.mock import patch

import jax
import numpy as np
import xarray as xr
import zarr
from _machine import Seconds, best, machine, timed

from thermolimit.experiments import Store, sweep
from thermolimit.experiments.chunks import CODECS, Chunked
from thermolimit.experiments.plans import Plan
from thermolimit.experiments.stores import Blockwise
from thermolimit.experiments.tasks import Task
from thermolimit.leaves import Label

AXES: dict[str, Any] = {"first": np.linspace(0, 1, 40), "second": np.linspace(1, 2, 256)}
DIMS, SHAPE = tuple(AXES), tuple(map(len, AXES.values()))
POINTS = SHAPE[0] * SHAPE[1]  # about 1e4
SIZES = (16, 256)  # points of a block; both divide the second axis
AT_MOST = 5.0  # goal: ms of CPU per block
PEER = "xyzpy"
Number = Annotated[jax.Array | float, Label("a number")]
Engine = Callable[[Path, int], Any]  # of a folder and the points of a block


class Three(NamedTuple):
    """Results of hardly any work."""

    total: jax.Array | float
    difference: jax.Array | float
    product: jax.Array | float


def formula(first: Number, second: Number) -> Three:
    """Of one point."""
    return Three(first + second, first - second, first * second)


def serial(rng: np.random.Generator, first: Number, second: Number) -> Three:
    """The same with a generator, made for every point, that it does not use."""
    return formula(first, second)


def keyed(key: jax.Array, first: Number, second: Number) -> Three:
    """The same with a key."""
    return formula(first, second)


RANDOM = {"seed": 0, "replicas": 1, "precision": 64}
OURS: dict[str, tuple[Callable[..., Any], Any]] = {
    "formula, jitted": (jax.jit(formula), {}),
    "key, jitted": (jax.jit(keyed), RANDOM),
    "formula, not jitted": (formula, {}),
    "rng, not jitted": (serial, RANDOM),
}
TYPES = {**dict.fromkeys(Three._fields, np.dtype(float)), "status": np.dtype(np.int8)}


def ours(name: str, folder: Path, size: int) -> xr.Dataset:
    """With a store."""
    run, options = OURS[name]
    return sweep(run, store=Store(folder / "ours.zarr", block=size), **options, **AXES)


def crop(folder: Path, size: int) -> Any:
    """All batches of xyzpy."""
    from xyzpy import Crop, Runner  # pyright: ignore[reportMissingImports]

    runner = Runner(formula, list(Three._fields))
    batches = Crop(farmer=runner, name="crop", parent_dir=str(folder), batchsize=size)
    batches.sow_combos(AXES, verbosity=0)
    batches.grow_missing(verbosity=0)
    return batches.reap(verbosity=0, clean_up=False)


def blocks(size: int) -> list[tuple[slice, slice]]:
    """As ours are."""
    starts = [(row, start) for row in range(SHAPE[0]) for start in range(0, SHAPE[1], size)]
    return [(slice(row, row + 1), slice(start, start + size)) for row, start in starts]


def called(part: tuple[slice, slice]) -> dict[str, np.ndarray]:
    """Results of a block, point by point, and its status."""
    first, second = AXES["first"][part[0]], AXES["second"][part[1]]
    found = np.array([[formula(a, b) for b in second] for a in first])
    status = np.ones(found.shape[:2], np.int8)
    return {**dict(zip(Three._fields, np.moveaxis(found, -1, 0), strict=True)), "status": status}


def regions(folder: Path, size: int) -> xr.Dataset:
    """A template, and region after region of it."""
    import dask.array as lazy

    path, chunks = folder / "regions.zarr", (1, size)
    template = xr.Dataset(
        {n: (DIMS, lazy.zeros(SHAPE, t, chunks=chunks)) for n, t in TYPES.items()}
    )
    encoding: Any = dict.fromkeys(TYPES, CODECS)
    options: Any = {"zarr_format": 3, "consolidated": False}
    template.assign_coords(AXES).to_zarr(path, compute=False, encoding=encoding, **options)
    for part in blocks(size):
        found = xr.Dataset({n: (DIMS, values) for n, values in called(part).items()})
        found.to_zarr(path, region=dict(zip(DIMS, part, strict=True)), **options)
    return xr.open_zarr(path, chunks=None, consolidated=False).load()


def new_arrays(folder: Path, size: int) -> dict[str, zarr.Array]:
    """Empty ones of zarr-python."""
    group = zarr.open_group(folder / "arrays.zarr", mode="w")
    options = {"shape": SHAPE, "chunks": (1, size), **CODECS}
    return {n: group.create_array(n, dtype=dtype, **options) for n, dtype in TYPES.items()}


def arrays(folder: Path, size: int) -> xr.Dataset:
    """The least that one can do with zarr-python."""
    made = new_arrays(folder, size)
    for part in blocks(size):
        for name, values in called(part).items():
            made[name][part] = values
    return xr.Dataset({name: (DIMS, np.asarray(array[...])) for name, array in made.items()})


def in_scratch(engine: Engine, scratch: Path, size: int) -> Seconds:
    """One run in a new folder, which stays: ext4 is slow for seconds after files were removed."""
    data, took = timed(partial(engine, Path(tempfile.mkdtemp(dir=scratch)), size))
    check(data)
    return took


def check(data: xr.Dataset) -> None:
    """All have to end with the same numbers."""
    for name, values in formula(AXES["first"][:, None], AXES["second"])._asdict().items():
        np.testing.assert_array_equal(data[name].values.reshape(SHAPE), values)


def overhead(scratch: Path, size: int) -> dict[str, Seconds]:
    """Of ours and of all peers: the shortest of three runs."""
    engines: dict[str, Engine] = {name: partial(ours, name) for name in OURS}
    engines |= {"xyzpy, Crop": crop} if find_spec(PEER) else {}
    engines |= {"xarray, regions": regions, "zarr, four arrays": arrays}
    runs = [{n: in_scratch(call, scratch, size) for n, call in engines.items()} for _ in range(3)]
    return {n: Seconds(*map(min, zip(*(run[n] for run in runs), strict=True))) for n in engines}


def parts(scratch: Path, name: str, size: int) -> tuple[np.ndarray, Seconds]:
    """CPU seconds of the steps of one run of ours, and how long a run with nothing to do takes."""
    spent = np.zeros(3)

    def counted(self: Any, place: int, method: Any, *args: Any, **options: Any) -> Any:
        result, took = timed(partial(method, self, *args, **options))
        spent[place] += took.cpu
        return result

    steps = [(Plan, "lanes"), (Task, "compute"), (Blockwise, "commit")]
    run = partial(ours, name, Path(tempfile.mkdtemp(dir=scratch)), size)
    with ExitStack() as patched:
        for place, (owner, method) in enumerate(steps):
            counting = partialmethod(counted, place, getattr(owner, method))
            patched.enter_context(patch.object(owner, method, counting))
        whole = timed(run)[1].cpu
    return np.array([*spent, whole - spent.sum()]), best(run, 3)


def chunk_files(scratch: Path, size: int) -> np.ndarray:
    """How much longer zarr-python takes to write, and to read, a chunk of each of four arrays."""
    values = {n: np.sqrt(np.arange(size))[None].astype(dtype) for n, dtype in TYPES.items()}
    places = blocks(size)[:: len(blocks(size)) // 40]
    both = [(n, part, (part[0].start, part[1].start // size)) for part in places for n in values]
    runs = []
    for _ in range(3):
        folders = [Path(tempfile.mkdtemp(dir=scratch)) for _ in range(2)]
        theirs, _ = (new_arrays(folder, size) for folder in folders)
        plain = {name: Chunked.open(folders[1] / "arrays.zarr" / name) for name in values}
        calls: list[list[Callable[[], Any]]] = [
            [partial(theirs[n].__setitem__, part, values[n]) for n, part, _ in both],
            [partial(plain[n].write, index, values[n]) for n, _, index in both],
            [partial(theirs[n].__getitem__, part) for n, part, _ in both],
            [partial(plain[n].read, index) for n, _, index in both],
        ]
        runs.append([timed(lambda todo=todo: [do() for do in todo])[1].cpu for todo in calls])
    return np.min(runs, axis=0)[::2] / np.min(runs, axis=0)[1::2]


def main() -> None:
    """Measure and print."""
    print(machine("xarray", "zarr", *[PEER] * bool(find_spec(PEER))))
    for run, options in OURS.values():  # compiles
        check(sweep(run, **options, **AXES))
    with tempfile.TemporaryDirectory() as folder:
        measure(Path(folder))


def measure(scratch: Path) -> None:
    """All tables."""
    found = {size: overhead(scratch, size) for size in SIZES}
    print(f"{POINTS} points; ratio: CPU divided by that of ours, the four in their order")
    print(f"{'':22}{'block':>6}{'wall/s':>8}{'cpu/s':>8}{'ms wall':>9}{'ms cpu':>8}  ratio")
    for size, took in found.items():
        for name, seconds in took.items():
            wall, cpu = (1e3 * s * size / POINTS for s in seconds)
            ratios = "".join(f"{seconds.cpu / took[n].cpu:7.2f}" for n in OURS if name not in OURS)
            print(
                f"{name:22}{size:6}{seconds.wall:8.2f}{seconds.cpu:8.2f}{wall:9.2f}{cpu:8.2f}{ratios}"
            )
    print("\nms of CPU per block, and seconds of a run with nothing to do")
    print(f"{'':22}{'block':>6}{'keys':>8}{'calls':>8}{'writing':>8}{'rest':>8}{'nothing':>9}")
    for size, name in product(SIZES, OURS):
        spent, again = parts(scratch, name, size)
        columns = "".join(f"{1e3 * s * size / POINTS:8.2f}" for s in spent)
        print(f"{name:22}{size:6}{columns}{again.wall:9.3f}")
    for size in SIZES:
        ratios = "writing {:.1f}, reading {:.1f}".format(*chunk_files(scratch, size))
        print(f"zarr-python / ours, CPU per chunk of {size}: {ratios}")
    goals(found)


def goals(found: dict[int, dict[str, Seconds]]) -> None:
    """Which are met, and which of ours miss them."""
    said = {
        f"at most {AT_MOST:g} ms of CPU per block of {size}": (took, AT_MOST * POINTS / size / 1e3)
        for size, took in found.items()
    }
    size, took = max(found.items())
    for name in (name for name in took if name.startswith((PEER, "xarray"))):
        said[f"less CPU than {name}, with blocks of {size}"] = took, took[name].cpu
    for goal, (took, most) in said.items():
        missed = [name for name in OURS if took[name].cpu > most]
        print(f"goal: {goal}: {'NOT met by ' + '; '.join(missed) if missed else 'met'}")


if __name__ == "__main__":
    main()
