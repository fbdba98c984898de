"""Where lines of a phase diagram meet or end."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import combinations
from typing import Any, NamedTuple

import numpy as np
import xarray as xr

from thermolimit.leaves import flags

from .continuation import cross
from .located import ALONG, VALUE, Line
from .polylines import crossings
from .steps import Row

SAME_PLACE = 1e-6  # of the spans of the plane
ENDS = {"cusp": "critical", "tricritical": "tricritical", "unstable": "unstable"}
KINDS = (*ENDS.values(), "crossing")


class Meeting(NamedTuple):
    """A point of the plane, and the lines that meet there."""

    kind: str
    lines: list[str]
    at: dict[str, float]
    residual: float


def meeting_points(lines: Mapping[str, Line], spans: Mapping[str, float]) -> xr.Dataset:
    """All of them, over ``point``; to be called in ``theory_precision``.

    Parameters
    ----------
    lines : mapping
        The lines by name.
    spans : mapping of str to float
        The two control parameters of the plane -> length of its axis.
    """
    found = _merged([*_ends(lines), *_crossings(lines, spans)], spans)
    codes = np.array([KINDS.index(meeting.kind) for meeting in found], np.int8)
    columns: dict[str, Any] = {
        name: ("point", np.array([meeting.at[name] for meeting in found]), {"long_name": name})
        for name in spans
    }
    columns["residual"] = ("point", np.array([meeting.residual for meeting in found]))
    columns["kind"] = ("point", codes, flags("kind", KINDS))
    columns["lines"] = ("point", np.array([", ".join(m.lines) for m in found], dtype=str))
    return xr.Dataset(columns)


def _ends(lines: Mapping[str, Line]) -> Iterator[Meeting]:
    """Where lines end because something happens to them."""
    for name, line in lines.items():
        rows = line.branch.rows
        for why, row in ((line.branch.began, rows[0]), (line.branch.ended, rows[-1])):
            if why in ENDS:
                yield Meeting(ENDS[why], [name], _at(line, row), row.residual)


def _crossings(lines: Mapping[str, Line], spans: Mapping[str, float]) -> Iterator[Meeting]:
    """Where two lines cross that share a state."""
    for (name, line), (other_name, other) in combinations(lines.items(), 2):
        if not set(line.states) & set(other.states):
            continue
        swapped = line.system.along != other.system.along
        a, b = (line.system, line.branch), (other.system, other.branch)
        for pieces in crossings(_plane(line, spans), _plane(other, spans)):
            row = cross(a, b, pieces, line.followed.control, swapped)
            if row is not None:
                yield Meeting("crossing", [name, other_name], _at(line, row), row.residual)


def _merged(found: Iterable[Meeting], spans: Mapping[str, float]) -> list[Meeting]:
    """One for all lines that meet in the same place."""
    merged: list[Meeting] = []
    for meeting in found:
        for other in merged:
            near = (abs(meeting.at[c] - other.at[c]) < SAME_PLACE * s for c, s in spans.items())
            if meeting.kind == other.kind and all(near):
                other.lines.extend(name for name in meeting.lines if name not in other.lines)
                break
        else:
            merged.append(meeting)
    return merged


def _at(line: Line, row: Row) -> dict[str, float]:
    return {line.system.of: float(row.z[VALUE]), str(line.system.along): float(row.z[ALONG])}


def _plane(line: Line, spans: Mapping[str, float]) -> np.ndarray:
    """Array (points, 2): the line in units of the spans."""
    components = {line.system.of: VALUE, line.system.along: ALONG}
    columns = [line.branch.z[:, components[name]] / span for name, span in spans.items()]
    return np.stack(columns, axis=1)
