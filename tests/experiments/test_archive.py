"""A dataset on disk comes back as it was, or not at all."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from thermolimit.experiments import archive
from thermolimit.solvers import Status
from thermolimit.solvers.failures import status_variable


def dataset() -> xr.Dataset:
    label = {"long_name": "overlap, $m$", "units": "1"}
    overlap = [[0.5, np.nan, 0.25], [-1.0, 1 / 3, 2.0]]
    return xr.Dataset(
        {
            "overlap": (("start", "temperature"), overlap, label),
            "single": ("temperature", np.array([0.1, 0.2, np.inf], np.float32)),
            "steps": (("start", "temperature"), np.arange(6).reshape(2, 3)),
            "status": status_variable(("start", "temperature"), np.array([[1, 3, 1], [1, 1, 1]])),
        },
        {
            "start": ["retrieval", "spin_glass"],
            "temperature": [0.1, 0.2, 0.3],
            "rule": "glauber",
            "n_spins": 100,
            "phase": ("temperature", ["cold", "cold", "hot"], {"long_name": "phase"}),
        },
        {"observables": ["overlap"], "seed": "1", "nested": {"a": [1, 2.5]}},
    )


def tree() -> xr.DataTree:
    groups = {"/theory": dataset(), "/lines/fold": dataset().isel(start=0)}
    return xr.DataTree.from_dict({"/": xr.Dataset(attrs={"study": "toys/coin"})} | groups)


@pytest.fixture
def path(tmp_path) -> Path:
    path = tmp_path / "quick.zarr"
    archive.save(tree(), path)
    return path


def chunks(path: Path) -> list[Path]:
    return sorted(f for f in path.rglob("*") if f.is_file() and f.name != "zarr.json")


def test_a_tree_comes_back_as_it_was(path):
    loaded = archive.load(path)
    assert loaded.identical(tree())
    for node in tree().subtree:
        kinds = {name: variable.dtype.kind for name, variable in node.variables.items()}
        assert kinds == {name: v.dtype.kind for name, v in loaded[node.path].variables.items()}


def test_a_tree_that_was_loaded_can_be_saved_again(path, tmp_path):
    archive.save(archive.load(path), tmp_path / "copy.zarr")
    assert archive.load(tmp_path / "copy.zarr").identical(tree())


def test_words_may_be_data(tmp_path):
    worded = xr.DataTree.from_dict({"/a": xr.Dataset({"winner": ("point", ["cold", "hot"])})})
    archive.save(worded, tmp_path / "words.zarr")
    assert archive.load(tmp_path / "words.zarr").identical(worded)


def test_there_may_be_many_words(tmp_path):
    words = [f"word {i}" for i in range(300)]
    many = xr.DataTree.from_dict({"/a": xr.Dataset(coords={"word": words})})
    archive.save(many, tmp_path / "words.zarr")
    assert archive.load(tmp_path / "words.zarr").identical(many)


def test_saving_replaces_what_was_there(path):
    smaller = xr.DataTree.from_dict({"/theory": dataset()[["overlap"]]})
    archive.save(smaller, path)
    assert archive.load(path).identical(smaller)
    assert [file.name for file in path.parent.iterdir()] == [path.name]


def test_a_save_that_fails_leaves_the_old_dataset(path, monkeypatch):
    def fail(*args, **kwargs):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(xr.DataTree, "to_zarr", fail)
    with pytest.raises(OSError, match="No space left"):
        archive.save(tree(), path)
    assert archive.load(path).identical(tree())


def test_the_remains_of_a_killed_run_are_no_obstacle(path):
    remains = path.with_name(f"{path.name}.partial")
    (remains / "theory").mkdir(parents=True)
    (remains / "theory" / "zarr.json").write_text("{")
    archive.save(tree(), path)
    assert archive.load(path).identical(tree())
    assert not remains.exists()


def array_of(chunk: Path, path: Path) -> str:
    return f"/{chunk.relative_to(path).as_posix().partition('/c')[0]}"


@pytest.mark.parametrize("where", [0.0, 0.5, 1.0])
def test_a_flipped_byte_in_any_chunk_is_noticed(path, where):
    for chunk in chunks(path):
        sound = chunk.read_bytes()
        damaged = bytearray(sound)
        damaged[round(where * (len(sound) - 1))] ^= 0b100
        chunk.write_bytes(damaged)
        with pytest.raises(ValueError, match=f"quick.zarr is damaged: {array_of(chunk, path)}: "):
            archive.load(path)
        chunk.write_bytes(sound)
    assert archive.load(path).identical(tree())


@pytest.mark.parametrize("kept", [0.0, 0.5])
def test_a_truncated_chunk_is_noticed(path, kept):
    for chunk in chunks(path):
        sound = chunk.read_bytes()
        chunk.write_bytes(sound[: int(kept * len(sound))])
        with pytest.raises(ValueError, match=f"quick.zarr is damaged: {array_of(chunk, path)}: "):
            archive.load(path)
        chunk.write_bytes(sound)


def test_a_deleted_chunk_is_noticed(path):
    for chunk in chunks(path):
        sound = chunk.read_bytes()
        chunk.unlink()
        with pytest.raises(ValueError, match=f"{array_of(chunk, path)}: 1 of 1 chunks are missing"):
            archive.load(path)
        chunk.write_bytes(sound)


def test_values_that_equal_the_fill_value_are_not_lost(tmp_path):
    blank = xr.Dataset({"overlap": ("point", [np.nan] * 3), "steps": ("point", [0, 0, 0])})
    archive.save(xr.DataTree.from_dict({"/theory": blank}), tmp_path / "blank.zarr")
    assert archive.damage(tmp_path / "blank.zarr") == []
    assert archive.load(tmp_path / "blank.zarr")["theory"].to_dataset().identical(blank)


def test_every_damage_is_listed(path):
    assert archive.damage(path) == []
    for chunk in chunks(path / "theory" / "start"):
        chunk.unlink()
    for chunk in chunks(path / "theory" / "status"):
        chunk.write_bytes(b"")
    said = [sentence.partition(":")[0] for sentence in archive.damage(path)]
    assert sorted(said) == ["/theory/start", "/theory/status"]


def test_values_missing_at_points_marked_ok_are_a_problem():
    data = dataset().drop_vars("single")
    assert archive.problems(xr.DataTree(data)) == []
    data["overlap"][1, 2] = np.nan
    data["overlap"][1, 0] = np.inf
    (problem,) = archive.problems(xr.DataTree.from_dict({"/theory": data}))
    assert problem == "/theory/overlap: 2 values missing at points marked ok"


def test_values_missing_at_points_that_failed_are_no_problem():
    data = dataset()[["overlap", "status"]]
    data["status"][:] = Status.NOT_FINITE
    data["overlap"][:] = np.nan
    assert archive.problems(xr.DataTree(data)) == []


def test_a_dataset_that_is_not_there_says_how_to_make_it(tmp_path):
    absent = tmp_path / "quick.zarr"
    with pytest.raises(FileNotFoundError, match="no dataset .*quick.zarr.*thermolimit run"):
        archive.load(absent)


def test_a_folder_below_a_file_is_refused_before_any_work(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(ValueError, match="cannot write to .*file/results"):
        archive.check_writable(tmp_path / "file" / "results")


def test_a_folder_that_can_be_written_is_made_and_left_empty(tmp_path):
    folder = tmp_path / "results" / "toys"
    archive.check_writable(folder)
    assert list(folder.iterdir()) == []
