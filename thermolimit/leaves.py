"""What a leaf says of itself: its own dimensions, its allowed range, its name in prose.

Order and control parameters, observables, and the arguments of formulas and simulations are all
annotated in the same way::

    overlap: Annotated[Array, Label("overlap with the retrieved pattern, $m$")]
    temperature: Annotated[Array, (0.0, inf), Label("temperature, $T$")]    # an open interval
    n_spins: Annotated[int, Interval(2, inf, closed=True)]                  # a closed one
    step: Annotated[Array, "step"]                                          # passed whole
"""

from __future__ import annotations

import difflib
import math
import typing
from collections.abc import Collection, Iterable
from typing import Any, NamedTuple

import numpy as np


class Interval(NamedTuple):
    """Allowed values; an infinite end is always open."""

    lower: float
    upper: float
    closed: bool = False

    def __str__(self) -> str:
        left = "[" if self.closed and math.isfinite(self.lower) else "("
        right = "]" if self.closed and math.isfinite(self.upper) else ")"
        return f"{left}{self.lower:g}, {self.upper:g}{right}"

    def holds(self, values: np.ndarray) -> np.ndarray:
        """Which of the values are allowed."""
        if self.closed:
            return (values >= self.lower) & (values <= self.upper)
        return (values > self.lower) & (values < self.upper)


class Label(NamedTuple):
    """Name of a quantity in prose, with its symbol: the ``long_name`` of its variable."""

    text: str


class Leaf(NamedTuple):
    """One annotated number or array."""

    name: str
    dims: tuple[str, ...] = ()
    interval: Interval | None = None
    label: str = ""
    integer: bool = False
    word: bool = False  # a name or a switch, which is the function's own business

    @property
    def attrs(self) -> dict[str, str]:
        """Attributes of its xarray variable; everything in this package is dimensionless."""
        return {"long_name": self.label or self.name.replace("_", " "), "units": "1"}

    def checked(self, values: Any) -> np.ndarray:
        """The values as an array, or a sentence that says which of them is not allowed."""
        array = np.asarray(values)
        if array.size == 0:
            raise ValueError(f"{self.name} is empty")
        if array.dtype.kind not in "iuf":
            if self.word:
                return array
            raise ValueError(f"{self.name} = {values!r} is not a number")
        bad = ~np.isfinite(array)
        if bad.any():
            raise ValueError(f"{self.name} = {array[bad].flat[0]:g} is not a finite number")
        if self.integer and (array != np.round(array)).any():
            wrong = array[array != np.round(array)].flat[0]
            raise ValueError(f"{self.name} = {wrong:g} is not a whole number")
        if self.interval is not None and not self.interval.holds(array).all():
            wrong = array[~self.interval.holds(array)].flat[0]
            raise ValueError(f"{self.name} = {wrong:g} is outside {self.interval}")
        return array.astype(int if self.integer else float)


def leaf(name: str, annotation: Any) -> Leaf:
    """Read one annotation."""
    kind, *metadata = (
        typing.get_args(annotation)
        if typing.get_origin(annotation) is typing.Annotated
        else (annotation,)
    )
    word = kind in (str, bool) or typing.get_origin(kind) is typing.Literal
    found = Leaf(name, integer=kind is int, word=word)
    for item in metadata:
        if isinstance(item, str):
            found = found._replace(dims=(*found.dims, item))
        elif isinstance(item, Label):
            found = found._replace(label=item.text)
        elif isinstance(item, tuple):
            found = found._replace(interval=Interval(*item))
    return found


def leaves(described: Any) -> dict[str, Leaf]:
    """The annotated fields of a NamedTuple, or the annotated arguments of a function."""
    hints = typing.get_type_hints(described, include_extras=True)
    return {name: leaf(name, hint) for name, hint in hints.items() if name != "return"}


def flags(label: str, meanings: Iterable[str]) -> dict[str, Any]:
    """Attributes of a variable of codes 0, 1, ..., as the CF conventions have them."""
    words = list(meanings)
    values = list(range(len(words)))
    return {"long_name": label, "flag_values": values, "flag_meanings": " ".join(words)}


def check_word(name: str, value: str, allowed: Any) -> None:
    """Raise ValueError for a word that is not allowed.

    Parameters
    ----------
    name, value : str
        Of the argument.
    allowed : collection of str, or a Literal type
        All words that are.
    """
    words = typing.get_args(allowed) or tuple(allowed)
    if value not in words:
        raise ValueError(f"{name} = {value!r} is not one of {words}")


def unknown_name(kind: str, name: str, known: Collection[str]) -> str:
    """A sentence about a name that does not exist, with the nearest one that does."""
    close = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    hint = f"; did you mean {close[0]!r}?" if close else ""
    return f"unknown {kind} {name!r}{hint} (known: {', '.join(known)})"


def check_names(kind: str, given: Iterable[str], known: Collection[str], needed: Iterable[str]):
    """Raise TypeError for names that do not exist, and for names that are missing."""
    given = list(given)
    for name in given:
        if name not in known:
            raise TypeError(unknown_name(kind, name, known))
    missing = [name for name in needed if name not in given]
    if missing:
        raise TypeError(f"missing {kind} {', '.join(missing)} (known: {', '.join(known)})")
