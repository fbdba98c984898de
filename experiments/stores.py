"""Where a sweep keeps its results: a Zarr group whose chunks are the blocks of the sweep.

Outputs are written first and ``status`` last, so that a block that is said to be done has its data.
What belongs to the store and is no array lies in the folder of ``status``: the journals of errors
and of runs, the locks, the checkpoints.
"""

from __future__ import annotations

import json
import os
import shutil
import uuid
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
import zarr

from thermolimit.leaves import check_word
from thermolimit.solvers.failures import status_variable
from thermolimit.solvers.saddle import Status

from . import chunks
from .archive import codes_to_strings, strings_to_codes
from .blocks import Blocks
from .chunks import Chunked, Damaged, naming, new_array
from .plans import Plan
from .tasks import Computed, Output

BATCHED, SERIAL = 256, 16  # lanes of a block of a function that is jitted, and of one that is not
IDENTITY = "sweep"  # attribute that says what the store holds


@dataclass(frozen=True)
class Store:
    """Where a sweep keeps its blocks, and how it works through them.

    Parameters
    ----------
    path : path
        Of a Zarr group. ``store / "name"`` is a group within it.
    block : int, optional
        Points and replicas that are computed and written together, a few seconds of work; fixed
        when the store is made. By default 256, or 16 of a function that is not jitted.
    client : distributed.Client, optional
        Compute on its workers; this process alone writes.
    shard : tuple of int
        (i, n): only blocks i, i + n, i + 2n, ..., while other processes do the others.
    extend : bool
        Allow axes to have more values, and points more replicas, than the store has; everything
        that was computed stays.
    redo : tuple of str
        Compute points of these statuses again, besides those that failed by an exception:
        ``not_converged``, ``not_finite``.
    accept_code_change : bool
        Go on although the code that the numbers come from has changed; the store keeps a record.
    """

    path: Path
    block: int | None = None
    client: Any = None
    shard: tuple[int, int] = (0, 1)
    extend: bool = False
    redo: tuple[str, ...] = ()
    accept_code_change: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "path", Path(self.path))
        i, n = self.shard
        if not 0 <= i < n:
            raise ValueError(f"shard = {i}/{n} is not one of 0/{n} to {n - 1}/{n}")
        if n > 1 and self.extend:
            raise ValueError("shards cannot extend a store; extend it first, then run the shards")
        if self.block is not None and self.block < 1:
            raise ValueError(f"block = {self.block} is below 1")
        allowed = [code.name.lower() for code in Status]
        for name in self.redo:
            check_word("redo", name, allowed)

    def __truediv__(self, name: str) -> Store:
        return replace(self, path=self.path / name)

    @property
    def redone(self) -> list[Status]:
        """Statuses that are computed again."""
        return [Status.MISSING, Status.ERROR, *(Status[name.upper()] for name in self.redo)]


class Blockwise:
    """The results of a sweep on disk, block by block."""

    def __init__(self, path: Path):
        self.path = path
        self.identity = read_identity(path)
        self.status = Chunked.open(path / "status")
        self.outputs = {name: Chunked.open(path / name) for name in self.identity["outputs"]}
        self.blocks = Blocks(self.status.shape, self.status.chunk)

    @property
    def side(self) -> Path:
        """Folder of everything that is no array; Zarr does not look for groups in there."""
        return self.path / "status"

    def checkpoints(self, block: int) -> Path:
        """Folder of the checkpoints of a block."""
        return self.side / "checkpoints" / str(block)

    def begun(self) -> set[int]:
        """Blocks with checkpoints."""
        folder = self.side / "checkpoints"
        return {int(path.name) for path in folder.iterdir()} if folder.exists() else set()

    def _inside(self, block: int) -> tuple[slice, ...]:
        """The part of a chunk that lies in the grid."""
        return tuple(slice(s.stop - s.start) for s in self.blocks.slices(block))

    def codes(self, block: int) -> np.ndarray:
        """Status of a block; what cannot be read is missing."""
        try:
            return self.sound_codes(block)
        except Damaged:
            return np.zeros([s.stop for s in self._inside(block)], np.int8)

    def sound_codes(self, block: int) -> np.ndarray:
        """Status of a block; raises Damaged if it was written and cannot be read."""
        inside = self._inside(block)
        try:
            return self.status.read(self.blocks.index(block))[inside]
        except FileNotFoundError:
            return np.zeros([s.stop for s in inside], np.int8)

    def values(self, block: int) -> dict[str, np.ndarray]:
        """Results of a block.

        Raises
        ------
        FileNotFoundError, Damaged
            If some of them cannot be read.
        """
        inside = self._inside(block)
        return {name: self.chunk(name, block)[inside] for name in self.outputs}

    def chunk(self, name: str, block: int) -> np.ndarray:
        """Results of a block with what lies over the edge of the grid."""
        array = self.outputs[name]
        return array.read(self._index(array, block))

    def _index(self, array: Chunked, block: int) -> tuple[int, ...]:
        index = self.blocks.index(block)
        return index + (0,) * (len(array.shape) - len(index))  # own dimensions are never cut

    def pending(self, block: int, redone: list[Status]) -> np.ndarray:
        """Which lanes of a block are to be computed; all of them, if its data cannot be read."""
        where = np.isin(self.codes(block), redone)
        if not where.all():
            try:
                self.values(block)
            except (FileNotFoundError, Damaged):
                where[...] = True
        return where

    def fits(self, asked: Plan) -> bool:
        """Whether all arrays have the shapes of a plan; not if extending was interrupted."""
        return self.status.shape == asked.shape and not self.lost_coordinates() and self.agrees()

    def agrees(self) -> bool:
        """Whether coordinates and arrays have the same sizes."""
        sizes: dict[str, set[int]] = {}
        for name in ["status", *self.outputs, *self.coordinates]:
            array = Chunked.open(self.path / name)
            for dim, size in zip(array.dims, array.shape, strict=True):
                sizes.setdefault(dim, set()).add(size)
        return all(len(found) == 1 for found in sizes.values())

    def lost_coordinates(self) -> list[str]:
        """Sentences about coordinates that cannot be read; the next run writes them again."""
        lost = [name for name in self.coordinates if not self._reads(name)]
        return [f"{name}: the coordinate is damaged" for name in lost]

    @property
    def coordinates(self) -> list[str]:
        """Names of the coordinates."""
        replica = ["replica"] if self.identity["replicas"] else []
        return [*self.identity["axes"], *self.identity["constants"], *replica]

    def _reads(self, name: str) -> bool:
        try:
            array = zarr.open_array(self.path / name, mode="r")
            return array.nchunks_initialized == array.nchunks and array[...] is not None
        except (OSError, RuntimeError, ValueError):
            return False

    def commit(self, block: int, where: np.ndarray, found: Computed) -> None:
        """Write what was computed at the lanes ``where`` of a block; the others stay."""
        new = where.all()
        codes = np.zeros(where.shape, np.int8) if new else self.codes(block)
        kept = None if new else self.values(block)
        for name, array in self.outputs.items():
            values = found.values[name]
            if kept is None:
                merged = values.reshape((*where.shape, *values.shape[1:]))
            else:
                merged = kept[name]
                merged[where] = values
            array.write(self._index(array, block), merged)
        codes[where] = found.status
        self.status.write(self.blocks.index(block), codes)

    def note(self, journal: str, **entry: Any) -> None:
        """Append a line to ``errors`` or ``runs``."""
        path = self.side / f"{journal}.jsonl"
        with naming(path), path.open("a") as file:
            file.write(f"\n{json.dumps(entry)}\n")  # after a line that a crash has cut short

    def noted(self, journal: str) -> list[dict[str, Any]]:
        """The lines of a journal; one that a crash has cut short is left out."""
        file = self.side / f"{journal}.jsonl"
        found = []
        for line in file.read_text().splitlines() if file.exists() else []:
            try:
                found.append(json.loads(line))
            except ValueError:
                continue
        return found

    def set_identity(self, identity: dict[str, Any]) -> None:
        """Say what the store holds."""
        _edit(self.path, lambda said: said["attributes"].update({IDENTITY: identity}))
        self.identity = identity


def read_identity(path: Path) -> dict[str, Any]:
    """What a store says that it holds.

    Raises
    ------
    FileNotFoundError
        If there is nothing.
    ValueError
        If it is something else.
    """
    if not path.exists():
        raise FileNotFoundError(f"there is no sweep in {path}")
    try:
        found = json.loads((path / "zarr.json").read_text())["attributes"][IDENTITY]
        if {"format", "outputs"} <= found.keys():
            return found
        raise KeyError(IDENTITY)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"{path} is not the store of a sweep; choose another path") from error


def create(path: Path, asked: Plan, identity: dict[str, Any], lanes: int | None) -> None:
    """Make an empty store, whole or not at all; another process may have been faster."""
    lanes = lanes or (BATCHED if asked.task.face.jitted else SERIAL)
    temporary = _unfinished(path)
    try:
        _make_group(path.parent)
        _write(temporary, asked, identity, asked.blocks(lanes).extents)
        temporary.rename(path)
    except OSError as error:
        if not (path / "zarr.json").exists():
            where = error.filename or path
            raise OSError(error.errno, error.strerror, str(where)) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _unfinished(path: Path) -> Path:
    """A name of its own for a store that is being made or extended."""
    return path.with_name(f"{path.name}.new-{os.getpid()}-{uuid.uuid4().hex[:8]}")


def unfinished_stores(path: Path) -> list[Path]:
    """What processes that were killed while they made or extended a store have left."""
    return list(path.parent.glob(f"{path.name}.new-*"))


def _make_group(folder: Path) -> None:
    """A store within a group: the group can be opened as a tree."""
    folder.mkdir(parents=True, exist_ok=True)
    if folder.suffix == ".zarr" and not (folder / "zarr.json").exists():
        content = json.dumps({"attributes": {}, "zarr_format": 3, "node_type": "group"})
        chunks.replace(folder / "zarr.json", lambda file: file.write(content.encode()))


def _write(path: Path, asked: Plan, identity: dict[str, Any], extents: tuple[int, ...]) -> None:
    coded = strings_to_codes(asked.coordinates()).assign_attrs({IDENTITY: identity})
    encoding: Any = dict.fromkeys(map(str, coded.variables), chunks.CODECS)
    # chunks of fill values are written too, so that a lost one is missed
    with zarr.config.set({"array.write_empty_chunks": True}):
        coded.to_zarr(path, zarr_format=3, consolidated=False, encoding=encoding)
    group = zarr.open_group(path, mode="r+")
    status = status_variable(asked.dims, np.zeros(asked.shape))
    lanes = Output((), (), np.dtype(np.int8), status.attrs)
    for name, output in {**asked.outputs, "status": lanes}.items():
        new_array(
            group, name, asked.shape + output.shape, extents + output.shape, output.dtype,
            asked.dims + output.dims, output.attrs,
        )  # fmt: skip


def lay_out(saved: Blockwise, asked: Plan, identity: dict[str, Any]) -> Blockwise:
    """Give a store the shape of a plan that holds everything that it has; its blocks stay.

    The identity is written last: what is interrupted is done again.
    """
    temporary = _unfinished(saved.path)
    try:
        _write(temporary, asked, identity, saved.blocks.extents)
        for name in [*asked.outputs, "status"]:
            own = asked.outputs[name].shape if name in asked.outputs else ()
            _edit(saved.path / name, lambda said, own=own: said.update(shape=[*asked.shape, *own]))
        for name in asked.coordinates().coords:
            shutil.rmtree(saved.path / str(name), ignore_errors=True)
            (temporary / str(name)).rename(saved.path / str(name))
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    saved.set_identity(identity)
    return Blockwise(saved.path)


def _edit(folder: Path, change: Any) -> None:
    """Change the metadata of an array or a group in one step."""
    said = json.loads((folder / "zarr.json").read_text())
    change(said)
    content = json.dumps(said).encode()
    # in a group Zarr would wonder what an unfinished file is
    beside = folder / "status" if (folder / "status").is_dir() else folder
    chunks.replace(folder / "zarr.json", lambda file: file.write(content), beside)


def open_sweep(path: Path | str) -> xr.Dataset:
    """Read a sweep, finished or not; what was not computed is NaN and has the status 0.

    Raises
    ------
    FileNotFoundError
        If there is none.
    ValueError
        If data is lost or fails its checksum.
    """
    saved = Blockwise(Path(path))
    again = "; run the sweep again to compute it again"
    for said in saved.lost_coordinates():
        raise ValueError(f"{path} is damaged: {said}{again}")
    if not saved.agrees():
        raise ValueError(f"{path} is being extended, or this was interrupted{again}")
    described = {
        name: (array.dims, np.full(array.shape, chunks.missing(array.dtype), array.dtype))
        for name, array in saved.outputs.items()
    }
    status = np.zeros(saved.status.shape, np.int8)
    for block in range(len(saved.blocks)):
        part = saved.blocks.slices(block)
        try:
            status[part] = saved.sound_codes(block)
            if not status[part].any():
                continue
            found = saved.values(block)
        except (FileNotFoundError, Damaged) as error:
            raise ValueError(f"{path} is damaged: {error}{again}") from error
        for name, values in found.items():
            described[name][1][part] = values
    with xr.open_zarr(path, chunks=None, consolidated=False) as stored:
        names = [*described, "status"]
        data = codes_to_strings(stored.drop_vars(names).load())
        variables = {n: (*described[n], stored[n].attrs) for n in described}
        data = data.assign(variables).assign(
            status=(saved.status.dims, status, stored["status"].attrs)
        )
    data.attrs.pop(IDENTITY)
    return data
