"""How a function of one point is called: read from its signature.

Positional arguments are numbers that may be batched; keyword-only arguments fix shapes and are
looped over; an argument with dimensions of its own is passed whole. A first argument named ``key``
or ``rng`` makes it a simulation, without it is a formula.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np

from thermolimit.leaves import Leaf, check_names, leaves

EMPTY = inspect.Parameter.empty
RANDOM = ("key", "rng")


class Signature(NamedTuple):
    """The arguments and results of a formula or a simulation."""

    numbers: tuple[str, ...]  # may be batched
    fixed: tuple[str, ...]  # fix shapes
    arguments: dict[str, Leaf]
    defaults: dict[str, Any]
    results: dict[str, Leaf]
    random: str | None
    jitted: bool

    def complete(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """The given arguments and the defaults of the others, shapes first; TypeError if wrong."""
        needed = [name for name in self.arguments if name not in self.defaults]
        check_names("argument", given, self.arguments, needed)
        rest = {name: value for name, value in self.defaults.items() if name not in given}
        shapes_first = sorted(given, key=lambda name: name not in self.fixed)
        return {name: given[name] for name in shapes_first} | rest


def signature(fn: Callable[..., Any]) -> Signature:
    """Read the signature of ``fn``, which may be jitted."""
    plain = inspect.unwrap(fn)
    parameters = dict(inspect.signature(plain).parameters)
    random = next(iter(parameters), None)
    random = random if random in RANDOM else None
    if random:
        del parameters[random]
    described = leaves(plain)
    returned = inspect.signature(plain, eval_str=True).return_annotation
    if not hasattr(returned, "_fields"):
        raise TypeError(f"{plain.__name__} must be annotated to return a NamedTuple")
    arguments = {name: described.get(name, Leaf(name)) for name in parameters}
    keyword_only = {n for n, p in parameters.items() if p.kind is inspect.Parameter.KEYWORD_ONLY}
    single = [name for name, leaf in arguments.items() if not leaf.dims]
    return Signature(
        numbers=tuple(name for name in single if name not in keyword_only),
        fixed=tuple(name for name in single if name in keyword_only),
        arguments=arguments,
        defaults={name: p.default for name, p in parameters.items() if p.default is not EMPTY},
        results={name: leaves(returned).get(name, Leaf(name)) for name in returned._fields},
        random=random,
        jitted=hasattr(fn, "lower"),
    )


def by_shape(
    columns: Mapping[str, np.ndarray], fixed: tuple[str, ...], lanes: int
) -> Iterator[tuple[dict[str, Any], np.ndarray]]:
    """Group lanes by the arguments that fix shapes: (these arguments, indices of the lanes)."""
    groups: dict[tuple[Any, ...], list[int]] = {}
    for lane in range(lanes):
        groups.setdefault(tuple(columns[name][lane].item() for name in fixed), []).append(lane)
    for values, members in groups.items():
        yield dict(zip(fixed, values, strict=True)), np.array(members)
