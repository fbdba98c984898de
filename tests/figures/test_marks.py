"""Simulated points: their means, error bars, colours and symbols."""

import numpy as np
import pytest
import xarray as xr
from matplotlib.colors import to_rgba
from matplotlib.container import ErrorbarContainer
from matplotlib.figure import Figure

from thermolimit.figures.marks import MARKERS, draw_means, largest, over_replicas


def drawn(k: int, **style):
    """The line of symbols and the bars of two means."""
    axes = Figure().subplots()
    draw_means(axes, [1.0, 2.0], [3.0, 5.0], [0.1, 0.2], k, "simulation", **style)
    (container,) = axes.containers
    assert isinstance(container, ErrorbarContainer)
    assert container.get_label() == "simulation"
    symbols, _, (bars,) = container.lines
    return symbols, bars


def test_the_largest_networks_need_not_be_the_last():
    data = xr.Dataset({"overlap": ("n_spins", [0.1, 0.2, 0.3])}, {"n_spins": [200, 800, 400]})
    assert largest(data)["overlap"] == 0.2
    assert largest(data.rename(n_spins="dimension"), "dimension")["dimension"] == 800


def test_mean_and_standard_error_of_one_two_three():
    mean, error = over_replicas(xr.DataArray([1.0, 2.0, 3.0], dims="replica"))
    assert mean == 2.0
    assert error == pytest.approx(1 / np.sqrt(3))


def test_bars_reach_one_error_to_each_side_of_the_mean():
    symbols, bars = drawn(0)
    np.testing.assert_array_equal(symbols.get_xydata(), [[1, 3], [2, 5]])
    np.testing.assert_allclose(bars.get_segments(), [[[1, 2.9], [1, 3.1]], [[2, 4.8], [2, 5.2]]])


@pytest.mark.parametrize("k", [0, 3, len(MARKERS) + 1])
def test_full_points_are_filled_with_the_colour_of_their_curve_and_hollow_ones_edged(k):
    full, hollow = drawn(k)[0], drawn(k, hollow=True)[0]
    colour = to_rgba(f"C{k}")
    assert (to_rgba(full.get_markerfacecolor()), full.get_markeredgecolor()) == (colour, "k")
    assert (hollow.get_markerfacecolor(), to_rgba(hollow.get_markeredgecolor())) == ("w", colour)
    assert full.get_marker() == hollow.get_marker() == MARKERS[k % len(MARKERS)]


def test_a_symbol_of_its_own_may_be_given():
    assert drawn(0, fmt="x")[0].get_marker() == "x"
