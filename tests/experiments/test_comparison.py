"""Simulation minus theory, on data whose means and errors are known."""

from __future__ import annotations

import math

import numpy as np
import pytest
import xarray as xr
from scipy import stats

from thermolimit.experiments import Tolerance, agreement, axis, compare
from thermolimit.experiments.comparison import agrees, table
from thermolimit.solvers import Status

T = [0.1, 0.2, 0.3]


def theory(overlap, **coords) -> xr.Dataset:
    return xr.Dataset({"overlap": ("temperature", overlap)}, {"temperature": T, **coords})


def simulation(samples, status=Status.OK, n_spins=100) -> xr.Dataset:
    """``samples`` over temperature and replica."""
    samples = np.asarray(samples, float)
    dims = ("temperature", "replica")
    return xr.Dataset(
        {"overlap": (dims, samples), "status": (dims, np.full(samples.shape, status))},
        {"temperature": T[: len(samples)], "n_spins": n_spins},
    )


def test_difference_error_and_pull_of_one_two_three():
    data = compare(theory([1.5, 0.0, 0.0]), simulation([[1.0, 2.0, 3.0]])).isel(temperature=0)
    assert data["overlap_theory"] == 1.5
    assert data["overlap_simulation"] == 2.0
    assert data["overlap_difference"] == 0.5
    assert data["overlap_error"] == pytest.approx(1 / math.sqrt(3))
    assert data["overlap_pull"] == pytest.approx(math.sqrt(3) / 2)
    assert (data["replicas"], data["left_out"]) == (3, 0)


def test_the_error_is_the_standard_error_of_the_mean():
    samples = np.random.default_rng(1).normal(size=(3, 17))
    data = compare(theory([0.0, 0.0, 0.0]), simulation(samples))
    expected = np.std(samples, axis=1, ddof=1) / np.sqrt(17)
    np.testing.assert_allclose(data["overlap_error"], expected)


@pytest.mark.parametrize("left_behind", [np.nan, np.inf, 99.0])
@pytest.mark.parametrize("status", [s for s in Status if s is not Status.OK])
def test_a_replica_whose_status_is_not_ok_is_left_out(status, left_behind):
    measured = simulation([[1.0, left_behind, 3.0, 4.0]])
    measured["status"][0, 1] = status
    found = compare(theory([2.0, 0.0, 0.0]), measured)
    expected = compare(theory([2.0, 0.0, 0.0]), simulation([[1.0, 3.0, 4.0]]))
    assert (found["replicas"], found["left_out"]) == (3, 1)
    xr.testing.assert_allclose(found.drop_vars("left_out"), expected.drop_vars("left_out"))


def test_one_replica_has_a_mean_but_no_error():
    data = compare(theory([1.0, 0.0, 0.0]), simulation([[3.0]]))
    assert data["overlap_difference"] == 2.0
    assert np.isnan(data["overlap_error"]) and np.isnan(data["overlap_pull"])


def test_a_point_without_good_replicas_has_no_mean():
    data = compare(theory([1.0, 0.0, 0.0]), simulation([[3.0, 4.0]], Status.NOT_FINITE))
    assert np.isnan(data["overlap_simulation"]) and np.isnan(data["overlap_error"])
    assert (data["replicas"], data["left_out"]) == (0, 2)


def test_replicas_that_agree_exactly_have_no_pull():
    data = compare(theory([1.0, 0.0, 0.0]), simulation([[3.0, 3.0]]))
    assert data["overlap_error"] == 0
    assert np.isnan(data["overlap_pull"])


@pytest.mark.parametrize("status", [s for s in Status if s is not Status.OK])
def test_a_theory_whose_status_is_not_ok_counts_as_left_out(status):
    predicted = theory([1.0, 2.0, 3.0])
    predicted["status"] = ("temperature", [Status.OK, status, Status.OK])
    data = compare(predicted, simulation([[1.0, 3.0], [1.0, 3.0], [2.0, 4.0]]))
    assert np.isnan(data["overlap_theory"][1])
    (row,) = agreement(data, Tolerance())
    assert (row.compared, row.left_out) == (2, 1)


def test_points_are_joined_by_their_coordinates():
    measured = simulation([[1.0, 1.0], [2.0, 2.0], [3.0, 3.0]]).isel(temperature=[2, 0])
    data = compare(theory([1.0, 2.0, 3.0]), measured)
    assert data["temperature"].values.tolist() == [0.3, 0.1]
    assert (data["overlap_difference"] == 0).all()


def test_dimensions_of_a_leaf_are_compared_too():
    predicted = theory([1.0, 2.0, 3.0]).expand_dims(step=[0, 5])
    measured = simulation([[1.0, 3.0], [2.0, 4.0]]).expand_dims(step=[0, 5])
    measured["status"] = measured["status"].isel(step=0)
    data = compare(predicted, measured)
    assert set(data["overlap_difference"].dims) == {"temperature", "step"}
    assert (data["overlap_difference"] == 1).all()


def test_only_names_that_both_have_are_compared():
    predicted = theory([1.0, 2.0, 3.0]).assign(energy=0.0, residual=0.0)
    measured = simulation([[1.0, 3.0]]).assign(acceptance=0.5, residual=0.0)
    assert compare(predicted, measured).attrs["observables"] == ["overlap"]


def test_a_point_that_was_not_predicted_is_named():
    measured = simulation([[1.0, 3.0]]).assign_coords(temperature=[0.35])
    with pytest.raises(ValueError, match="temperature = 0.35 was simulated but not predicted"):
        compare(theory([1.0, 2.0, 3.0]), measured)


def test_a_dimension_that_was_not_simulated_is_named():
    predicted = theory([1.0, 2.0, 3.0]).expand_dims(start=["retrieval", "spin_glass"])
    with pytest.raises(ValueError, match="'start' that was not simulated"):
        compare(predicted, simulation([[1.0, 3.0]]))


@pytest.mark.parametrize("simulated", [0.1, [0.05, 0.1]])
def test_another_value_of_a_scalar_coordinate_is_refused(simulated):
    predicted = theory([1.0, 2.0, 3.0], pattern_load=0.05)
    measured = simulation([[1.0, 3.0]])
    if isinstance(simulated, list):
        measured = measured.expand_dims(pattern_load=simulated)
    measured = measured.assign_coords(pattern_load=simulated)
    with pytest.raises(ValueError, match="pattern_load is 0.05 in the theory"):
        compare(predicted, measured)


def test_a_start_is_chosen_by_the_simulation():
    predicted = theory([1.0, 2.0, 3.0]).expand_dims(start=["cold", "hot"]).copy()
    predicted["overlap"] = predicted["overlap"] * xr.DataArray([1, 10], dims="start")
    measured = simulation([[10.0, 10.0]]).assign_coords(start="hot")
    data = compare(predicted, measured)
    assert data["overlap_difference"].dims == ("temperature",)
    assert (data["overlap_difference"] == 0).all()


def allowed(tolerance: Tolerance, replicas: int, error: float, n_spins: int = 100) -> float:
    at = {"n_spins": n_spins}
    return tolerance.allowed(
        "overlap", xr.DataArray(error, at), xr.DataArray(replicas, at)
    ).item()  # fmt: skip


def test_over_many_replicas_that_many_standard_errors_are_allowed():
    assert allowed(Tolerance(4.0), 10**9, 0.5) == pytest.approx(2.0)


@pytest.mark.parametrize("standard_errors", [1.0, 2.0, 4.0])
def test_over_few_replicas_more_are_allowed(standard_errors):
    rare = math.erfc(standard_errors / math.sqrt(2)) / 2
    tolerance = Tolerance(standard_errors)
    # Student's distribution of 1 and 2 degrees of freedom in closed form
    cauchy = 1 / math.tan(math.pi * rare)
    assert allowed(tolerance, 2, 1.0) == pytest.approx(cauchy)
    assert allowed(tolerance, 3, 1.0) == pytest.approx(
        (1 - 2 * rare) / math.sqrt(2 * rare * (1 - rare))
    )
    assert stats.t.sf(allowed(tolerance, 4, 1.0), 3) == pytest.approx(rare)


def test_the_bias_shrinks_with_the_size_and_belongs_to_its_observable():
    error = 0.5
    biased = Tolerance(4.0, bias={"overlap": 3.0})
    for n_spins in (10, 1000):
        plain = allowed(Tolerance(4.0), 8, error, n_spins)
        assert allowed(biased, 8, error, n_spins) == pytest.approx(plain + 3.0 / n_spins)
    other = Tolerance(4.0, bias={"energy": 3.0})
    assert allowed(other, 8, error) == allowed(Tolerance(4.0), 8, error)


@pytest.mark.parametrize("deviation, within", [(0.0299, 1), (0.0301, 0)])
def test_without_scatter_the_bias_alone_decides(deviation, within):
    measured = simulation([[1 + deviation, 1 + deviation]], n_spins=100)
    rows = agreement(compare(theory([1.0, 0, 0]), measured), Tolerance(bias={"overlap": 3.0}))
    assert rows[0].within == within
    assert agrees(rows) == bool(within)


def two_sizes() -> xr.Dataset:
    """Differences 0.1 and 0.3 at N = 10, and -1.0 and nothing at N = 20, all with error 1."""
    spread = np.array([-1.0, 1.0])
    measured = xr.concat(
        [
            simulation([0.1 + spread, 0.3 + spread], n_spins=10),
            simulation([-1.0 + spread, [np.nan, np.nan]], n_spins=20),
        ],
        "n_spins",
    )
    measured["status"] = measured["status"].where(np.isfinite(measured["overlap"]), Status.ERROR)
    return compare(theory([0.0, 0.0, 0.0]), measured)


def test_the_agreement_has_one_row_per_observable_and_size():
    small, large = agreement(two_sizes(), Tolerance())
    assert (small.observable, small.size, small.compared, small.left_out) == ("overlap", 10, 2, 0)
    assert (large.observable, large.size, large.compared, large.left_out) == ("overlap", 20, 1, 1)


def test_the_agreement_states_the_mean_deviation_with_its_error_and_the_largest_pull():
    small, large = agreement(two_sizes(), Tolerance())
    assert small.mean_difference == pytest.approx(0.2)
    assert small.error == pytest.approx(math.sqrt(1 + 1) / 2)
    assert small.largest_pull == pytest.approx(0.3)
    assert small.where == "temperature=0.2"
    assert (large.mean_difference, large.error, large.largest_pull) == (-1.0, 1.0, -1.0)


def recorded(samples: np.ndarray, temperatures: int, steps: int) -> xr.Dataset:
    """The same numbers at every temperature and step, one status for the records of a run."""
    axes = {"temperature": np.arange(temperatures), "step": np.arange(steps)}
    overlap = xr.DataArray(samples, dims="replica").expand_dims(axes)
    status = xr.full_like(overlap.isel(step=0, drop=True), Status.OK, int)
    measured = xr.Dataset({"overlap": overlap, "status": status}, {"n_spins": 100})
    return compare(xr.Dataset({"overlap": xr.zeros_like(overlap.isel(replica=0))}), measured)


def test_repeating_the_records_of_a_run_does_not_make_the_error_smaller():
    samples = np.random.default_rng(3).normal(size=11)
    for steps in (1, 2, 40):
        (row,) = agreement(recorded(samples, 1, steps), Tolerance())
        assert row.compared == steps
        assert row.error == pytest.approx(np.std(samples, ddof=1) / math.sqrt(11))


def test_errors_at_points_of_a_sweep_add_in_quadrature_and_those_of_records_do_not():
    samples = np.random.default_rng(4).normal(size=11)
    (row,) = agreement(recorded(samples, 9, 5), Tolerance())
    assert row.error == pytest.approx(np.std(samples, ddof=1) / math.sqrt(11) / math.sqrt(9))


def test_an_axis_of_names_has_an_agreement():
    measured = xr.concat(
        [simulation([[0.0, 2.0]]), simulation([[1.0, 3.0]])],
        xr.DataArray(["glauber", "metropolis"], dims="dynamics", name="dynamics"),
    )
    (row,) = agreement(compare(theory([0.0, 0.0, 0.0]), measured), Tolerance())
    assert (row.compared, row.largest_pull) == (2, 2.0)
    assert "dynamics=metropolis" in row.where


def test_one_deviating_point_is_enough_to_disagree():
    good = [[0.9, 1.1], [1.9, 2.1], [2.9, 3.1]]
    bad = [[0.9, 1.1], [1.9, 2.1], [9000.0, 9000.1]]
    tolerance = Tolerance()
    assert agrees(agreement(compare(theory([1, 2, 3]), simulation(good)), tolerance))
    assert not agrees(agreement(compare(theory([1, 2, 3]), simulation(bad)), tolerance))


def test_nothing_compared_is_no_agreement():
    data = compare(theory([1.0, 2.0, 3.0]), simulation([[1.0]]))
    rows = agreement(data, Tolerance())
    assert [row.compared for row in rows] == [0]
    assert not agrees(rows)
    assert not agrees([])


def test_the_table_shows_every_row():
    header, *lines = table(agreement(two_sizes(), Tolerance())).splitlines()
    assert header.split()[:2] == ["observable", "N"]
    assert [line.split()[:4] for line in lines] == [
        ["overlap", "10", "2", "0"],
        ["overlap", "20", "1", "1"],
    ]


def test_two_standard_errors_hold_as_often_over_four_replicas_as_under_a_normal_law():
    points, replicas = 40_000, 4
    mean = np.linspace(-1, 1, points)
    noise = np.random.default_rng(2).normal(size=(points, replicas))
    at = {"temperature": np.arange(points), "n_spins": 100}
    dims = ("temperature", "replica")
    predicted = xr.Dataset({"overlap": ("temperature", mean)}, at)
    measured = xr.Dataset(
        {"overlap": (dims, mean[:, None] + noise), "status": (dims, np.ones(noise.shape))}, at
    )
    (row,) = agreement(compare(predicted, measured), Tolerance(standard_errors=2.0))
    probability = math.erf(2 / math.sqrt(2))
    deviation = math.sqrt(probability * (1 - probability) / points)
    assert row.compared == points
    assert row.within / points == pytest.approx(probability, abs=3 * deviation)


def test_an_axis_includes_what_is_asked_for_in_increasing_order():
    values = axis(0.0, 1.0, 5, include=(0.3, 0.1, 0.5))
    assert values.tolist() == [0.0, 0.1, 0.25, 0.3, 0.5, 0.75, 1.0]


def test_a_value_on_the_axis_up_to_rounding_is_not_doubled():
    assert np.linspace(0, 1, 11)[3] != 0.3
    values = axis(0.0, 1.0, 11, include=(0.3,))
    assert 0.3 in values
    assert len(values) == 11


def test_two_data_sets_along_the_same_line_are_compared_point_by_point():
    line = {"temperature": ("point", [0.5, 0.7]), "field": ("point", [0.0, 0.1])}
    predicted = xr.Dataset({"level": ("point", [1.0, 2.0])}, line)
    measured = xr.Dataset(
        {
            "level": (("point", "replica"), [[1.0, 3.0], [2.0, 2.5]]),
            "status": (("point", "replica"), np.ones((2, 2), int)),
        },
        line,
    )
    np.testing.assert_allclose(compare(predicted, measured)["level_difference"], [1.0, 0.25])
    elsewhere = measured.assign_coords(field=("point", [0.0, 0.2]))
    with pytest.raises(ValueError, match="field is .* in the theory"):
        compare(predicted, elsewhere)


def test_a_comparison_without_sizes_says_what_is_missing():
    data = compare(theory([1.0, 2.0, 3.0]), simulation([[1.0, 1.1]]))
    with pytest.raises(ValueError, match="no coordinate 'width'"):
        agreement(data, Tolerance(size="width"))
