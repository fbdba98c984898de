"""The command line, as a user types it."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Annotated, NamedTuple

import numpy as np
import pytest

from thermolimit.__main__ import main
from thermolimit.experiments import Tolerance, archive, catalogue, sweep
from thermolimit.solvers import evaluate

AGREES, BAD_REQUEST, POINTS_FAILED, DISAGREES, INTERRUPTED, TERMINATED = 0, 2, 3, 4, 130, 143
HOPFIELD = "hebbian/hopfield_phase_diagram"


def with_changes(changes: tuple[str, ...]) -> list[str]:
    return [word for change in changes for word in ("--set", change)]


def verdict(output: str) -> list[str]:
    """The lines of the agreement, from its header on."""
    lines = output.splitlines()
    return lines[next(i for i, line in enumerate(lines) if line.startswith("observable")) :]


def test_a_run_writes_its_dataset_and_its_figure(finished):
    for name in ("quick.zarr", "quick.png", "quick.pdf"):
        assert str(finished.folder / name) in finished.output
        assert (finished.folder / name).exists()
    assert (finished.folder / "quick.sweeps.zarr" / "simulation").exists()
    assert len(list(finished.folder.iterdir())) == 4


def test_a_run_holds_the_grid_that_was_asked_for(finished):
    tree = archive.load(finished.folder / "quick.zarr")
    grid = json.loads(tree.attrs["grid"])
    assert (grid["n_spins"], grid["temperature"], grid["pattern_load"]) == (
        [100],
        [0.2, 0.8],
        [0.02, 0.14],
    )
    assert dict(tree["simulation"].sizes) == {
        "n_spins": 1, "pattern_load": 2, "temperature": 2, "replica": 4,
    }  # fmt: skip
    assert set(tree["lines"].children) == {"spinodal", "first_order", "almeida_thouless", "glass"}


def test_a_run_reports_every_observable_and_exits_accordingly(finished):
    header, *rows = verdict(finished.output)
    observed = [row.split()[0] for row in rows[:4]]
    assert observed == ["overlap", "self_overlap", "crosstalk", "energy"]
    said = {AGREES: "theory and simulation agree", DISAGREES: "theory and simulation DISAGREE"}
    assert said[finished.code] in rows


def test_the_status_repeats_the_report_of_the_run(finished, capsys):
    code = main(["status", HOPFIELD, "--out", str(finished.folder)])
    output = capsys.readouterr().out
    assert code == finished.code
    assert "simulation: 16 of 16 done, 0 missing" in output.splitlines()[0]
    assert output.splitlines()[1].startswith(HOPFIELD)
    assert verdict(output) == verdict(finished.output)


def test_a_sound_dataset_is_verified(finished, capsys):
    assert main(["verify", HOPFIELD, "--out", str(finished.folder)]) == AGREES
    assert "readable and complete" in capsys.readouterr().out


def test_a_figure_can_be_drawn_again(finished, tmp_path, capsys):
    shutil.copytree(finished.folder / "quick.zarr", tmp_path / "quick.zarr")
    assert main(["plot", HOPFIELD, "--out", str(tmp_path)]) == AGREES
    assert {path.name for path in tmp_path.iterdir()} == {"quick.zarr", "quick.png", "quick.pdf"}
    assert "quick.png" in capsys.readouterr().out


class Mean(NamedTuple):
    head: float


Chance = Annotated[float, (0.0, 1.0)]


def fair(chance: Chance, shift: float = 0.0) -> Mean:
    return Mean(chance + shift)


def thrown(rng: np.random.Generator, chance: Chance, broken: bool = False, *, n_spins: int) -> Mean:
    return Mean(np.nan if broken and chance > 0.4 else rng.binomial(n_spins, chance) / n_spins)


@dataclass(frozen=True)
class Grid:
    chance: tuple[float, ...] = (0.25, 0.5)
    n_spins: tuple[int, ...] = (100, 400)
    replicas: int = 8
    shift: float = 0.0
    broken: bool = False


@pytest.fixture
def toy(monkeypatch, tmp_path) -> Iterator[Path]:
    """A study of coins that is there for the test; its default folder."""
    study = ModuleType("thermolimit.experiments.toys.coin", "Coins: fair chance against throws.")
    study.__dict__.update(
        PROFILES={"quick": Grid(), "full": Grid(replicas=16)},
        TOLERANCE=Tolerance(),
        predict=lambda grid: evaluate(fair, chance=grid.chance, shift=grid.shift),
        measure=lambda grid: sweep(
            thrown, seed=1, replicas=grid.replicas, chance=grid.chance, n_spins=grid.n_spins,
            broken=grid.broken,
        ),
    )  # fmt: skip
    monkeypatch.setattr(catalogue, "load", lambda name: study)
    monkeypatch.chdir(tmp_path)
    yield tmp_path / "results" / "toys" / "coin"


@pytest.mark.parametrize(
    "changes, code, said",
    [
        ((), AGREES, "theory and simulation agree"),
        (("shift=0.5",), DISAGREES, "theory and simulation DISAGREE"),
        (("broken=true",), POINTS_FAILED, "/simulation: 16 points NOT_FINITE"),
    ],
)
def test_the_exit_code_says_what_came_out(toy, capsys, changes, code, said):
    assert main(["run", "toys/coin", *with_changes(changes)]) == code
    assert said in capsys.readouterr().out
    assert main(["status", "toys/coin"]) == code
    assert said in capsys.readouterr().out


def test_profiles_lie_side_by_side_in_the_folder_of_the_study(toy, capsys):
    for profile in ("quick", "full"):
        assert main(["run", "toys/coin", "--profile", profile]) == AGREES
    assert {path.name for path in toy.iterdir()} == {"quick.zarr", "full.zarr"}
    assert archive.load(toy / "full.zarr")["simulation"].sizes["replica"] == 16


def test_a_file_may_choose_the_grid(toy, capsys):
    Path("grid.toml").write_text("replicas = 3\nn_spins = [10]")
    main(["run", "toys/coin", "--config", "grid.toml", "--set", "n_spins=20"])
    simulation = archive.load(toy / "quick.zarr")["simulation"].to_dataset()
    assert simulation["n_spins"].values.tolist() == [20]
    assert simulation.sizes["replica"] == 3


def chunk_of(array: Path) -> Path:
    (chunk,) = (path for path in (array / "c").rglob("*") if path.is_file())
    return chunk


@pytest.mark.parametrize("verb", ["verify", "status", "plot"])
def test_a_damaged_dataset_is_named(toy, capsys, verb):
    main(["run", "toys/coin"])
    capsys.readouterr()
    chunk = chunk_of(toy / "quick.zarr" / "simulation" / "head")
    chunk.write_bytes(chunk.read_bytes()[:-1])
    assert main([verb, "toys/coin"]) not in (AGREES, DISAGREES)
    assert "quick.zarr" in "".join(capsys.readouterr())


def test_a_lost_chunk_is_found_by_verify(toy, capsys):
    main(["run", "toys/coin"])
    capsys.readouterr()
    chunk_of(toy / "quick.zarr" / "simulation" / "head").unlink()
    assert main(["verify", "toys/coin"]) == POINTS_FAILED
    assert "/simulation/head" in capsys.readouterr().out


def test_the_list_shows_every_study_with_its_title(capsys):
    assert main(["list"]) == AGREES
    lines = capsys.readouterr().out.splitlines()
    expected = [(name, catalogue.title(path)) for name, path in catalogue.studies().items()]
    assert list(zip(lines[::2], map(str.strip, lines[1::2]), strict=True)) == expected
    assert HOPFIELD in lines


@pytest.mark.parametrize(
    "arguments, said",
    [
        (["run", "hebbian/hopfeld_phase_diagram"], f"did you mean '{HOPFIELD}'"),
        (["status", "nonsense"], "unknown study 'nonsense'"),
        (["run", HOPFIELD, "--profile", "quik"], "'quik'; did you mean 'quick'"),
        (["run", HOPFIELD, "--set", "n_spin=3"], "'n_spin'; did you mean 'n_spins'"),
        (["run", HOPFIELD, "--set", "replicas=few"], "replicas = 'few' is not of type int"),
        (["run", HOPFIELD, "--set", "replicas"], "not of the form field=value"),
        (["run", HOPFIELD, "--config", "absent.toml"], "cannot read absent.toml"),
        (["run", HOPFIELD, "--set", "temperature=-1"], "temperature = -1 is outside (0, inf)"),
        (["run", HOPFIELD, "--out", "file/below"], "cannot write to file/below"),
        (["plot", HOPFIELD, "--out", "file/below"], "cannot write to file/below"),
        (["status", HOPFIELD], "there is no dataset results/hebbian"),
        (["verify", HOPFIELD, "--profile", "full"], "full.zarr; make it with `thermolimit run`"),
        (["plot", HOPFIELD], "there is no dataset results/hebbian"),
    ],
)
def test_a_bad_request_is_answered_in_one_sentence(arguments, said, capsys, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    Path("file").write_text("in the way")
    assert main(arguments) == BAD_REQUEST
    output, errors = capsys.readouterr()
    assert said in errors
    assert output == ""
    # one line: no traceback, and nothing was computed
    assert errors.startswith("thermolimit: ") and errors.count("\n") == 1


@pytest.mark.parametrize("arguments", [[], ["frobnicate"], ["run"], ["list", "--frobnicate"]])
def test_a_request_that_is_not_understood_exits_with_two(arguments, capsys):
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == BAD_REQUEST
    assert "usage: thermolimit" in capsys.readouterr().err


def test_the_handler_of_the_caller_is_put_back(capsys):
    before = signal.getsignal(signal.SIGTERM)
    main(["list"])
    assert signal.getsignal(signal.SIGTERM) is before


HEAVY = """
import sys
from thermolimit.__main__ import main
try:
    main(sys.argv[1:])
except SystemExit:
    pass
print([name for name in ("jax", "xarray", "numba", "matplotlib") if name in sys.modules])
"""


@pytest.mark.parametrize("arguments", [["--help"], ["run", "--help"], ["list"]])
def test_nothing_heavy_is_imported_to_answer_a_question(arguments):
    asked = [sys.executable, "-c", HEAVY, *arguments]
    output = subprocess.run(asked, capture_output=True, text=True, check=True).stdout
    assert output.splitlines()[-1] == "[]"


@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize("arguments", [["list"], ["--help"]])
def test_a_reader_that_has_seen_enough_makes_no_noise(arguments, unbuffered):
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(
        [sys.executable, "-m", "thermolimit", *arguments],
        stdout=writer, stderr=subprocess.PIPE, text=True,
        env=os.environ | {"PYTHONUNBUFFERED": unbuffered},
    )  # fmt: skip
    os.close(writer)
    assert (done.returncode, done.stderr) == (AGREES, "")


ENDLESS = """
import signal, sys, time, types
from dataclasses import dataclass
from thermolimit.__main__ import main
from thermolimit.experiments import catalogue

@dataclass(frozen=True)
class Grid:
    seed: int = 1

study = types.ModuleType("thermolimit.experiments.toys.endless")
study.PROFILES = {"quick": Grid()}
study.predict = lambda grid: None
study.measure = lambda grid: time.sleep(60)
catalogue.load = lambda name: study
# a shell that runs the tests in the background has its children ignore it
signal.signal(signal.SIGINT, signal.default_int_handler)
sys.exit(main(["run", "toys/endless", "--out", sys.argv[1]]))
"""


@pytest.mark.parametrize("sent, code", [(signal.SIGINT, INTERRUPTED), (signal.SIGTERM, TERMINATED)])
def test_a_run_that_is_stopped_says_so_and_writes_nothing(sent, code, tmp_path):
    asked = [sys.executable, "-c", ENDLESS, str(tmp_path)]
    with subprocess.Popen(asked, stderr=subprocess.PIPE, text=True) as child:
        assert child.stderr is not None
        assert child.stderr.readline().startswith("theory: ")
        child.send_signal(sent)
        _, errors = child.communicate(timeout=30)
    assert child.returncode == code
    assert "stopped" in errors
    assert "Traceback" not in errors
    assert list(tmp_path.iterdir()) == []
