"""What a store holds, down to the code that made it, and how to say that it is something else."""

from __future__ import annotations

import ast
import hashlib
import importlib.util
import inspect
import platform
import sys
from collections.abc import Callable, Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import jax
import numpy as np

from .keys import spelled
from .plans import Plan

FORMAT = 1


class SweepMismatch(ValueError):
    """A store holds another sweep than the one that is asked for."""


def identity(asked: Plan) -> dict[str, Any]:
    """Everything that the numbers of a sweep depend on, as JSON."""
    face = asked.task.face
    varied = {n: coord for n, coord in asked.grid.coords.items() if coord.dims}
    constants = {n: spelled(c.item()) for n, c in asked.grid.coords.items() if not c.dims}
    return {
        "format": FORMAT,
        "function": asked.name,
        "random": face.random,
        "seed": asked.seed,
        "precision": asked.task.bits,
        "tile": asked.task.tile if face.jitted else None,
        "constants": constants,
        "dims": list(asked.dims),
        "axes": {n: _axis(str(n), coord) for n, coord in varied.items()},
        "replicas": asked.replicas,
        "outputs": {
            name: {"dims": output.dims, "shape": output.shape, "dtype": str(output.dtype)}
            for name, output in asked.outputs.items()
        },
        "code": code_of(asked.task.run),
    }


def _axis(name: str, coord: Any) -> dict[str, Any]:
    if coord.dims == (name,) and coord.dtype.kind in "biufU":
        return {"values": coord.values.tolist()}
    digest = hashlib.sha256("\n".join(map(spelled, coord.values.ravel().tolist())).encode())
    return {"dims": list(coord.dims), "size": coord.size, "sha256": digest.hexdigest()}


def difference(stored: dict[str, Any], asked: dict[str, Any]) -> str:
    """A sentence on the first thing, other than code, in which two sweeps differ; empty if none."""
    for field in stored.keys() | asked.keys():
        if field not in stored or field not in asked:
            return f"its format is {stored.get('format')}, not {asked.get('format')}"
    for field in (name for name in asked if name not in ("code", "constants", "axes", "outputs")):
        if stored[field] != asked[field]:
            return f"{field} is {stored[field]!r} there, and {asked[field]!r} was asked for"
    for field in ("constants", "axes", "outputs"):
        for name in [*stored[field], *asked[field]]:
            there, here = stored[field].get(name), asked[field].get(name)
            if there != here:
                return f"{name} is {_told(there)} there, and {_told(here)} was asked for"
    return ""


def _told(value: Any) -> str:
    if value is None:
        return "absent"
    if not isinstance(value, dict):
        return str(value)
    if "values" in value:
        values = value["values"]
        shown = values if len(values) < 9 else [*values[:4], "...", *values[-4:]]
        return f"{len(values)} values ({', '.join(map(str, shown))})"
    return ", ".join(f"{key} {said}" for key, said in value.items())


def extends(stored: dict[str, Any], asked: dict[str, Any]) -> bool:
    """Whether the asked sweep is the stored one with longer axes or more replicas."""
    if (stored["replicas"] or 0) > (asked["replicas"] or 0):
        return False
    grown = dict(stored, replicas=asked["replicas"], axes=dict(stored["axes"]))
    for name, axis in stored["axes"].items():
        values, wanted = axis.get("values"), asked["axes"].get(name, {}).get("values")
        if values and wanted and wanted[: len(values)] == values:
            grown["axes"][name] = asked["axes"][name]
    return not difference(grown, asked)


def changed_code(stored: dict[str, Any], asked: dict[str, Any]) -> list[str]:
    """Modules that are not what they were."""
    names = sorted(stored["code"].keys() | asked["code"].keys())
    return [name for name in names if stored["code"].get(name) != asked["code"].get(name)]


def code_of(run: Callable[..., Any]) -> dict[str, str]:
    """Module -> hash of its source: that of a function, and what it imports of its own package.

    A script counts as one module; a function from a notebook as the text of the function.
    """
    plain = inspect.unwrap(run)
    file = getattr(sys.modules.get(plain.__module__), "__file__", None)
    if file is None or not Path(file).is_file():
        return {plain.__module__: _hash(_text(plain))}
    found: dict[str, str] = {}
    waiting = [(plain.__module__, Path(file))]
    while waiting:
        name, path = waiting.pop()
        if name not in found:
            source = path.read_bytes()
            found[name] = _hash(source)
            waiting.extend(_own_imports(name, source))
    return found


def _text(run: Callable[..., Any]) -> bytes:
    try:
        return inspect.getsource(run).encode()
    except OSError:  # typed at a prompt
        return run.__code__.co_code


def _own_imports(module: str, source: bytes) -> Iterator[tuple[str, Path]]:
    """Modules of the same package, or of this one, that a module imports."""
    package = getattr(sys.modules.get(module), "__package__", None) or ""
    own = {package.partition(".")[0] or module, "thermolimit"}
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            start = "." * node.level + (node.module or "")
            try:
                start = importlib.util.resolve_name(start, package)
            except ImportError:
                continue
            names = [start, *(f"{start}.{alias.name}" for alias in node.names)]
        else:
            continue
        for name in names:
            path = _source(name) if name.partition(".")[0] in own else None
            if path is not None and path.stem != "__init__":
                yield name, path


def _source(name: str) -> Path | None:
    """File of a module, imported or not; None for a name in a module."""
    try:
        spec = importlib.util.find_spec(name)
    except (ImportError, ValueError):
        return None
    file = spec.origin if spec is not None else None
    return Path(file) if file is not None and file.endswith(".py") else None


def _hash(source: bytes) -> str:
    return hashlib.sha256(source).hexdigest()[:16]


def environment() -> dict[str, str]:
    """What may change the last digits, or the stream of random numbers."""
    packages = {name: version(name) for name in ("thermolimit", "jax", "numpy", "numba")}
    device = jax.devices()[0].device_kind
    return {**packages, "python": platform.python_version(), "device": device}


def sorted_like(stored: dict[str, Any], axes: dict[str, Any]) -> dict[str, Any]:
    """Axes in the order of a store: the same names first, and of each its values first."""
    given = {name: axes[name] for name in stored["axes"] if name in axes} | axes
    for name in stored["dims"]:
        values = np.asarray(given.get(name))
        if name in stored["axes"] and values.ndim == 1 and not hasattr(given[name], "dims"):
            place = {spelled(value): value for value in stored["axes"][name]["values"]}
            new = {spelled(value): value for value in values.tolist()}
            if place.keys() <= new.keys() and len(new) == values.size:
                given[name] = [*place.values(), *(new[s] for s in new if s not in place)]
    return given
