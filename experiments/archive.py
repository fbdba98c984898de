"""The dataset of a study on disk: one Zarr group with checksums, written whole or not at all."""

from __future__ import annotations

import os
import shutil
from collections.abc import Hashable
from pathlib import Path

import numpy as np
import xarray as xr
import zarr
from zarr.codecs import ZstdCodec

from thermolimit.solvers import Status

from .chunks import naming

CODES = "flag_meanings_of_strings"


def check_writable(folder: Path) -> None:
    """Raise ValueError, before any work is done, if nothing can be written there."""
    probe = folder / f".writable-{os.getpid()}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise ValueError(f"cannot write to {folder}: {error.strerror}") from error


def save(tree: xr.DataTree, path: Path) -> None:
    """Write ``tree`` to the Zarr group ``path``, replacing what is there in one step."""
    coded = tree.map_over_datasets(strings_to_codes)
    coded.attrs = tree.attrs
    # without a checksum a flipped bit is read back as another number
    codec = {"compressors": (ZstdCodec(level=1, checksum=True),)}
    encoding = {node.path: dict.fromkeys(map(str, node.variables), codec) for node in coded.subtree}
    partial = path.with_name(f"{path.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    # chunks of fill values are written too, so that a lost one is missed
    try:
        with naming(path), zarr.config.set({"array.write_empty_chunks": True}):
            coded.to_zarr(partial, zarr_format=3, consolidated=False, encoding=encoding)
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise
    old = path.with_name(f"{path.name}.old")
    shutil.rmtree(old, ignore_errors=True)
    if path.exists():
        path.rename(old)
    partial.rename(path)
    shutil.rmtree(old, ignore_errors=True)


def load(path: Path) -> xr.DataTree:
    """Read it back.

    Raises
    ------
    FileNotFoundError
        If there is no such dataset.
    ValueError
        If some of it is lost or fails its checksum.
    """
    broken = damage(path)
    if broken:
        raise ValueError(f"{path} is damaged: {broken[0]} (`thermolimit verify` lists all)")
    with xr.open_datatree(path, engine="zarr", consolidated=False) as stored:
        tree = stored.load()
    named = tree.map_over_datasets(codes_to_strings)
    named.attrs = tree.attrs
    return named


def damage(path: Path) -> list[str]:
    """Sentences about arrays that cannot be read; every chunk is read against its checksum."""
    if not path.is_dir():
        raise FileNotFoundError(f"there is no dataset {path}; make it with `thermolimit run`")
    found = []
    for name, array in zarr.open_group(path, mode="r").members(max_depth=None):
        if isinstance(array, zarr.Array):
            lost = array.nchunks - array.nchunks_initialized
            if lost:
                found.append(f"/{name}: {lost} of {array.nchunks} chunks are missing")
                continue
            try:
                array[...]
            except (OSError, RuntimeError, ValueError) as error:
                found.append(f"/{name}: {error}")
    return found


def problems(tree: xr.DataTree) -> list[str]:
    """Sentences about values that are missing although the status says OK."""
    found = []
    for node in tree.subtree:
        data = node.to_dataset()
        if "status" not in data:
            continue
        good = data["status"] == Status.OK
        for name, values in data.data_vars.items():
            if values.dtype.kind == "f" and set(good.dims) <= set(values.dims):
                lost = int((good & ~np.isfinite(values)).sum())
                if lost:
                    found.append(f"{node.path}/{name}: {lost} values missing at points marked ok")
    return found


def strings_to_codes(data: xr.Dataset) -> xr.Dataset:
    """Zarr 3 has no stable type for strings; CF stores categories as codes with meanings."""
    coded = {}
    for name, variable in data.variables.items():
        if variable.dtype.kind == "U":
            words, codes = np.unique(variable.values, return_inverse=True)
            attrs = {**variable.attrs, CODES: [str(word) for word in words]}
            coded[name] = (variable.dims, codes.reshape(variable.shape), attrs)
    return _replaced(data, coded)


def codes_to_strings(data: xr.Dataset) -> xr.Dataset:
    named = {}
    for name, variable in data.variables.items():
        if CODES in variable.attrs:
            attrs = {k: v for k, v in variable.attrs.items() if k != CODES}
            named[name] = (variable.dims, np.array(variable.attrs[CODES])[variable.values], attrs)
    return _replaced(data, named)


def _replaced(data: xr.Dataset, variables: dict[Hashable, tuple]) -> xr.Dataset:
    coords = {name: new for name, new in variables.items() if name in data.coords}
    others = {name: new for name, new in variables.items() if name not in data.coords}
    return data.assign_coords(coords).assign(others)
