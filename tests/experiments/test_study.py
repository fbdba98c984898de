"""How the grid of a study is chosen, what running it gives, and the convention for its file."""

from __future__ import annotations

import ast
import dataclasses
import json
import types
from dataclasses import dataclass
from pathlib import Path

import pytest
import xarray as xr

from thermolimit import figures
from thermolimit.experiments import Tolerance, catalogue
from thermolimit.experiments.study import PARTS, configure, failures, fields, run
from thermolimit.solvers import Status


@dataclass(frozen=True)
class Grid:
    temperature: tuple[float, ...] = (0.1, 0.2)
    n_spins: tuple[int, ...] = (10,)
    replicas: int = 2
    shift: float = 0.0
    rule: str = "glauber"
    exact: bool = False


def study(**functions) -> types.ModuleType:
    module = types.ModuleType("thermolimit.experiments.toys.coin", "A coin.\n\nMore about it.")
    module.__dict__.update(PROFILES={"quick": Grid(), "full": Grid(replicas=9)}, **functions)
    return module


@pytest.fixture
def toml(tmp_path) -> Path:
    return tmp_path / "grid.toml"


def test_a_profile_is_the_grid_of_its_name():
    assert configure(study()) == Grid()
    assert configure(study(), "full") == Grid(replicas=9)


@pytest.mark.parametrize(
    "change, field, value",
    [
        ("replicas=4", "replicas", 4),
        (" replicas = 4 ", "replicas", 4),
        ("n_spins=100,200", "n_spins", (100, 200)),
        ("n_spins=100", "n_spins", (100,)),
        ("temperature=0.3", "temperature", (0.3,)),
        ("temperature=[0.1, 0.2]", "temperature", (0.1, 0.2)),
        ("temperature=1", "temperature", (1.0,)),
        ("shift=-2", "shift", -2.0),
        ("shift=1e-3", "shift", 0.001),
        ("rule=metropolis", "rule", "metropolis"),
        ('rule="metropolis"', "rule", "metropolis"),
        ("exact=true", "exact", True),
    ],
)
def test_a_change_takes_the_type_of_its_field(change, field, value):
    grid = configure(study(), changes=[change])
    assert grid == dataclasses.replace(Grid(), **{field: value})
    several = isinstance(value, tuple)
    found = getattr(grid, field)
    assert type(found[0] if several else found) is type(value[0] if several else value)


def test_a_file_changes_the_profile_and_a_change_the_file(toml):
    toml.write_text("replicas = 5\ntemperature = [0.5, 0.6]\nshift = 1")
    grid = configure(study(), "full", toml, ["replicas=6"])
    assert grid == Grid(replicas=6, temperature=(0.5, 0.6), shift=1.0)


def test_the_profiles_themselves_stay(toml):
    module = study()
    toml.write_text("replicas = 5")
    configure(module, "quick", toml, ["shift=1"])
    assert module.PROFILES["quick"] == Grid()


@pytest.mark.parametrize(
    "change, said",
    [
        ("temprature=0.3", "unknown field 'temprature'; did you mean 'temperature'"),
        ("replicas", "'replicas' is not of the form field=value"),
        ("replicas=many", "replicas = 'many' is not of type int"),
        ("replicas=2.5", "replicas = 2.5 is not of type int"),
        ("replicas=2,3", r"replicas = \[2, 3\] is not of type int"),
        ("replicas=true", "replicas = True is not of type int"),
        ("replicas=", "replicas = .* is not of type int"),
        ("n_spins=10.5", "n_spins = 10.5 is not of type int"),
        ("n_spins=[]", r"n_spins = \[\] is not of type int"),
        ("temperature=0.1,cold", "temperature = '0.1,cold' is not of type float"),
        ("exact=1", "exact = 1 is not of type bool"),
    ],
)
def test_a_change_that_makes_no_sense_is_refused(change, said):
    with pytest.raises(ValueError, match=said):
        configure(study(), changes=[change])


def test_fields_of_a_grid_become_arguments_in_their_order():
    chosen = fields(Grid(replicas=7), "n_spins replicas temperature")
    assert list(chosen.items()) == [
        ("n_spins", (10,)), ("replicas", 7), ("temperature", (0.1, 0.2)),
    ]  # fmt: skip


def test_an_unknown_profile_is_refused_with_the_nearest_name():
    with pytest.raises(ValueError, match="unknown profile 'quik'; did you mean 'quick'"):
        configure(study(), "quik")


@pytest.mark.parametrize(
    "content", [None, b"replicas = ", b"\xff\xfe"], ids=["absent", "not TOML", "not text"]
)
def test_a_file_that_cannot_be_read_is_named(toml, content):
    if content is not None:
        toml.write_bytes(content)
    with pytest.raises(ValueError) as caught:
        configure(study(), config=toml)
    assert caught.value.args[0].startswith(f"cannot read {toml}")


def predicted(grid: Grid) -> xr.Dataset:
    at = {"temperature": list(grid.temperature)}
    return xr.Dataset({"overlap": ("temperature", [1.0 + grid.shift] * len(grid.temperature))}, at)


def measured(grid: Grid) -> xr.Dataset:
    shape = {"temperature": list(grid.temperature), "replica": range(grid.replicas)}
    one = xr.DataArray(1.0).expand_dims(shape)
    return xr.Dataset({"overlap": one, "status": one.astype(int)})


@pytest.mark.parametrize(
    "functions, groups",
    [
        ({"predict": predicted}, {"/theory"}),
        ({"measure": measured}, {"/simulation"}),
        (
            {"predict": predicted, "measure": measured},
            {"/theory", "/simulation", "/comparison"},
        ),
        (
            {"predict": predicted, "lines": lambda grid: {"fold": predicted(grid)}},
            {"/theory", "/lines", "/lines/fold"},
        ),
    ],
)
def test_a_run_holds_what_the_study_offers(functions, groups):
    tree = run(study(**functions), Grid())
    assert set(tree.groups) == groups | {"/"}


def test_a_run_compares_theory_and_simulation():
    tree = run(study(predict=predicted, measure=measured), Grid(shift=0.25))
    assert (tree["comparison"]["overlap_difference"] == -0.25).all()


def test_a_run_says_what_was_asked_for():
    tree = run(study(predict=predicted), Grid(replicas=7))
    assert tree.attrs["study"] == "toys/coin"
    assert tree.attrs["title"] == "A coin."
    asked = {"temperature": [0.1, 0.2], "n_spins": [10], "replicas": 7}
    assert json.loads(tree.attrs["grid"]).items() >= asked.items()


def test_failures_are_counted_by_group_and_status():
    codes = [Status.OK, Status.NOT_FINITE, Status.NOT_FINITE, Status.NOT_CONVERGED]
    bad = xr.Dataset({"status": ("point", codes)})
    fine = xr.Dataset({"status": ("point", [Status.OK, Status.OUT_OF_DOMAIN, Status.MISSING])})
    tree = xr.DataTree.from_dict({"/theory": fine, "/lines/fold": bad})
    assert failures(tree) == {"/lines/fold": "1 points NOT_CONVERGED, 2 points NOT_FINITE"}


every_study = pytest.mark.parametrize("name, path", catalogue.studies().items())


@every_study
def test_a_study_says_in_one_sentence_what_it_compares(name, path):
    title, *rest = (ast.get_docstring(ast.parse(path.read_text())) or "").splitlines()
    assert title.endswith(".")
    assert not any(rest[:1])
    assert catalogue.title(path) == title


@every_study
def test_the_grid_of_a_study_is_frozen_and_has_defaults(name, path):
    grid = catalogue.load(name).Grid()
    assert hash(grid) == hash(dataclasses.replace(grid))
    with pytest.raises(dataclasses.FrozenInstanceError):
        grid.seed = 2


@every_study
def test_a_study_has_a_quick_and_a_full_profile(name, path):
    module = catalogue.load(name)
    assert {"quick", "full"} <= set(module.PROFILES)
    assert all(isinstance(grid, module.Grid) for grid in module.PROFILES.values())


@every_study
def test_a_study_computes_something_and_judges_what_it_compares(name, path):
    module = catalogue.load(name)
    offered = {part for part in PARTS if callable(getattr(module, part, None))}
    assert offered
    if {"predict", "measure"} <= offered:
        assert isinstance(module.TOLERANCE, Tolerance)


def figure_scripts() -> list[Path]:
    folder = Path(figures.__file__).parent
    return [path for path in folder.glob("*/*.py") if not path.name.startswith("_")]


@pytest.mark.parametrize("script", figure_scripts(), ids=lambda path: path.stem)
def test_a_figure_belongs_to_a_study_and_is_drawn_by_draw(script):
    assert f"{script.parent.name}/{script.stem}" in catalogue.studies()
    functions = [
        n.name for n in ast.parse(script.read_text()).body if isinstance(n, ast.FunctionDef)
    ]
    assert "draw" in functions


def test_an_unknown_study_is_refused_with_the_nearest_name():
    nearest = "unknown study 'hebbian/hopfeld_phase_diagram'; did you mean"
    with pytest.raises(ValueError, match=nearest):
        catalogue.load("hebbian/hopfeld_phase_diagram")
