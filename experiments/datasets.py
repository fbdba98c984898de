"""Images with labels from the user's files, as the +-1 patterns that a network of spins stores."""

from __future__ import annotations

import gzip
import struct
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

CONSTANT = 0.98  # a pixel with a mean this near to +-1 tells nothing
IDX_TYPES = {8: ">u1", 9: ">i1", 11: ">i2", 12: ">i4", 13: ">f4", 14: ">f8"}


def load_dataset(path: Path | str) -> xr.Dataset:
    """Read images and labels; nothing is downloaded.

    Parameters
    ----------
    path : path, or "digits"
        ``.npz`` with arrays ``X`` and ``y``; ``.csv`` with the label in the first column and one
        image per row, with or without a header; an IDX file of images (MNIST, Fashion-MNIST,
        ``.gz`` or not) next to its file of labels, whose name has ``labels-idx1`` for
        ``images-idx3``. "digits" are the 8 x 8 digits that come with scikit-learn.

    Returns
    -------
    xarray.Dataset
        ``image`` (sample, pixel), grey values as they are in the file, and ``label`` (sample).

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If it is of another kind, or images and labels do not fit each other.
    """
    path = Path(path)
    if str(path) == "digits":
        images, labels = _digits()
    elif not path.is_file():
        raise FileNotFoundError(f"there is no file {path}")
    elif path.suffix == ".npz":
        images, labels = _npz(path)
    elif path.suffix == ".csv":
        images, labels = _csv(path)
    elif "idx3" in path.name:
        images, labels = _idx(path), _idx(path.with_name(_labels_of(path.name)))
    else:
        raise ValueError(f"{path} is none of .npz, .csv, or an IDX file of images (...idx3...)")
    if labels.ndim != 1 or images.ndim < 2 or len(images) != len(labels):
        raise ValueError(
            f"{path} has images of shape {images.shape} and labels of shape {labels.shape}; "
            "there must be one label per image"
        )
    return xr.Dataset(
        {
            "image": (
                ("sample", "pixel"),
                images.reshape(len(images), -1).astype(np.float32),
                {"long_name": "grey value"},
            ),
            "label": ("sample", labels.astype(int), {"long_name": "class"}),
        },
        attrs={"source": path.name, "image_shape": list(images.shape[1:])},
    )


def spins(data: xr.Dataset) -> xr.Dataset:
    """Images as +-1: above or below the median of every pixel; pixels that never change go.

    Returns
    -------
    xarray.Dataset
        ``image`` (sample, pixel) of int8, with the coordinate ``pixel``, and ``label``.
    """
    images = data["image"].values
    signs = np.where(images > np.median(images, axis=0), 1, -1).astype(np.int8)
    told = np.abs(signs.mean(axis=0)) <= CONSTANT
    if not told.any():
        raise ValueError("no pixel varies; these are not images of several things")
    attrs = {"long_name": "pixel above its median"}
    kept = xr.DataArray(signs[:, told], dims=("sample", "pixel"), attrs=attrs)
    return xr.Dataset(
        {"image": kept, "label": data["label"]},
        coords={"pixel": np.flatnonzero(told)},
        attrs=data.attrs,
    )


def _digits() -> tuple[np.ndarray, np.ndarray]:
    try:
        from sklearn.datasets import load_digits  # type: ignore[import-not-found]
    except ImportError as error:
        raise ValueError("the digits need `pip install thermolimit[data]`") from error
    found: Any = load_digits()
    return found.images, found.target


def _npz(path: Path) -> tuple[np.ndarray, np.ndarray]:
    with np.load(path) as file:
        if not {"X", "y"} <= set(file.files):
            raise ValueError(f"{path} holds {', '.join(file.files)}, not X and y")
        return file["X"], file["y"]


def _csv(path: Path) -> tuple[np.ndarray, np.ndarray]:
    with path.open() as file:
        header = not file.readline().partition(",")[0].strip().lstrip("-").isdigit()
    try:
        rows = np.loadtxt(path, delimiter=",", skiprows=int(header), ndmin=2)
    except ValueError as error:
        raise ValueError(f"{path} is not a table of numbers: {error}") from error
    return rows[:, 1:], rows[:, 0]


def _labels_of(images: str) -> str:
    return images.replace("images", "labels").replace("idx3", "idx1")


def _idx(path: Path) -> np.ndarray:
    """The format of MNIST: two zero bytes, a type, the number of dimensions, their sizes, data."""
    if not path.is_file():
        raise FileNotFoundError(f"there is no file {path}")
    content = path.read_bytes()
    if content[:2] == b"\x1f\x8b":
        content = gzip.decompress(content)
    if len(content) < 4 or content[:2] != b"\0\0" or content[2] not in IDX_TYPES:
        raise ValueError(f"{path} is not an IDX file")
    shape = struct.unpack_from(f">{content[3]}I", content, 4)
    values = np.frombuffer(content, IDX_TYPES[content[2]], offset=4 + 4 * content[3])
    if values.size != np.prod(shape):
        raise ValueError(f"{path} has {values.size} values, and its header says {shape}")
    return values.reshape(shape)
