"""Images with labels from the user's files."""

from __future__ import annotations

import gzip
import math
import struct
import zlib
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
import xarray as xr

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
    _check(path, images, labels)
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


def _check(path: Path, images: np.ndarray, labels: np.ndarray) -> None:
    if labels.ndim != 1 or images.ndim < 2 or len(images) != len(labels):
        raise ValueError(
            f"{path} has images of shape {images.shape} and labels of shape {labels.shape}; "
            "there must be one label per image"
        )
    try:
        numbers = labels.astype(float)
        good = np.isfinite(images).all() and (numbers == np.round(numbers)).all()
    except (TypeError, ValueError):  # words, or objects
        good = False
    if not good:
        raise ValueError(f"{path} must have finite grey values, and whole numbers as labels")


def _digits() -> tuple[np.ndarray, np.ndarray]:
    try:
        from sklearn.datasets import load_digits  # type: ignore[import-not-found]
    except ImportError as error:
        raise ValueError(
            "the digits come with scikit-learn: `pip install thermolimit[data]`, "
            "or name a file of images instead (of a study: --set data=PATH)"
        ) from error
    found: Any = load_digits()
    return found.images, found.target


def _npz(path: Path) -> tuple[np.ndarray, np.ndarray]:
    try:
        with np.load(path) as file:
            found = {name: file[name] for name in file.files}
    except (OSError, ValueError, BadZipFile) as error:
        raise ValueError(f"{path} is not an .npz file of numbers: {error}") from error
    if not {"X", "y"} <= set(found):
        raise ValueError(f"{path} holds {', '.join(found)}, not X and y")
    return found["X"], found["y"]


def _csv(path: Path) -> tuple[np.ndarray, np.ndarray]:
    with path.open() as file:
        header = not _is_number(file.readline().partition(",")[0])
    try:
        rows = np.loadtxt(path, delimiter=",", skiprows=int(header), ndmin=2)
    except ValueError as error:
        raise ValueError(f"{path} is not a table of numbers: {error}") from error
    return rows[:, 1:], rows[:, 0]


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _labels_of(images: str) -> str:
    return images.replace("images", "labels").replace("idx3", "idx1")


def _idx(path: Path) -> np.ndarray:
    """The format of MNIST: two zero bytes, a type, the number of dimensions, their sizes, data."""
    if not path.is_file():
        raise FileNotFoundError(f"there is no file {path}")
    content = path.read_bytes()
    if content[:2] == b"\x1f\x8b":
        try:
            content = gzip.decompress(content)
        except (EOFError, OSError, zlib.error) as error:
            raise ValueError(f"{path} is a damaged .gz file: {error}") from error
    if len(content) < 4 or content[:2] != b"\0\0" or content[2] not in IDX_TYPES:
        raise ValueError(f"{path} is not an IDX file")
    dtype, begin = np.dtype(IDX_TYPES[content[2]]), 4 + 4 * content[3]
    if len(content) < begin:
        raise ValueError(f"{path} ends within its header")
    shape = struct.unpack_from(f">{content[3]}I", content, 4)
    if len(content) - begin != dtype.itemsize * math.prod(shape):
        count = (len(content) - begin) // dtype.itemsize
        raise ValueError(f"{path} has {count} values, and its header says {shape}")
    return np.frombuffer(content, dtype, offset=begin).reshape(shape)
