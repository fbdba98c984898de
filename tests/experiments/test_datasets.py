"""Files of images and labels."""

from __future__ import annotations

import gzip
import struct
import sys

import numpy as np
import pytest

from thermolimit.experiments import load_dataset

IMAGES = np.arange(24, dtype=np.uint8).reshape(4, 2, 3)
LABELS = np.array([3, 1, 4, 1], np.uint8)


def idx(values: np.ndarray) -> bytes:
    header = bytes([0, 0, 8, values.ndim]) + struct.pack(f">{values.ndim}I", *values.shape)
    return header + values.tobytes()


def write_npz(folder):
    np.savez(folder / "images.npz", X=IMAGES, y=LABELS)
    return folder / "images.npz"


def write_csv(folder, header=""):
    rows = np.column_stack([LABELS, IMAGES.reshape(4, -1)])
    np.savetxt(folder / "images.csv", rows, fmt="%d", delimiter=",", header=header, comments="")
    return folder / "images.csv"


def write_csv_with_header(folder):
    return write_csv(folder, "label,a,b,c,d,e,f")


def write_idx(folder, pack=lambda content: content, suffix=""):
    (folder / f"t10k-labels-idx1-ubyte{suffix}").write_bytes(pack(idx(LABELS)))
    images = folder / f"t10k-images-idx3-ubyte{suffix}"
    images.write_bytes(pack(idx(IMAGES)))
    return images


def write_packed_idx(folder):
    return write_idx(folder, gzip.compress, ".gz")


@pytest.mark.parametrize(
    "write", [write_npz, write_csv, write_csv_with_header, write_idx, write_packed_idx]
)
def test_every_format_gives_the_same_dataset(write, tmp_path):
    data = load_dataset(write(tmp_path))
    assert data["image"].dims == ("sample", "pixel")
    np.testing.assert_array_equal(data["image"], IMAGES.reshape(4, 6))
    np.testing.assert_array_equal(data["label"], LABELS)


def test_the_digits_stand_in_where_there_is_no_file():
    pytest.importorskip("sklearn")
    data = load_dataset("digits")
    assert data.sizes == {"sample": 1797, "pixel": 64}
    assert set(np.unique(data["label"])) == set(range(10))


def test_without_scikit_learn_the_way_to_it_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn.datasets", None)
    with pytest.raises(ValueError, match=r"pip install thermolimit\[data\].*--set data=PATH"):
        load_dataset("digits")


@pytest.mark.parametrize(
    "name, content, said",
    [
        ("images.txt", b"1 2", "none of .npz, .csv, or an IDX file"),
        ("train-images-idx3-ubyte", b"no idx", "is not an IDX file"),
        ("train-images-idx3-ubyte", idx(IMAGES)[:-1], "has 23 values, and its header says"),
        ("train-images-idx3-ubyte", idx(IMAGES)[:9], "ends within its header"),
        ("train-images-idx3-ubyte", idx(IMAGES.astype(">u1")) + b"0", "has 25 values"),
        ("train-images-idx3-ubyte.gz", gzip.compress(idx(IMAGES))[:-12], "is a damaged .gz file"),
        ("images.csv", b"1,2,3\n1,a,3\n", "is not a table of numbers"),
        ("images.csv", b"1,2,3\n1,2\n", "is not a table of numbers.*columns"),
        ("images.csv", b"1.5,2,3\n1,2,3\n", "whole numbers as labels"),
        ("images.csv", b"1,nan,3\n1,2,3\n", "finite grey values"),
        ("images.npz", b"PK no archive", "is not an .npz file"),
    ],
)
def test_a_file_of_another_kind_is_named(name, content, said, tmp_path):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ValueError, match=said) as caught:
        load_dataset(tmp_path / name)
    assert name in str(caught.value)


def test_labels_that_do_not_fit_are_refused(tmp_path):
    np.savez(tmp_path / "images.npz", X=IMAGES, y=LABELS[:3])
    with pytest.raises(ValueError, match="there must be one label per image"):
        load_dataset(tmp_path / "images.npz")
    np.savez(tmp_path / "images.npz", images=IMAGES)
    with pytest.raises(ValueError, match="holds images, not X and y"):
        load_dataset(tmp_path / "images.npz")


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="there is no file"):
        load_dataset(tmp_path / "absent.npz")
    images = write_idx(tmp_path)
    (tmp_path / "t10k-labels-idx1-ubyte").unlink()
    with pytest.raises(FileNotFoundError, match="t10k-labels-idx1-ubyte"):
        load_dataset(images)
