"""Phase diagrams: all states of a theory in a plane, and the lines between its phases."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from typing import Any

import numpy as np
import xarray as xr

from .failures import masked, told
from .labelled import distinct, equilibrium, saddle_points
from .line_data import labelled
from .located import Line
from .mean_field import SelfConsistent
from .meetings import meeting_points
from .precision import theory_precision
from .saddle import Status
from .survey import Survey

SAME_ENERGY = 1e-12  # a lower free energy must be lower by more


def phase_diagram(
    theory: SelfConsistent,
    *,
    x: str,
    y: str,
    starts: Iterable[str] | None = None,
    **controls: Any,
) -> xr.DataTree:
    """Phase diagram in the plane of two control parameters.

    The states are found on the grid from all starts. Where something changes between neighbouring
    points of it, the state is followed and the transition becomes a line; every change on the grid
    has its line, or is named in the attribute ``missing``. What is smaller than a cell of the grid
    may not be seen.

    Parameters
    ----------
    theory : SelfConsistent or Equilibrium
        What to solve. Without ``free_energy`` there are no equilibrium and no coexistence.
    x, y : str
        The two control parameters of the plane.
    starts : sequence of str, optional
        Names of the theory's starts, at least one per phase; all by default.
    **controls : float or sequence
        All control parameters, those of ``x`` and ``y`` as increasing sequences: the grid. Lines
        end at its borders.

    Returns
    -------
    xarray.DataTree
        ``states``: the variables of ``saddle_points`` over x, y and ``start``, with ``state`` and
        ``states`` (see ``distinct``), ``stable``, and ``metastable`` where another state has a
        lower free energy. ``equilibrium``: see there. ``lines/<kind>_<states>``: see ``spinodal``;
        kinds are ``spinodal``, ``continuous``, ``coexistence``, and ``replicon`` if the theory has
        one; only where the states are stable. ``points``: where lines meet or end, with ``kind``:
        ``critical`` (a cusp of spinodals), ``tricritical`` (a continuous line becomes the spinodal
        of the symmetric state), ``unstable`` (the state of a line loses its stability),
        ``crossing`` (of two lines that share a state). Attributes: ``x``, ``y``, and ``missing``,
        a list of sentences in JSON.

    Raises
    ------
    TypeError, ValueError
        As ``saddle_points``, and if ``x`` and ``y`` are not the two axes.
    """
    for name in (x, y):
        if np.ndim(controls.get(name, 0.0)) != 1 or np.size(controls[name]) < 2:
            raise ValueError(f"{name} must be an increasing sequence: it is an axis of the plane")
        if (np.diff(np.asarray(controls[name], float)) <= 0).any():
            raise ValueError(f"{name} must increase")
    chosen = list(theory.starts) if starts is None else list(starts)
    states = saddle_points(theory, start=chosen, on_failure="keep", **controls)
    further = set(states["status"].dims) - {x, y, "start"}
    if further:
        raise ValueError(f"{', '.join(map(str, further))} must be a number: the plane is {x}, {y}")
    failed = told(states["status"])
    states = distinct(theory, masked(states))
    states = states.assign(stable=(states["status"] == Status.OK) & (states["growth_rate"] < 0))
    groups = {"states": states}
    missing = [f"states: {failed}"] if failed else []
    if "free_energy" in states:
        groups["equilibrium"] = equilibrium(states)
        higher = states["free_energy"] > groups["equilibrium"]["free_energy"] + SAME_ENERGY
        groups["states"] = states.assign(metastable=states["stable"] & higher)
    else:
        missing.append(f"{type(theory).__name__} states no free_energy: no equilibrium")
    with theory_precision():
        survey = Survey(theory, states, x, y)
        survey.run()
        lines = _named(survey.lines)
        drawn = {name: labelled(line) for name, line in lines.items()}
        spans = {name: float(np.ptp(controls[name])) for name in (x, y)}
        groups["points"] = meeting_points(lines, spans)
    groups |= {f"lines/{name}": masked(line) for name, line in drawn.items()}
    uncertified = {name: told(line["status"]) for name, line in drawn.items()}
    missing += survey.missing + [f"{name}: {text}" for name, text in uncertified.items() if text]
    tree = xr.DataTree.from_dict({f"/{name}": data for name, data in groups.items()})
    tree.attrs = {"x": x, "y": y, "theory": repr(theory), "missing": json.dumps(missing)}
    return tree


def _named(lines: list[Line]) -> dict[str, Line]:
    """Lines by kind and states, numbered if there are several."""
    named: dict[str, Line] = {}
    seen: Counter[str] = Counter()
    for line in lines:
        name = "_".join([line.kind, *line.states])
        seen[name] += 1
        named[name if seen[name] == 1 else f"{name}_{seen[name]}"] = line
    return named
