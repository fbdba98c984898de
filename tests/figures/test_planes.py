"""A phase diagram is drawn from its dataset alone, whatever the theory."""

import json

import matplotlib
import numpy as np
import pytest
import xarray as xr
from matplotlib.patches import Patch

from thermolimit import figures

X, Y = np.linspace(0.0, 1.0, 4), np.linspace(0.5, 2.0, 5)


def line(kind, states, x, y):
    return xr.Dataset(
        {"load": ("point", x), "heat": ("point", y)},
        attrs={"transition": kind, "states": states},
    )


def diagram(missing=(), equilibrium=True):
    """Two states, two spinodals of one kind, another line, and a critical point."""
    axes = {
        "load": ("load", X, {"long_name": "load, $x$"}),
        "heat": ("heat", Y, {"long_name": "heat, $y$"}),
    }
    winner = np.where(X[:, None] + 0 * Y > 0.5, "ordered_phase", "other")
    winner[0, 0] = ""  # nothing known
    meaning = {"flag_values": [0, 1], "flag_meanings": "critical crossing"}
    groups = {
        "states": xr.Dataset(coords=axes),
        "lines/spinodal_a": line("spinodal", ["ordered_phase"], [0.1, 0.4], [0.6, 1.0]),
        "lines/spinodal_b": line("spinodal", ["other"], [0.2, 0.5], [0.6, 1.0]),
        "lines/coexistence": line("coexistence", ["ordered_phase", "other"], [0, 0.5], [1, 2.0]),
        "lines/replicon": line("replicon", ["other"], [0.3, 0.35], [0.6, 1.9]),
        "points": xr.Dataset(
            {"load": ("point", [0.5]), "heat": ("point", [1.5])}
            | {"kind": ("point", np.array([0], np.int8), meaning)}
        ),
    }
    if equilibrium:
        groups["equilibrium"] = xr.Dataset({"state": (("load", "heat"), winner)}, axes)
    tree = xr.DataTree.from_dict({f"/{name}": data for name, data in groups.items()})
    tree.attrs = {"x": "load", "y": "heat", "missing": json.dumps(list(missing))}
    return tree


def legend(figure):
    return [text.get_text() for text in figure.axes[0].get_legend().get_texts()]


def test_the_axes_bear_the_names_and_ranges_of_the_controls():
    axes = figures.phase_diagram(diagram()).axes[0]
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("load, $x$", "heat, $y$")
    assert axes.get_xlim() == (0, 1) and axes.get_ylim() == (0.5, 2)


def test_every_line_is_drawn_where_it_was_found_and_named_in_the_legend():
    figure = figures.phase_diagram(diagram())
    drawn = [np.asarray(drawn.get_xydata()).tolist() for drawn in figure.axes[0].lines]
    for node in diagram()["lines"].children.values():
        expected = np.stack([node["load"], node["heat"]], axis=1).tolist()
        assert expected in drawn
    said = legend(figure)
    assert "spinodal of ordered phase" in said and "spinodal of other" in said
    assert "coexistence of ordered phase and other" in said
    assert "replicon of other vanishes" in said and "critical point" in said


def test_lines_of_one_kind_can_be_told_apart():
    lines = {line.get_label(): line for line in figures.phase_diagram(diagram()).axes[0].lines}
    one, other = lines["spinodal of ordered phase"], lines["spinodal of other"]
    assert one.get_color() == other.get_color() and one.get_linestyle() != other.get_linestyle()


def test_the_tints_are_those_of_the_equilibrium_and_unknown_points_have_none():
    figure = figures.phase_diagram(diagram())
    (mesh,) = figure.axes[0].collections
    codes = np.ma.asarray(mesh.get_array()).reshape(len(Y), len(X))
    assert np.ma.getmaskarray(codes)[0, 0]
    assert set(codes[1:, X > 0.5].ravel()) == {0} and set(codes[1:, X < 0.5].ravel()) == {1}
    patches = [h for h in figure.axes[0].get_legend().legend_handles if isinstance(h, Patch)]
    assert len(patches) == 2


@pytest.mark.parametrize("missing", [(), ("coexistence of a and b: no line",)])
def test_what_is_missing_is_written_into_the_figure(missing):
    figure = figures.phase_diagram(diagram(missing))
    written = figure.get_supxlabel()
    assert all(sentence in written for sentence in missing)
    assert bool(written) == bool(missing)


def test_without_equilibrium_there_are_lines_but_no_tints():
    axes = figures.phase_diagram(diagram(equilibrium=False)).axes[0]
    assert not axes.collections and len(axes.lines) == 5


def test_drawing_leaves_the_users_settings_alone():
    with matplotlib.rc_context({"font.size": 23}):
        before = dict(matplotlib.rcParams)
        figures.phase_diagram(diagram())
        assert dict(matplotlib.rcParams) == before
