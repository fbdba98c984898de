"""However a sweep is cut, ordered, interrupted and extended, its numbers are those of a loop."""

from __future__ import annotations

import hashlib
import itertools
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from math import inf, prod
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import hypothesis
import hypothesis.extra.numpy as hnp
import hypothesis.strategies as st
import jax
import numpy as np
import pytest
import xarray as xr
import zarr
from jax import Array

from thermolimit.experiments import (
    Store,
    SweepMismatch,
    inspection,
    open_sweep,
    stores,
    sweep,
)
from thermolimit.experiments.blocks import cut
from thermolimit.experiments.chunks import Chunked, Damaged, missing, new_array
from thermolimit.experiments.keys import generator, point_key
from thermolimit.solvers import Status

LARGEST = 5  # of the shapes


class Measured(NamedTuple):
    level: Array | float
    profile: Annotated[Array | np.ndarray, "layer"]


def serial(
    rng: np.random.Generator, chance: float, field: float = 0.0, *, n_spins: int
) -> Measured:
    noise = rng.normal(size=n_spins)
    return Measured(noise.sum() * chance, noise + field)


@partial(jax.jit, static_argnames="n_spins")
def batched(key: Array, chance: Array, field: Array | float = 0.0, *, n_spins: int) -> Measured:
    noise = jax.random.normal(key, (n_spins,))
    return Measured(noise.sum() * chance, noise + field)


def looped(seed: int, replicas: int, axes: dict[str, Any]) -> xr.Dataset:
    """The results of ``serial``, one point and replica after the other."""
    given = {
        name: xr.DataArray(value, dims=getattr(value, "dims", [name] * np.ndim(value)))
        for name, value in ({"field": 0.0} | axes).items()
    }
    whole = dict(zip(given, xr.broadcast(*given.values()), strict=True))
    first, largest = next(iter(whole.values())), int(whole["n_spins"].values.max())
    level = np.empty((*first.shape, replicas))
    profile = np.full((*level.shape, largest), np.nan)
    for place in np.ndindex(first.shape):
        here = {name: values.values[place].item() for name, values in whole.items()}
        for replica in range(replicas):
            found = serial(generator(point_key(seed, here), replica), **here)
            level[*place, replica] = found.level
            profile[*place, replica, : here["n_spins"]] = found.profile
    dims = (*first.dims, "replica")
    return xr.Dataset({"level": (dims, level), "profile": ((*dims, "layer"), profile)})


def turned(data: xr.Dataset, like: xr.Dataset) -> xr.Dataset:
    """The same with dimensions in another order."""
    return data.transpose(*like["profile"].dims)


class Case(NamedTuple):
    """A sweep and the ways in which it is done, a piece at a time."""

    axes: dict[str, Any]
    replicas: int
    block: int
    tile: int
    stops: list[int]  # commits before an interruption
    shards: int
    orders: list[dict[str, Any]]  # the same axes in other orders


levels = st.integers(1, 40).map(lambda n: n / 16)
shapes = st.sampled_from([2, LARGEST])


def several(values: st.SearchStrategy, most: int) -> st.SearchStrategy:
    return st.lists(values, min_size=1, max_size=most, unique=True)


def reordered(draw: st.DrawFn, axes: dict[str, Any]) -> dict[str, Any]:
    names = draw(st.permutations(list(axes)))
    return {
        name: draw(st.permutations(axes[name])) if isinstance(axes[name], list) else axes[name]
        for name in names
    }


@st.composite
def cases(draw: st.DrawFn) -> Case:
    axes: dict[str, Any] = {
        "chance": draw(several(levels, 4) | levels),
        "n_spins": draw(several(shapes, 2) | shapes),
    }
    if draw(st.booleans()):
        axes["field"] = draw(several(levels, 3) | levels)
    if draw(st.booleans()):
        size = draw(st.integers(1, 4))
        line = {"chance": levels, "field": levels, "n_spins": shapes}
        for name in draw(st.sampled_from([("chance", "field"), ("n_spins", "chance")])):
            values = draw(st.lists(line[name], min_size=size, max_size=size))
            axes[name] = xr.DataArray(values, dims="point")
    stops = draw(st.lists(st.integers(0, 4), max_size=3))
    return Case(
        axes=reordered(draw, axes),
        replicas=draw(st.integers(1, 4)),
        block=draw(st.integers(1, 12)),
        tile=draw(st.sampled_from([1, 4])),
        stops=stops,
        shards=draw(st.integers(1, 3)),
        orders=[reordered(draw, axes) for _ in [*stops, None]],
    )


@contextmanager
def interrupted_after(commits: int) -> Iterator[None]:
    commit, seen = stores.Blockwise.commit, []

    def stopped(*args: Any) -> None:
        if len(seen) == commits:
            raise KeyboardInterrupt
        seen.append(args)
        commit(*args)

    with pytest.MonkeyPatch.context() as patch, suppress(KeyboardInterrupt):
        patch.setattr(stores.Blockwise, "commit", stopped)
        yield


@contextmanager
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as name:
        yield Path(name) / "sweep.zarr"


def done_by_pieces(simulate: Callable[..., Any], case: Case) -> None:
    asked = partial(sweep, simulate, seed=3, replicas=case.replicas, tile=case.tile)
    expected = asked(**case.axes)
    with folder() as path:
        asked = partial(asked, store=Store(path, block=case.block))
        for stop, order in zip(case.stops, case.orders, strict=False):
            with interrupted_after(stop):
                asked(**order)
            assert inspection.damage(path) == []
            kept = open_sweep(path)
            places = {name: expected[name] for name in kept.indexes}
            kept = turned(kept.sel(places), expected)
            done = kept["status"] == Status.OK
            assert int(done.sum()) >= (stop > 0)
            xr.testing.assert_identical(kept.where(done), expected.where(done))
        for i in range(case.shards):
            store = Store(path, block=case.block, shard=(i, case.shards))
            asked(**{**case.orders[-1], "store": store})
        found = asked(**case.axes)
        extents = Chunked.open(path / "status").chunk
        for name, extent in zip(open_sweep(path)["status"].dims, extents, strict=True):
            assert extent == 1 or name not in getattr(found["n_spins"], "dims", ())
        assert prod(extents) <= case.block
    xr.testing.assert_identical(turned(found, expected), expected)


either = pytest.mark.parametrize("simulate", [serial, batched], ids=["serial", "jitted"])
settings = partial(hypothesis.settings, deadline=None, derandomize=True)


@either
@settings(max_examples=6)
@hypothesis.given(case=cases())
def test_a_sweep_in_pieces_is_the_sweep_in_one(simulate, case):
    done_by_pieces(simulate, case)


@pytest.mark.slow
@either
@settings(max_examples=60)
@hypothesis.given(case=cases())
def test_many_sweeps_in_pieces_are_those_in_one(simulate, case):
    done_by_pieces(simulate, case)


@settings(max_examples=15)
@hypothesis.given(case=cases())
def test_a_sweep_with_a_store_is_a_loop_over_points_and_replicas(case):
    with folder() as path:
        store = Store(path, block=case.block)
        found = sweep(serial, seed=3, replicas=case.replicas, store=store, **case.axes)
    assert (found["status"] == Status.OK).all()
    expected = turned(looped(3, case.replicas, case.axes), found)
    for name, values in expected.items():
        np.testing.assert_array_equal(found[name].values, values.values)


class Growth(NamedTuple):
    small: dict[str, Any]
    large: dict[str, Any]
    replicas: tuple[int, int]
    block: int
    stop: int


@st.composite
def growths(draw: st.DrawFn) -> Growth:
    chance, field = draw(several(levels, 6)), draw(several(levels, 3))
    n_spins = [LARGEST, *draw(st.lists(st.sampled_from([1, 2]), max_size=2, unique=True))]
    large = {"chance": chance, "field": field, "n_spins": n_spins}
    kept = {name: draw(st.integers(1, len(values))) for name, values in large.items()}
    small = {name: values[: kept[name]] for name, values in large.items()}
    fewer = draw(st.integers(1, 3))
    return Growth(
        reordered(draw, small), reordered(draw, large), (fewer, draw(st.integers(fewer, 4))),
        draw(st.integers(1, 9)), draw(st.integers(0, 4)),
    )  # fmt: skip


@either
@settings(max_examples=8)
@hypothesis.given(growth=growths())
def test_a_larger_sweep_keeps_what_the_smaller_one_found(simulate, growth):
    few, many = (
        sweep(simulate, seed=3, replicas=replicas, tile=4, **axes)
        for axes, replicas in zip((growth.small, growth.large), growth.replicas, strict=True)
    )
    commit, computed = stores.Blockwise.commit, []

    def counted(saved: Any, block: int, where: np.ndarray, found: Any) -> None:
        computed.append(int(where.sum()))
        commit(saved, block, where, found)

    with folder() as path, pytest.MonkeyPatch.context() as patch:
        asked = partial(sweep, simulate, seed=3, tile=4)
        store = Store(path, block=growth.block)
        old = asked(replicas=growth.replicas[0], store=store, **growth.small)
        xr.testing.assert_identical(turned(old, few), few)
        patch.setattr(stores.Blockwise, "commit", counted)
        store = Store(path, extend=True)
        with interrupted_after(growth.stop):
            asked(replicas=growth.replicas[1], store=store, **growth.large)
        new = asked(replicas=growth.replicas[1], store=store, **growth.large)
        assert inspection.damage(path) == []
    assert sum(computed) == many["status"].size - few["status"].size
    xr.testing.assert_identical(turned(new, many), many)
    xr.testing.assert_identical(turned(new.sel(old.indexes), old), old)


def test_an_extension_cannot_make_an_output_larger():
    with folder() as path:
        asked = partial(sweep, serial, seed=3, replicas=2, chance=0.5)
        before = asked(store=Store(path), n_spins=[2])
        with pytest.raises(SweepMismatch, match="n_spins"):
            asked(store=Store(path, extend=True), n_spins=[2, 3])
        xr.testing.assert_identical(open_sweep(path), before)


@settings(max_examples=200)
@hypothesis.given(
    axes=st.lists(st.tuples(st.integers(1, 7), st.booleans()), max_size=4),
    lanes=st.integers(1, 60) | st.just(inf),
)
def test_every_point_belongs_to_one_block_that_is_not_too_large(axes, lanes):
    shape, single = tuple(n for n, _ in axes), [alone for _, alone in axes]
    blocks = cut(shape, single, lanes)
    times = np.zeros(shape, int)
    for block in range(len(blocks)):
        part = blocks.slices(block)
        assert times[part].size <= lanes
        assert all(
            s.start == i * extent
            for s, i, extent in zip(part, blocks.index(block), blocks.extents, strict=True)
        )
        times[part] += 1
    assert (times == 1).all()
    assert all(e == 1 for e, alone in zip(blocks.extents, single, strict=True) if alone)
    if lanes == inf:
        assert len(blocks) == prod(n for n, alone in axes if alone)


def new_chunked(path: Path, shape: tuple, chunk: tuple, dtype: Any) -> Chunked:
    dims = tuple(f"dim_{k}" for k in range(len(shape)))
    new_array(zarr.open_group(path, mode="w"), "leaf", shape, chunk, dtype, dims, {"units": "1"})
    return Chunked.open(path / "leaf")


dtypes = st.sampled_from(["f4", "f8", "i4", "i8", "i1", "c16", "?"]).map(np.dtype)
boxes = st.lists(st.tuples(st.integers(1, 6), st.integers(1, 7)), max_size=3)


@settings(max_examples=40)
@hypothesis.given(data=st.data(), dtype=dtypes, box=boxes)
def test_zarr_and_this_package_read_each_others_chunks(data, dtype, box):
    shape, chunk = (tuple(side[k] for side in box) for k in (0, 1))
    values = data.draw(hnp.arrays(dtype, shape))
    places = list(itertools.product(*(range(-(-n // m)) for n, m in box)))
    skipped = data.draw(st.sampled_from([None, *places]))
    with folder() as path:
        ours, expected = new_chunked(path, shape, chunk, dtype), values.copy()
        assert (ours.shape, ours.chunk, ours.dtype) == (shape, chunk, dtype)
        for place in places:
            part = tuple(slice(i * m, (i + 1) * m) for i, m in zip(place, chunk, strict=True))
            if place == skipped:
                expected[part] = missing(dtype)
                with pytest.raises(FileNotFoundError):
                    ours.read(place)
                continue
            ours.write(place, values[part])
            inside = tuple(map(slice, values[part].shape))
            assert ours.read(place)[inside].tobytes() == values[part].tobytes()
        with zarr.config.set({"array.write_empty_chunks": True}):
            theirs = zarr.open_array(path / "leaf", mode="r+")
            assert theirs.attrs["units"] == "1"
            np.testing.assert_array_equal(theirs[...], expected)
            theirs[...] = values
        for place in places:
            part = tuple(slice(i * m, (i + 1) * m) for i, m in zip(place, chunk, strict=True))
            inside = tuple(map(slice, values[part].shape))
            assert ours.read(place)[inside].tobytes() == values[part].tobytes()


@pytest.mark.parametrize("size", [1, 9, 4000])
def test_no_flipped_bit_and_no_truncation_reads_as_another_number(tmp_path, size):
    chunked = new_chunked(tmp_path, (size,), (size,), np.float64)
    values = np.random.default_rng(1).normal(size=size)
    chunked.write((0,), values)
    file = chunked.file((0,))
    content = file.read_bytes()
    total = 8 * len(content)
    bits = [*range(min(total, 200)), *range(200, total, 1 if size < 100 else 999)]
    for bit in bits:
        changed = bytearray(content)
        changed[bit // 8] ^= 1 << bit % 8
        file.write_bytes(changed)
        with suppress(Damaged):
            assert chunked.read((0,)).tobytes() == values.tobytes()
    for length in {0, 1, 4, 8, len(content) // 2, len(content) - 1}:
        file.write_bytes(content[:length])
        with pytest.raises(Damaged, match="leaf: chunk 0 is damaged"):
            chunked.read((0,))


def test_the_key_of_a_point_is_the_hash_of_its_seed_and_its_sorted_coordinates():
    text = "seed=11\nfield=0\nn_spins=100\nrule=plain\ntemperature=0.333333333333"
    digest = hashlib.sha256(text.encode()).digest()
    expected = [int.from_bytes(digest[:4], "big"), int.from_bytes(digest[4:8], "big")]
    found = point_key(11, {"temperature": 1 / 3, "rule": "plain", "n_spins": 100, "field": -0.0})
    assert found.tolist() == expected
    assert found.dtype == np.uint32
