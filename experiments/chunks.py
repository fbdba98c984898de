"""Zarr 3 chunk files: written whole or not at all, read against their checksum.

zarr-python reads and writes the same files; for chunks of a few hundred numbers it takes five times
as long to write and seventeen times as long to read them (benchmarks/sweeps.py).
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
import zarr
from numcodecs import Zstd
from zarr.codecs import BytesCodec, ZstdCodec

CODECS: dict[str, Any] = {  # of a Zarr array; by default a flipped bit would read as another number
    "serializer": BytesCodec(endian="little"),
    "compressors": (ZstdCodec(level=1, checksum=True),),
}
PARTIAL = ".partial"


def missing(dtype: np.dtype) -> Any:
    """What stands where nothing was computed."""
    return np.nan if dtype.kind in "fc" else 0


class Damaged(ValueError):
    """A chunk is lost or fails its checksum."""


@dataclass(frozen=True)
class Chunked:
    """A Zarr array on disk, chunk by chunk."""

    folder: Path
    dtype: np.dtype
    shape: tuple[int, ...]
    chunk: tuple[int, ...]
    dims: tuple[str, ...]
    attrs: dict[str, Any]

    @classmethod
    def open(cls, folder: Path) -> Chunked:
        """Read the metadata of an array."""
        try:
            said = json.loads((folder / "zarr.json").read_text())
        except ValueError as error:
            raise Damaged(f"the metadata of {folder} are damaged ({error})") from error
        chunk = said["chunk_grid"]["configuration"]["chunk_shape"]
        return cls(
            folder, np.dtype(said["data_type"]), tuple(said["shape"]), tuple(chunk),
            tuple(said.get("dimension_names") or ()), said["attributes"],
        )  # fmt: skip

    def file(self, index: tuple[int, ...]) -> Path:
        """The file of a chunk."""
        return self.folder.joinpath("c", *map(str, index))

    def write(self, index: tuple[int, ...], values: np.ndarray) -> None:
        """Write a chunk; where it lies over the edge of the array, ``values`` may be smaller."""
        padded = values
        if values.shape != self.chunk:
            padded = np.full(self.chunk, missing(self.dtype), self.dtype)
            padded[tuple(map(slice, values.shape))] = values
        content = np.ascontiguousarray(padded, self.dtype.newbyteorder("<"))
        packed, path = Zstd(1, checksum=True).encode(content), self.file(index)
        if not path.parent.is_dir():  # faster than to ask for it every time
            with naming(path):
                path.parent.mkdir(parents=True, exist_ok=True)
        replace(path, lambda file: file.write(packed))

    def read(self, index: tuple[int, ...]) -> np.ndarray:
        """Read a chunk.

        Raises
        ------
        FileNotFoundError
            If there is no such file.
        Damaged
            If it is cut short or changed.
        """
        compressed = self.file(index).read_bytes()
        try:
            content = np.frombuffer(Zstd().decode(compressed), self.dtype.newbyteorder("<"))
            return content.reshape(self.chunk).astype(self.dtype)
        except (RuntimeError, ValueError) as error:
            where = "/".join(map(str, index))
            raise Damaged(f"{self.folder.name}: chunk {where} is damaged ({error})") from error


def new_array(
    group: zarr.Group, name: str, shape: tuple[int, ...], chunk: tuple[int, ...], dtype: Any,
    dims: tuple[str, ...], attrs: dict[str, Any],
) -> None:  # fmt: skip
    """Make an array of a group that ``Chunked`` can read and write."""
    group.create_array(
        name, shape=shape, chunks=chunk, dtype=dtype, fill_value=missing(np.dtype(dtype)),
        dimension_names=dims, attributes=attrs, **CODECS,
    )  # fmt: skip


def replace(path: Path, write: Callable[[IO[bytes]], Any], folder: Path | None = None) -> None:
    """Write a file under another name and rename it, so that it is the old or the new one.

    The unfinished file lies in ``folder``, by default next to it.
    """
    partial = (folder or path.parent) / f"{path.name}.{os.getpid()}{PARTIAL}"
    try:
        with naming(path):
            with partial.open("wb") as file:
                write(file)
            partial.replace(path)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """Name the path in errors of the operating system: a full disk does not say where."""
    try:
        yield
    except OSError as error:
        if error.errno is None:  # not of the operating system
            raise
        raise OSError(error.errno, error.strerror, str(path)) from error
