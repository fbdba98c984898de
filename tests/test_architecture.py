"""The house is a table of roles and families, and imports point one way."""

import ast
import importlib
import pkgutil
import subprocess
import sys
from pathlib import Path

import pytest

import thermolimit

ROOT = Path(__file__).parent.parent
ROLES = {
    "solvers": set(),
    "theory": {"solvers"},
    "simulations": set(),
    "experiments": {"solvers", "theory", "simulations"},
    "figures": set(),
}
VOCABULARY = "thermolimit.leaves"  # what leaves say of themselves, common to all roles
FILES = sorted(path.relative_to(ROOT) for role in ROLES for path in (ROOT / role).rglob("*.py"))


def imported(path):
    """Absolute names of everything that a file imports from this package."""
    package = ("thermolimit", *path.parent.parts)
    for node in ast.walk(ast.parse((ROOT / path).read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            start = ".".join(package[: len(package) - node.level + 1]) if node.level else ""
            module = ".".join(filter(None, [start, node.module]))
            yield from (f"{module}.{alias.name}" for alias in node.names)


@pytest.mark.parametrize("path", FILES, ids=str)
def test_imports_point_along_the_arrows(path):
    role = path.parts[0]
    for name in imported(path):
        if not name.startswith("thermolimit.") or name.startswith(f"{VOCABULARY}."):
            continue
        assert name.split(".")[1] in {role, *ROLES[role]}, f"{path} imports {name}"


@pytest.mark.parametrize("path", FILES, ids=str)
def test_relative_imports_stay_in_their_folder(path):
    for node in ast.walk(ast.parse((ROOT / path).read_text())):
        assert not isinstance(node, ast.ImportFrom) or node.level <= 1


@pytest.mark.parametrize("name", ["jax.random", "numpy.random"])
def test_theories_and_solvers_draw_no_random_numbers(name):
    for path in FILES:
        if path.parts[0] in ("theory", "solvers"):
            assert name.replace("numpy", "np") not in (ROOT / path).read_text(), path


def test_only_the_edge_of_the_solvers_knows_xarray():
    edge = {"labelled", "lanes", "grid", "failures", "flows", "formulas", "volterra", "descent"}
    edge |= {"branches", "lines", "line_data", "certificates", "survey", "meetings", "diagrams"}
    using = {
        path.stem for path in FILES if path.parts[0] == "solvers" and "xarray" in imported(path)
    }
    assert using == edge


@pytest.mark.parametrize("role", ROLES)
def test_a_role_imported_without_its_namespace_is_refused(role):
    run = subprocess.run(
        [sys.executable, "-c", f"import {role}"], cwd=ROOT, capture_output=True, text=True
    )
    assert f"ImportError: import thermolimit.{role}, not {role}" in run.stderr


@pytest.mark.parametrize("role", ROLES)
def test_no_module_bears_the_name_of_something_its_package_exports(role):
    package = importlib.import_module(f"thermolimit.{role}")
    modules = {module.name for module in pkgutil.iter_modules(package.__path__)}
    assert not modules & set(getattr(package, "__all__", ()))


@pytest.mark.parametrize("role", ROLES)
def test_everything_exported_exists_and_is_documented(role):
    package = importlib.import_module(f"thermolimit.{role}")
    for name in getattr(package, "__all__", ()):
        assert getattr(package, name).__doc__


@pytest.mark.parametrize("role", ["theory", "simulations", "experiments", "figures"])
def test_every_family_folder_is_a_package(role):
    folders = {path.parent for path in FILES if path.parts[0] == role}
    assert all((ROOT / folder / "__init__.py").is_file() for folder in folders)


def test_every_simulation_has_a_theory_of_the_same_name():
    tools = {
        "__init__",
        "engines",
        "glauber",
        "recording",
        "dense_case",
        "dense_data",
        "dense_jax",
        "dense_kernels",
        "structured",
        "disorder",
    }
    models = [path for path in FILES if path.parts[0] == "simulations" and path.stem not in tools]
    assert models
    for path in models:
        assert (ROOT / "theory" / Path(*path.parts[1:])).is_file(), path


def test_the_package_is_typed_and_has_a_version():
    assert (ROOT / "thermolimit" / "py.typed").is_file()
    assert thermolimit.__version__.count(".") == 2


def test_ci_runs_the_test_command_of_the_readme():
    commands = [
        line for line in (ROOT / "README.md").read_text().splitlines() if "-m pytest" in line
    ]
    assert commands[0] in (ROOT / ".ci" / "run").read_text().splitlines()
