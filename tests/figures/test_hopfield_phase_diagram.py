"""The picture of a small dataset made by hand."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import matplotlib
import numpy as np
import pytest
import xarray as xr
from matplotlib.collections import LineCollection, PathCollection
from matplotlib.container import ErrorbarContainer
from matplotlib.figure import Figure

from thermolimit import figures
from thermolimit.experiments import compare
from thermolimit.figures.hebbian.hopfield_phase_diagram import draw
from thermolimit.solvers import Status

STUDY = "hebbian/hopfield_phase_diagram"
LOADS, TEMPERATURES, SIZES = [0.02, 0.05, 0.14], [0.2, 0.4], [400, 100]
PREDICTED = 0.1  # largest load with a retrieval state
ERROR = 0.01


def coordinate(name: str, values: Sequence[float]) -> xr.DataArray:
    return xr.DataArray(values, {name: values}, [name])


def line(pattern_load: list[float], temperature: list[float]) -> xr.Dataset:
    return xr.Dataset(
        {"pattern_load": ("point", pattern_load), "temperature": ("point", temperature)}
    )


def dataset(predicted: float = PREDICTED) -> xr.DataTree:
    """Overlap 1 - alpha - T / 2 in the limit, and 1 / N more with error bars of ``ERROR``."""
    alpha, T = coordinate("pattern_load", LOADS), coordinate("temperature", TEMPERATURES)
    limit = 1 - alpha - T / 2
    known = xr.where(alpha < predicted, Status.OK, Status.MISSING)
    theory = xr.Dataset({"overlap": limit, "status": known.broadcast_like(limit)})
    noise = xr.DataArray([-ERROR, ERROR], dims="replica")
    overlap = limit + 1 / coordinate("n_spins", SIZES) + noise
    simulation = xr.Dataset({"overlap": overlap, "status": xr.full_like(overlap, Status.OK, int)})
    lines = {
        "glass": xr.Dataset({"temperature": 1 + alpha**0.5}),
        "spinodal": line([0.01, 0.12], [0.9, 0.1]),
        "first_order": line([0.01, 0.05], [0.9, 0.1]),
        "almeida_thouless": line([0.1, 0.13], [0.01, 0.05]),
    }
    groups = {"theory": theory, "simulation": simulation, "comparison": compare(theory, simulation)}
    return xr.DataTree.from_dict(groups | {f"lines/{name}": data for name, data in lines.items()})


def points(figure: Figure) -> dict[tuple[float, float], float]:
    """Simulated overlaps in the plane."""
    (scatter,) = (c for c in figure.axes[0].collections if isinstance(c, PathCollection))
    places = np.asarray(scatter.get_offsets()).tolist()
    return dict(zip(map(tuple, places), np.asarray(scatter.get_array()).ravel(), strict=True))


def error_bars(figure: Figure) -> list[np.ndarray]:
    """Ends of the bars of every compared point: (size, lower or upper, x or y)."""
    bars = []
    for container in figure.axes[1].containers:
        assert isinstance(container, ErrorbarContainer)
        (vertical,) = container.lines[2]
        assert isinstance(vertical, LineCollection)
        bars.append(np.array(vertical.get_segments()))
    return bars


def test_both_panels_say_what_their_axes_are():
    plane, deviation = draw(dataset()).axes[:2]
    assert r"\alpha" in plane.get_xlabel() and "$T$" in plane.get_ylabel()
    assert "$N$" in deviation.get_xlabel() and "overlap" in deviation.get_ylabel()
    assert plane.get_title() and deviation.get_title()


def test_the_color_bar_names_the_overlap():
    assert "overlap" in draw(dataset()).axes[2].get_ylabel()


def test_the_legend_names_the_four_lines_and_the_simulation():
    legend = draw(dataset()).axes[0].get_legend()
    assert legend is not None
    said = [text.get_text() for text in legend.get_texts()]
    assert len(said) == 5
    for symbol in ("T_g", "T_M", "T_c", "T_R", "N = 400"):
        assert sum(symbol in text for text in said) == 1


def test_every_line_is_drawn_where_it_was_found():
    drawn = [np.asarray(line.get_xydata()).tolist() for line in draw(dataset()).axes[0].lines]
    for name, group in dataset()["lines"].children.items():
        data = group.to_dataset()
        expected = np.stack([data["pattern_load"], data["temperature"]], axis=1).tolist()
        assert expected in drawn, name


@pytest.mark.parametrize("order", [("n_spins", ...), (..., "pattern_load"), ("replica", ...)])
def test_every_simulated_point_is_in_the_plane_with_its_overlap_in_the_largest_network(order):
    tree = dataset()
    tree["simulation"] = xr.DataTree(tree["simulation"].to_dataset().transpose(*order))
    drawn = points(draw(tree))
    expected = {(a, T): 1 - a - T / 2 + 1 / 400 for a, T in itertools.product(LOADS, TEMPERATURES)}
    assert drawn == pytest.approx(expected)


def test_every_compared_point_has_deviations_with_error_bars():
    bars = error_bars(draw(dataset()))
    assert len(bars) == sum(load < PREDICTED for load in LOADS) * len(TEMPERATURES)
    for bar in bars:
        lower, upper = bar[:, 0, 1], bar[:, 1, 1]
        np.testing.assert_allclose((lower + upper) / 2, [1e3 / n for n in SIZES])
        np.testing.assert_allclose(upper - lower, 2e3 * ERROR)


def test_the_deviations_of_a_point_are_named_by_its_coordinates():
    legend = draw(dataset()).axes[1].get_legend()
    assert legend is not None
    said = {text.get_text() for text in legend.get_texts()}
    assert said == {
        rf"$\alpha={a:g}$, $T={T:g}$"
        for a, T in itertools.product(LOADS, TEMPERATURES)
        if a < PREDICTED
    }


def test_without_any_compared_point_the_plane_is_drawn_all_the_same():
    figure = draw(dataset(predicted=0.0))
    assert len(points(figure)) == len(LOADS) * len(TEMPERATURES)
    assert error_bars(figure) == []


def test_saving_writes_png_and_pdf(tmp_path):
    files = figures.save(STUDY, dataset(), tmp_path / "quick")
    assert files == [tmp_path / "quick.png", tmp_path / "quick.pdf"]
    assert files[0].read_bytes().startswith(b"\x89PNG")
    assert files[1].read_bytes().startswith(b"%PDF")


def test_saving_leaves_the_users_settings_alone(tmp_path):
    with matplotlib.rc_context({"font.size": 23, "axes.spines.top": True}):
        before = dict(matplotlib.rcParams)
        figures.save(STUDY, dataset(), tmp_path / "quick")
        assert dict(matplotlib.rcParams) == before


def test_a_study_without_a_figure_saves_none(tmp_path):
    assert figures.save("toys/coin", dataset(), tmp_path / "quick") == []
    assert list(tmp_path.iterdir()) == []
