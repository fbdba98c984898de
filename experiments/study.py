"""A study: one file, one question, one dataset. How its grid is chosen and how it is run.

The module of a study offers ``Grid`` (a frozen dataclass), ``PROFILES`` (name -> Grid),
``TOLERANCE``, ``predict(grid)`` and ``measure(grid)`` and, where it has transition lines,
``lines(grid)``. Without one of ``predict`` and ``measure`` there is no comparison; with both,
``trend(comparison)`` may fit the deviations of three or more sizes. What takes long has a second
argument, ``store``, which it hands to ``sweep``.
"""

from __future__ import annotations

import dataclasses
import inspect
import json
import sys
import time
import tomllib
from collections.abc import Callable, Iterable
from pathlib import Path
from types import ModuleType
from typing import Any

import xarray as xr

from thermolimit.leaves import unknown_name
from thermolimit.solvers.failures import FAILURES

from .comparison import compare
from .stores import Store


def configure(
    study: ModuleType,
    profile: str = "quick",
    config: Path | None = None,
    changes: Iterable[str] = (),
) -> Any:
    """The grid of a profile, with fields changed by a TOML file and then by ``field=value`` texts.

    Raises
    ------
    ValueError
        For an unknown profile or field, an unreadable file, or a value of the wrong type.
    """
    if profile not in study.PROFILES:
        raise ValueError(unknown_name("profile", profile, list(study.PROFILES)))
    given: dict[str, Any] = {}
    if config is not None:
        try:
            given |= tomllib.loads(config.read_text())
        except (OSError, ValueError) as error:  # ValueError: not TOML, or not even text
            raise ValueError(f"cannot read {config}: {error}") from error
    for change in changes:
        name, sign, text = change.partition("=")
        if not sign:
            raise ValueError(f"--set {change!r} is not of the form field=value")
        given[name.strip()] = _parsed(text.strip())
    grid = study.PROFILES[profile]
    return dataclasses.replace(grid, **{n: _typed(grid, n, value) for n, value in given.items()})


def _parsed(text: str) -> Any:
    """A TOML value; several numbers may do without brackets; anything else is a string."""
    for attempt in (text, f"[{text}]"):
        try:
            return tomllib.loads(f"value = {attempt}")["value"]
        except tomllib.TOMLDecodeError:
            continue
    return text


def _typed(grid: Any, name: str, value: Any) -> Any:
    """``value`` in the type that the field has in the profile."""
    known = [field.name for field in dataclasses.fields(grid)]
    if name not in known:
        raise ValueError(unknown_name("field", name, known))
    present = getattr(grid, name)
    several = isinstance(present, tuple)
    kind = type(present[0]) if several else type(present)
    values = value if isinstance(value, list) else [value]
    right = [type(v) is kind or (kind is float and type(v) is int) for v in values]
    if not all(right) or not values or (isinstance(value, list) and not several):
        form = f"{kind.__name__}, or several separated by commas" if several else kind.__name__
        raise ValueError(f"{name} = {value!r} is not of type {form}")
    typed = tuple(kind(v) for v in values)
    return typed if several else typed[0]


def fields(grid: Any, names: str) -> dict[str, Any]:
    """Fields of a grid, for a sweep over arguments of the same names; in a text, with spaces."""
    return {name: getattr(grid, name) for name in names.split()}


PARTS = {  # function of a study -> its groups
    "predict": "theory",
    "lines": "lines",
    "measure": "simulation",
}


def run(study: ModuleType, grid: Any, store: Store | None = None) -> xr.DataTree:
    """Compute everything that a study asks for, with one line on stderr per finished part.

    Parameters
    ----------
    study : module
        See above.
    grid : Grid
        What to compute.
    store : Store, optional
        Its groups ``theory`` and ``simulation`` keep the sweeps, as far as the study has stores.

    Returns
    -------
    xarray.DataTree
        Groups ``theory``, ``lines/<name>``, ``simulation``, ``comparison`` and ``trend``, as far as
        the study has them; the grid as JSON in the attributes.
    """
    groups: dict[str, xr.Dataset] = {}
    for function, part in PARTS.items():
        if hasattr(study, function):
            found = _timed(part, getattr(study, function), grid, store)
            if part == "lines":
                groups |= {f"lines/{name}": line for name, line in found.items()}
            else:
                groups[part] = found
    if "theory" in groups and "simulation" in groups:
        comparison = groups["comparison"] = compare(groups["theory"], groups["simulation"])
        if hasattr(study, "trend") and comparison.sizes.get(study.TOLERANCE.size, 1) > 2:
            groups["trend"] = study.trend(comparison)
    tree = xr.DataTree.from_dict({f"/{name}": data for name, data in groups.items()})
    tree.attrs = {
        "study": study.__name__.removeprefix("thermolimit.experiments.").replace(".", "/"),
        "title": (study.__doc__ or "").partition("\n")[0],
        "grid": json.dumps(dataclasses.asdict(grid)),
    }
    return tree


def run_shard(study: ModuleType, grid: Any, store: Store) -> None:
    """Compute the share of a shard in the sweeps of a study, and nothing else.

    Raises
    ------
    ValueError
        If the study keeps no sweeps.
    """
    stored = [name for name in PARTS if hasattr(study, name) and _keeps(getattr(study, name))]
    if not stored:
        raise ValueError("this study keeps no sweep, so that it cannot be run in shards")
    for function in stored:
        _timed(PARTS[function], getattr(study, function), grid, store)


def _keeps(compute: Callable[..., Any]) -> bool:
    return "store" in inspect.signature(compute).parameters


def _timed(part: str, compute: Callable[..., Any], grid: Any, store: Store | None) -> Any:
    began = time.monotonic()
    kept = {"store": store / part} if store is not None and _keeps(compute) else {}
    result = compute(grid, **kept)
    print(f"{part}: {time.monotonic() - began:.1f} s", file=sys.stderr)
    return result


def failures(tree: xr.DataTree) -> dict[str, str]:
    """Group -> how many of its points failed, by status; groups without failures are left out."""
    found = {}
    for node in tree.subtree:
        if "status" in node.data_vars:
            status = node.to_dataset()["status"]
            counts = {code.name: int((status == code).sum()) for code in FAILURES}
            told = ", ".join(f"{count} points {name}" for name, count in counts.items() if count)
            if told:
                found[node.path] = told
    return found
