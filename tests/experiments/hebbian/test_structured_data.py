"""A study of the user's own images."""

import numpy as np
import pytest

from thermolimit.__main__ import main
from thermolimit.experiments import archive


def images(path):
    """Three classes of equal pictures, in a file."""
    rng = np.random.default_rng(0)
    np.savez(path, X=np.repeat(rng.normal(size=(3, 9, 9)), 20, axis=0), y=np.repeat([4, 7, 9], 20))
    return path


SMALL = ("interaction_order=2,3", "examples=2", "temperature=0.0", "unseen=5", "replicas=2")


def run(data, out):
    changes = [f"--set={change}" for change in (f"data={data}", *SMALL)]
    return main(["run", "hebbian/structured_data", "--out", str(out), *changes])


@pytest.mark.slow
def test_images_of_a_file_are_learned_and_the_choice_of_indices_is_stored(tmp_path):
    assert run(images(tmp_path / "my.npz"), tmp_path) == 0
    data = archive.load(tmp_path / "quick.zarr")["simulation"].to_dataset()
    assert data["indices"] == "distinct" and data.attrs["source"] == "my.npz"
    assert (data["accuracy"] == 1).all()  # equal images are archetypes
    assert (tmp_path / "quick.png").is_file()


@pytest.mark.parametrize("name", ["absent.npz", "images.txt"])
def test_what_cannot_be_read_is_a_bad_request(name, tmp_path, capsys):
    (tmp_path / "images.txt").write_text("1 2 3")
    assert run(tmp_path / name, tmp_path) == 2
    said = capsys.readouterr().err.strip().splitlines()[-1]
    assert said.startswith("thermolimit: ") and name in said
