"""What becomes of a sweep when its files do not survive: full disks, lost bits, foreign folders."""

from __future__ import annotations

import errno
import importlib
import json
import resource
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Annotated, Any, NamedTuple

import numpy as np
import pytest
import xarray as xr
import zarr

from thermolimit.experiments import Store, catalogue, chunks, inspection, open_sweep, stores, sweep
from thermolimit.solvers import Status

# not a plain import: the code of a sweep is that of everything its module imports
main = importlib.import_module("thermolimit.__main__").main
AGREES, BAD_REQUEST, POINTS_FAILED, UNFINISHED = 0, 2, 3, 5
SOUND = "every array is readable and complete"


@dataclass(frozen=True)
class Grid:
    seed: int = 3


class Pair(NamedTuple):
    level: Annotated[float, (-100.0, 100.0)]
    square: float


called: list[float] = []


def noisy(rng: np.random.Generator, temperature: float) -> Pair:
    called.append(temperature)
    level = rng.normal(temperature)
    return Pair(level, level**2)


HEAT = [0.5, 1.0, 1.5, 2.0, 2.5]
run = partial(sweep, noisy, seed=3, replicas=3, temperature=HEAT)
BLOCK = 6  # two temperatures; the last block has one


@pytest.fixture(autouse=True)
def forget_calls() -> None:
    called.clear()


@pytest.fixture(scope="module")
def undisturbed() -> xr.Dataset:
    return run()


@pytest.fixture(scope="module")
def finished(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("finished") / "noisy.zarr"
    run(store=Store(path, block=BLOCK))
    return path


@pytest.fixture
def path(finished, tmp_path) -> Path:
    """The store of a finished sweep, to be harmed."""
    return Path(shutil.copytree(finished, tmp_path / "noisy.zarr"))


def contents(folder: Path) -> dict[str, bytes | None]:
    """Everything below a folder."""
    return {
        str(file.relative_to(folder)): file.read_bytes() if file.is_file() else None
        for file in sorted(folder.rglob("*"))
    }


def chunk(path: Path, name: str, block: int = 1) -> Path:
    whole = name == "temperature"  # coordinates are not cut
    return path / name / "c" / ("0" if whole else f"{block}/0")


@contextmanager
def full_disk(monkeypatch: pytest.MonkeyPatch, files: int) -> Iterator[None]:
    """Only so many more chunks fit."""
    left = [files]

    def replace(path: Path, write: Callable[..., Any]) -> None:
        left[0] -= 1
        genuine(path, write if left[0] >= 0 else refuse)

    def refuse(_: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")  # nor does the kernel say where

    genuine = chunks.replace
    with monkeypatch.context() as patch:
        patch.setattr(chunks, "replace", replace)
        yield


@contextmanager
def longest_file(size: int) -> Iterator[None]:
    """The kernel refuses to write more bytes than that into a file."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize("files", (0, 1, 2, 3, 8), ids="05-room-for-{}-files".format)
def test_a_full_disk_is_named_and_a_later_run_finishes(files, tmp_path, monkeypatch, undisturbed):
    path = tmp_path / "noisy.zarr"
    store = Store(path, block=BLOCK)
    with full_disk(monkeypatch, files), pytest.raises(OSError, match="No space left") as caught:
        run(store=store)
    assert caught.value.errno == errno.ENOSPC
    assert Path(caught.value.filename).is_relative_to(path)
    there = open_sweep(path)
    kept = there["status"] == Status.OK
    assert kept.sum() == BLOCK * (files // 3)
    xr.testing.assert_equal(there.where(kept), undisturbed.where(kept))
    assert inspection.strays(path) == []
    called.clear()
    xr.testing.assert_identical(run(store=store), undisturbed)
    assert len(called) == kept.size - kept.sum()


@pytest.mark.parametrize(
    "size, culprit",
    [
        pytest.param(10, "locks/0-of-1.json", id="05-no-room-for-the-owner"),
        pytest.param(150, "runs.jsonl", id="05-no-room-for-the-journal"),
        pytest.param(1500, "level/c/0/0", id="05-no-room-for-a-chunk"),
    ],
)
def test_whatever_finds_no_room_is_named(size, culprit, tmp_path, monkeypatch):
    path = tmp_path / "noisy.zarr"
    many = partial(run, temperature=np.arange(100.0), store=Store(path, block=300))
    with full_disk(monkeypatch, 0), pytest.raises(OSError):
        many()
    (path / "status" / "runs.jsonl").unlink()
    with pytest.raises(OSError) as caught, longest_file(size):
        many()
    assert caught.value.errno == errno.EFBIG
    assert str(caught.value.filename).endswith(culprit)


def test_fault_05_a_store_that_cannot_be_made_leaves_nothing(tmp_path):
    with pytest.raises(OSError) as caught, longest_file(100):
        run(store=tmp_path / "noisy.zarr")
    assert str(tmp_path / "noisy.zarr") in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_fault_05_a_dataset_that_finds_no_room_is_named(tmp_path, monkeypatch, capsys):
    study = ModuleType("thermolimit.experiments.toys.noise", "Noise.")
    study.__dict__.update(PROFILES={"quick": Grid()}, measure=lambda grid: run())
    monkeypatch.setattr(catalogue, "load", lambda name: study)
    with longest_file(100):
        assert main(["run", "toys/noise", "--out", str(tmp_path)]) == BAD_REQUEST
    assert f"thermolimit: File too large: {tmp_path}/quick.zarr" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


FULL = """
import errno, json, subprocess, sys
from pathlib import Path
import numpy as np
from typing import NamedTuple
from thermolimit.experiments import Store, inspection, open_sweep, sweep
import xarray as xr

class One(NamedTuple):
    value: float

def noisy(rng: np.random.Generator, temperature: float) -> One:
    return One(rng.normal(temperature))

path = Path(sys.argv[1]) / "noisy.zarr"
asked = dict(seed=1, replicas=2, temperature=np.arange(100.0))
try:
    sweep(noisy, store=Store(path, block=2), **asked)
except OSError as error:
    said = [error.errno == errno.ENOSPC, Path(error.filename).is_relative_to(path)]
data = open_sweep(path)
done = int((data["status"] == 1).sum())
sound = bool(np.isfinite(data["value"].values[data["status"].values == 1]).all())
damage = inspection.damage(path)
subprocess.run(["mount", "-o", "remount,size=8m", sys.argv[1]], check=True)
same = sweep(noisy, store=path, **asked).identical(sweep(noisy, **asked))
print(json.dumps([*said, 0 < done < 200, sound, damage == [], same]))
"""


@pytest.mark.slow
def test_fault_05_a_disk_that_is_full_is_survived(tmp_path):
    (tmp_path / "disk").mkdir()
    (tmp_path / "full.py").write_text(FULL)
    mounted = "mount -t tmpfs -o size=400k none disk || exit 77; exec $0 full.py disk"
    child = ["unshare", "--mount", "--map-root-user", "sh", "-c", mounted, sys.executable]
    try:
        done = subprocess.run(child, cwd=tmp_path, capture_output=True, text=True, timeout=120)
    except FileNotFoundError:
        pytest.skip("there is no unshare here")
    if done.returncode == 77 or "unshare" in done.stderr:
        pytest.skip("no file system can be mounted here")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == [True] * 6


def cut_short(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-3])


def flip_a_bit(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 16
    file.write_bytes(content)


HARM = {"06-truncated": cut_short, "07-flipped": flip_a_bit, "08-deleted": Path.unlink}


def harmed(*names: str) -> pytest.MarkDecorator:
    """Every kind of harm to a chunk of arrays of these names."""
    chosen = [
        pytest.param(harm, name, id=f"{kind}-{name}")
        for kind, harm in HARM.items()
        for name in names
    ]
    return pytest.mark.parametrize("harm, name", chosen)


@harmed("level", "temperature")
def test_a_damaged_chunk_is_named_on_reading(harm, name, path):
    harm(chunk(path, name))
    with pytest.raises(ValueError, match=name) as caught:
        open_sweep(path)
    assert str(path) in str(caught.value)
    assert name == "temperature" or "1/0" in str(caught.value)


@harmed("level", "square", "temperature")
def test_a_damaged_chunk_is_verified_as_such(harm, name, path, capsys):
    harm(chunk(path, name))
    (sentence,) = inspection.damage(path)
    assert name in sentence
    assert name == "temperature" or "1/0" in sentence
    assert main(["verify", str(path)]) == POINTS_FAILED
    assert sentence in capsys.readouterr().out


@harmed("level", "square", "temperature")
def test_a_damaged_chunk_is_made_again_and_nothing_else(harm, name, path, undisturbed, capsys):
    harm(chunk(path, name))
    xr.testing.assert_identical(run(store=path), undisturbed)
    xr.testing.assert_identical(open_sweep(path), undisturbed)
    assert called == ([] if name == "temperature" else list(np.repeat(HEAT[2:4], 3)))
    assert inspection.damage(path) == []
    assert main(["verify", str(path)]) == AGREES
    assert SOUND in capsys.readouterr().out


def test_fault_07_no_bit_can_flip_without_being_noticed(path):
    array = stores.Blockwise(path).outputs["level"]
    file, sound = array.file((1, 0)), array.read((1, 0))
    content = file.read_bytes()
    for bit in range(8 * len(content)):
        flipped = bytearray(content)
        flipped[bit // 8] ^= 1 << bit % 8
        file.write_bytes(flipped)
        try:
            np.testing.assert_array_equal(array.read((1, 0)), sound)  # some bits have no meaning
        except chunks.Damaged as error:
            assert "level: chunk 1/0 is damaged" in str(error)


def test_fault_06_no_length_but_the_right_one_is_accepted(path):
    array = stores.Blockwise(path).outputs["level"]
    content = array.file((1, 0)).read_bytes()
    for length in range(len(content)):
        array.file((1, 0)).write_bytes(content[:length])
        with pytest.raises(chunks.Damaged, match="level: chunk 1/0"):
            array.read((1, 0))


def test_fault_06_damaged_metadata_is_named(path):
    cut_short(path / "level" / "zarr.json")
    with pytest.raises(ValueError, match="level"):
        open_sweep(path)


def test_fault_08_numbers_that_are_lost_although_marked_ok_are_verified_as_such(path, capsys):
    array = stores.Blockwise(path).outputs["level"]
    array.write((1, 0), np.full((2, 3), np.nan))
    assert main(["verify", str(path)]) == POINTS_FAILED
    assert "level: chunk 1/0 has 6 values that are not finite" in capsys.readouterr().out


@pytest.mark.parametrize(
    "harm",
    [
        pytest.param(cut_short, id="10-truncated"),
        pytest.param(flip_a_bit, id="10-flipped"),
    ],
)
def test_a_damaged_status_is_named_on_reading(harm, path):
    harm(chunk(path, "status"))
    with pytest.raises(ValueError, match="status: chunk 1/0 is damaged"):
        open_sweep(path)


@pytest.mark.parametrize("harm", [cut_short, flip_a_bit], ids="10-{.__name__}".format)
def test_a_damaged_status_is_verified_as_such(harm, path, capsys):
    harm(chunk(path, "status"))
    assert main(["verify", str(path)]) == POINTS_FAILED
    assert "status: chunk 1/0 is damaged" in capsys.readouterr().out


@pytest.mark.parametrize("harm", [cut_short, flip_a_bit, Path.unlink], ids="10-{.__name__}".format)
def test_only_the_block_of_an_unreadable_status_counts_as_missing(harm, path, undisturbed):
    harm(chunk(path, "status"))
    assert inspection.summary(path).counts == {Status.MISSING: 6, Status.OK: 9}
    assert main(["status", str(path)]) == UNFINISHED
    xr.testing.assert_identical(run(store=path), undisturbed)
    assert called == list(np.repeat(HEAT[2:4], 3))
    assert inspection.damage(path) == []


def leave_a_chunk(path: Path) -> Path:
    stray = path / "level" / "c" / "1" / "0.4711.partial"
    stray.write_bytes(b"half of a ch")
    return stray


def leave_a_store(path: Path) -> Path:
    stray = path.with_name(f"{path.name}.new-4711-0f0f0f0f")
    (stray / "level").mkdir(parents=True)
    (stray / "zarr.json").write_text("{")
    return stray


@pytest.mark.parametrize("leave", [leave_a_chunk, leave_a_store], ids="09-{.__name__}".format)
def test_what_a_killed_process_has_left_is_ignored_told_and_removed(
    leave, path, undisturbed, capsys
):
    stray = leave(path)
    xr.testing.assert_identical(open_sweep(path), undisturbed)
    assert inspection.damage(path) == []
    assert inspection.summary(path).missing == 0
    assert main(["verify", str(path)]) == POINTS_FAILED
    assert f"{stray}: left by a killed process" in capsys.readouterr().out
    assert stray.exists()
    assert main(["verify", "--clean", str(path)]) == AGREES
    assert f"removed {stray}" in capsys.readouterr().out
    assert not stray.exists()
    assert main(["verify", str(path)]) == AGREES
    xr.testing.assert_identical(open_sweep(path), undisturbed)


def make_a_file(path: Path) -> None:
    path.write_text("in the way")


def make_a_folder(path: Path) -> None:
    path.mkdir()
    (path / "notes.txt").write_text("mine")


def make_a_group(path: Path) -> None:
    zarr.open_group(path, mode="w").create_array("level", data=np.arange(3.0))


def make_a_group_that_says_sweep(path: Path) -> None:
    zarr.open_group(path, mode="w", attributes={"sweep": "of the street"})


def make_metadata_of_something_else(path: Path) -> None:
    path.mkdir()
    (path / "zarr.json").write_text("null")


FOREIGN = [
    pytest.param(make, id=f"33-{make.__name__}")
    for make in (
        make_a_file,
        make_a_folder,
        make_a_group,
        make_a_group_that_says_sweep,
        make_metadata_of_something_else,
    )
]


@pytest.mark.parametrize("make", FOREIGN)
@pytest.mark.parametrize(
    "use",
    [lambda path: run(store=path), lambda path: run(store=Store(path, extend=True)), open_sweep],
    ids=["run", "extend", "open"],
)
def test_what_is_no_store_is_refused_and_left_alone(make, use, tmp_path):
    path = tmp_path / "noisy.zarr"
    make(path)
    before = contents(tmp_path)
    with pytest.raises(ValueError, match="is not the store of a sweep") as caught:
        use(path)
    assert str(path) in str(caught.value)
    assert contents(tmp_path) == before
    assert called == []


def test_fault_33_a_store_below_a_file_is_refused(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(OSError) as caught:
        run(store=tmp_path / "file" / "noisy.zarr")
    assert str(tmp_path / "file") in str(caught.value)
    assert called == []


def test_fault_33_a_folder_that_cannot_be_written_is_refused():
    with pytest.raises(OSError, match="/proc/noisy.zarr"):  # not even root can write there
        run(store="/proc/noisy.zarr")
    assert called == []


READ_ONLY = """
import sys
from pathlib import Path
import xarray as xr
from thermolimit.experiments import inspection, open_sweep
from thermolimit.experiments.locks import locked

path = Path("noisy.zarr")
assert open_sweep(path).sizes["temperature"] == 5
assert inspection.summary(path).missing == 0
assert inspection.damage(path) == inspection.strays(path) == []
try:
    with locked(path / "status" / "locks", (0, 1)):
        print("locked")
except OSError as error:
    print(error.strerror, error.filename)
"""


@pytest.mark.slow
def test_fault_33_a_store_that_cannot_be_written_can_be_read(path):
    command = 'mount -o bind,ro . . || exit 77; cd "$PWD"; exec $0 -c "$1"'
    child = ["unshare", "--mount", "--map-root-user", "sh", "-c", command, sys.executable]
    try:
        done = subprocess.run(
            [*child, READ_ONLY], cwd=path.parent, capture_output=True, text=True, timeout=120
        )
    except FileNotFoundError:
        pytest.skip("there is no unshare here")
    if done.returncode == 77 or "unshare" in done.stderr:
        pytest.skip("nothing can be mounted here")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("Read-only file system noisy.zarr/status/locks")
