"""What goes in and comes out at the labelled edge."""

import jax
import numpy as np
import pytest
import xarray as xr

from thermolimit import solvers
from thermolimit.solvers import SinhTrapezoid, Status
from thermolimit.theory.curie_weiss import CurieWeiss
from thermolimit.theory.hebbian import hopfield

THEORY = CurieWeiss()
HOPFIELD = hopfield.ReplicaSymmetric()


def test_axes_become_dimensions_and_numbers_scalar_coordinates():
    data = solvers.saddle_points(THEORY, temperature=[0.5, 0.9, 1.1], field=0.1)
    assert dict(data.sizes) == {"temperature": 3, "start": 2}
    assert data["magnetization"].dims == ("temperature", "start")
    assert data["field"].ndim == 0
    assert data["magnetization"].attrs["long_name"] == "magnetization, $m$"
    assert data.attrs["theory"] == "CurieWeiss()"


def test_a_control_parameter_with_a_default_may_be_left_out():
    left_out, given = (
        solvers.saddle_points(THEORY, temperature=0.5, **field) for field in ({}, {"field": 0.0})
    )
    assert left_out.identical(given)


def test_one_start_by_name_is_a_scalar_and_several_are_a_dimension():
    assert solvers.saddle_points(THEORY, temperature=0.5, start="up")["start"].item() == "up"
    assert solvers.saddle_points(THEORY, temperature=0.5, start=["down"]).sizes == {"start": 1}


def test_data_arrays_that_share_a_dimension_make_a_line():
    line = {
        name: xr.DataArray(values, dims="point")
        for name, values in {"temperature": [0.5, 0.7], "field": [0.1, -0.2]}.items()
    }
    along = solvers.saddle_points(THEORY, start="up", **line)
    assert along["magnetization"].dims == ("point",)
    grid = solvers.saddle_points(THEORY, start="up", temperature=[0.5, 0.7], field=[0.1, -0.2])
    on_line = grid["magnetization"].sel(temperature=line["temperature"], field=line["field"])
    np.testing.assert_array_equal(along["magnetization"], on_line)


def test_a_point_has_the_same_digits_in_any_grid():
    loads, temperatures = np.linspace(0.01, 0.15, 7), np.linspace(0.1, 1.3, 5)
    grid = solvers.saddle_points(HOPFIELD, pattern_load=loads, temperature=temperatures)
    part = solvers.saddle_points(
        HOPFIELD, pattern_load=loads[[4, 1]], temperature=temperatures[::-2]
    )
    expected = grid.sel(pattern_load=part["pattern_load"], temperature=part["temperature"])
    xr.testing.assert_identical(part, expected)


def test_results_are_float64_numpy_arrays_and_the_users_settings_stay():
    before = jax.config.jax_enable_x64
    data = solvers.saddle_points(THEORY, temperature=0.5)
    assert data["magnetization"].dtype == np.float64
    assert isinstance(data["magnetization"].data, np.ndarray)
    assert jax.config.jax_enable_x64 == before
    assert jax.numpy.ones(3).dtype == (np.float64 if before else np.float32)


def test_every_state_carries_its_diagnostics():
    data = solvers.saddle_points(HOPFIELD, start="retrieval", pattern_load=0.05, temperature=0.3)
    assert data["status"] == Status.OK
    assert data["residual"] < 1e-12
    assert data["certificate"] < 1e-12
    assert data["growth_rate"] < 0
    assert data["hessian_index"] == 1
    assert data["steps"] > 0
    meanings = data["status"].attrs["flag_meanings"].split()
    assert meanings[data["status"].item()] == "ok"


def test_states_of_a_coarse_rule_are_masked_with_a_warning():
    coarse = hopfield.ReplicaSymmetric(SinhTrapezoid(21))
    with pytest.warns(solvers.ConvergenceWarning, match="1 NOT_CERTIFIED of 1 points"):
        data = solvers.saddle_points(coarse, start="retrieval", pattern_load=0.05, temperature=0.1)
    assert np.isnan(data["overlap"])
    assert data["residual"] < 1e-10 < data["certificate"]


def test_a_failure_may_raise_or_be_kept():
    coarse = hopfield.ReplicaSymmetric(SinhTrapezoid(21))
    point = {"start": "retrieval", "pattern_load": 0.05, "temperature": 0.1}
    with pytest.raises(solvers.ConvergenceError, match=r"pattern_load=0\.05"):
        solvers.saddle_points(coarse, on_failure="raise", **point)
    kept = solvers.saddle_points(coarse, on_failure="keep", **point)
    assert np.isfinite(kept["overlap"])
    assert kept["status"] == Status.NOT_CERTIFIED


def test_certify_replaces_the_certificate_and_condemns_what_fails():
    coarse = hopfield.ReplicaSymmetric(SinhTrapezoid(21))
    point = {"start": "retrieval", "pattern_load": 0.05, "temperature": [0.1, 1.6]}
    kept = solvers.saddle_points(coarse, on_failure="keep", **point)
    same = solvers.certify(
        coarse, kept.assign(status=xr.ones_like(kept["status"])), rule=coarse.rule
    )
    np.testing.assert_allclose(same["certificate"], kept["residual"], atol=1e-15)
    with pytest.warns(solvers.ConvergenceWarning):
        fine = solvers.certify(
            coarse, kept.assign(status=xr.ones_like(kept["status"])), rule=SinhTrapezoid(201)
        )
    assert fine["status"].values.tolist() == [Status.NOT_CERTIFIED, Status.OK]
    assert np.isnan(fine["overlap"].values).tolist() == [True, False]


def test_a_start_outside_the_domain_is_an_answer_not_a_failure():
    data = solvers.saddle_points(
        HOPFIELD, start="paramagnet", pattern_load=0.05, temperature=[0.5, 1.5]
    )
    assert data["status"].values.tolist() == [Status.OUT_OF_DOMAIN, Status.OK]
    assert np.isnan(data["overlap"].values).tolist() == [True, False]


def test_equilibrium_is_the_stable_state_of_lowest_free_energy():
    data = solvers.saddle_points(THEORY, temperature=0.5, field=[-0.1, 0.1])
    best = solvers.equilibrium(data)
    assert best["start"].values.tolist() == ["down", "up"]
    np.testing.assert_array_equal(np.sign(best["magnetization"]), [-1, 1])
    # below its transition the unstable paramagnet has the lower free energy, and must not win
    glassy = {"pattern_load": 0.1, "temperature": 1.1, "start": ["paramagnet", "spin_glass"]}
    data = solvers.saddle_points(HOPFIELD, **glassy)
    f = data["free_energy"]
    assert f.sel(start="paramagnet") < f.sel(start="spin_glass")
    assert solvers.equilibrium(data)["start"] == "spin_glass"


def test_without_a_stable_state_equilibrium_is_missing():
    data = solvers.saddle_points(
        HOPFIELD, pattern_load=0.1, temperature=[0.5, 1.1], start=["paramagnet"]
    )
    best = solvers.equilibrium(data)
    assert best["status"].values.tolist() == [Status.MISSING, Status.MISSING]
    assert np.isnan(best["free_energy"]).all()


@pytest.mark.parametrize(
    "controls, error, sentence",
    [
        ({"temperature": -0.1}, ValueError, r"temperature = -0.1 is outside \(0, inf\)"),
        ({"temperature": [0.5, 0.0]}, ValueError, r"temperature = 0 is outside \(0, inf\)"),
        ({"temperature": np.nan}, ValueError, "temperature = nan is not a finite number"),
        ({"temperature": []}, ValueError, "temperature is empty"),
        ({"temperature": [0.5, 0.5]}, ValueError, "temperature has repeated values"),
        ({"temperature": [[0.5, 0.6]]}, ValueError, "temperature has 2 dimensions without names"),
        ({"temperature": "warm"}, ValueError, "temperature = 'warm' is not a number"),
        ({}, TypeError, "missing control parameter temperature"),
        ({"temprature": 0.5}, TypeError, "'temprature'; did you mean 'temperature'"),
        ({"temperature": 0.5, "start": "upp"}, ValueError, "start 'upp'; did you mean 'up'"),
        ({"temperature": 0.5, "on_failure": "hide"}, ValueError, "on_failure = 'hide'"),
    ],
)
def test_bad_input_gets_one_sentence(controls, error, sentence):
    with pytest.raises(error, match=sentence) as caught:
        solvers.saddle_points(THEORY, **controls)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("load", [0.0, -0.1])
def test_a_pattern_load_must_be_positive(load):
    with pytest.raises(ValueError, match=rf"pattern_load = {load:g} is outside \(0, inf\)"):
        solvers.saddle_points(HOPFIELD, pattern_load=load, temperature=0.5)
