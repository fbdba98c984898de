"""A state of a theory as a formula, for grids that take long enough to be kept as a sweep."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Annotated, Any, NamedTuple, get_type_hints

from thermolimit.leaves import Label, unknown_name

from .labelled import RESULTS, saddle_points
from .lanes import expect
from .mean_field import Equilibrium, SelfConsistent
from .saddle import Status


def formula(theory: SelfConsistent, start: str) -> Callable[..., Any]:
    """The state that is found from a start, as a function of the control parameters.

    For ``experiments.sweep(formula(theory, start), store=..., **controls)``, point by point;
    ``saddle_points`` is faster where nothing has to survive an interruption.

    Parameters
    ----------
    theory : SelfConsistent or Equilibrium
        What to solve.
    start : str
        One of the theory's starts.

    Returns
    -------
    callable
        Of numbers, by name; returns the order parameters, the observables, ``residual``,
        ``certificate``, ``growth_rate``, where the theory states them ``free_energy`` and
        ``replicon``, and ``converged``: whether the state was found and certified.

    Raises
    ------
    ValueError
        For an unknown start.
    """
    expect(theory, SelfConsistent)
    if start not in theory.starts:
        raise ValueError(unknown_name("start", start, list(theory.starts)))
    names = ["residual", "certificate", "growth_rate"]
    names += ["free_energy"] if isinstance(theory, Equilibrium) else []
    names += ["replicon"] if hasattr(theory, "replicon") else []
    hints = get_type_hints(theory.Order, include_extras=True)
    hints |= get_type_hints(getattr(theory, "Observables", object), include_extras=True)
    hints |= {name: Annotated[float, Label(RESULTS[name].label)] for name in names}
    hints["converged"] = Annotated[bool, Label("whether the state was found and certified")]
    State = NamedTuple("State", list(hints.items()))  # type: ignore[misc]

    def solve(**controls: Any) -> Any:
        data = saddle_points(theory, start=start, on_failure="keep", **controls)
        found = {name: data[name].values for name in hints if name != "converged"}
        return State(**found, converged=data["status"].values == Status.OK)

    described = get_type_hints(theory.Control, include_extras=True)
    defaults = theory.Control._field_defaults  # type: ignore[attr-defined]
    solve.__annotations__ = described | {"return": State}
    solve.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
        [
            inspect.Parameter(
                name, inspect.Parameter.POSITIONAL_OR_KEYWORD, annotation=hint,
                default=defaults.get(name, inspect.Parameter.empty),
            )
            for name, hint in described.items()
        ],
        return_annotation=State,
    )  # fmt: skip
    solve.__module__ = type(theory).__module__  # where the equations are, should they change
    solve.__name__ = solve.__qualname__ = f"{theory!r}, {start}"
    return solve
