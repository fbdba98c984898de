"""A state is followed by name, exactly, and what cannot be followed is named."""

from dataclasses import dataclass
from typing import Annotated, Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import xarray as xr
from corpus import (
    BRANCHES,
    COARSE,
    HOPFIELD,
    Cusp,
    Potts,
    SaddleNode,
    branch,
    coarse_branch,
    named,
)

from thermolimit import solvers
from thermolimit.solvers import ConvergenceError, ConvergenceWarning, SinhTrapezoid, Status
from thermolimit.solvers.branches import read
from thermolimit.solvers.saddle import TOLERANCE
from thermolimit.theory.curie_weiss import CurieWeiss

# the laws of the corpus divide by up to 1e3 (artanh near one) what Newton leaves, 1e-14
EXACT = 1e-11


def turns(values):
    """How often the sign changes."""
    return int(np.sum(values[:-1] * values[1:] < 0))


def law_of(name, data):
    """Largest violation of what is known of the states of a problem."""
    case = BRANCHES[name]
    # a law is written for all points of a branch
    return np.max(np.abs(np.asarray(case.law(data))))


def expand(data):
    """One state as a branch of one point."""
    return data.reset_coords().expand_dims("point")


@pytest.mark.parametrize("name", named(BRANCHES))
def test_the_state_where_a_branch_begins_is_found_and_obeys_the_law(name):
    case = BRANCHES[name]
    data = solvers.saddle_points(case.theory, start=case.start, **case.at)
    assert data["status"] == Status.OK
    assert data["residual"] <= TOLERANCE
    # a saddle point has this residual, and the law divides it by the distance from criticality
    assert law_of(name, expand(data)) < 1e-8


@pytest.mark.parametrize("name", named(BRANCHES))
def test_all_points_of_a_branch_obey_the_law(name):
    data = branch(name)
    assert (data["status"] == Status.OK).all()
    assert (data["residual"] <= TOLERANCE).all()
    assert (data["certificate"] <= 10 * TOLERANCE).all()
    assert law_of(name, data) < EXACT


@pytest.mark.parametrize("name", named(BRANCHES))
def test_a_branch_is_followed_through_all_folds_to_its_ends(name):
    case, data = BRANCHES[name], branch(name)
    assert (data.attrs["began"], data.attrs["ended"]) == case.ends
    assert turns(data["direction"].values) == case.folds
    parameter = data[case.parameter].values
    assert parameter.min() >= case.bounds[0] and parameter.max() <= case.bounds[1]
    for why, end in zip(case.ends, parameter[[0, -1]], strict=True):
        if why == "bounds":  # to the last bit but one
            assert np.min(np.abs(end - np.array(case.bounds))) <= 1e-15


@pytest.mark.parametrize("name", named(BRANCHES))
def test_a_branch_passes_its_start_and_the_arclength_counts_from_there(name):
    case, data = BRANCHES[name], branch(name)
    assert (np.diff(data["arclength"]) > 0).all()
    begun = data.sel(point=np.flatnonzero(data["arclength"] == 0).item())
    assert begun[case.parameter] == case.at[case.parameter]
    assert begun["direction"] > 0
    alone = solvers.saddle_points(case.theory, start=case.start, **case.at)
    for order in case.theory.Order._fields:  # what is left of the saddle point is its residual
        np.testing.assert_allclose(begun[order], alone[order], atol=1e-8)


@pytest.mark.parametrize("name", named(BRANCHES))
def test_the_direction_is_that_in_which_the_parameter_changes(name):
    case, data = BRANCHES[name], branch(name)
    direction, step = data["direction"].values, np.diff(data[case.parameter])
    same = direction[:-1] * direction[1:] > 0
    np.testing.assert_array_equal(np.sign(step[same]), np.sign(direction[:-1][same]))


ORIENTED = ["cusp", "butterfly, upper", "isola", "3 patterns", "3 patterns, mixture", "potts"]


@pytest.mark.parametrize("name", ORIENTED)
def test_the_orientation_is_the_sign_of_the_determinant(name):
    case, data = BRANCHES[name], branch(name)
    followed = read(case.theory, data)
    with jax.enable_x64(True):

        def rows(order, value):
            control = followed.control._replace(**{case.parameter: value})
            x, unravel = jax.flatten_util.ravel_pytree(order)

            def defect(x):
                moved = case.theory.update(unravel(x), control)
                return jax.flatten_util.ravel_pytree(moved)[0] - x

            return jnp.linalg.det(jax.jacfwd(defect)(x))

        chosen = slice(None, None, max(1, len(followed.values) // 8))
        orders = jax.tree.map(lambda x: jnp.asarray(x[chosen]), followed.orders)
        determinant = jax.jit(jax.vmap(rows))(orders, jnp.asarray(followed.values[chosen]))
    clear = np.abs(determinant) > 1e-6
    expected = np.sign(determinant)[clear]
    np.testing.assert_array_equal(data["orientation"].values[chosen][clear], expected)


RULED = [name for name, case in BRANCHES.items() if hasattr(case.theory, "rule")]


@pytest.mark.parametrize("name", named(RULED))
def test_branches_are_certified_by_a_finer_rule(name):
    data = solvers.certify(BRANCHES[name].theory, branch(name), rule=SinhTrapezoid(501))
    assert (data["status"] == Status.OK).all()
    assert (data["certificate"] <= 10 * TOLERANCE).all()
    if name != "hopfield paramagnet":  # exactly zero under all rules
        assert (data["certificate"].values != branch(name)["certificate"].values).any()


def test_the_paramagnet_of_three_spin_interactions_is_always_stable():
    for name in ("ferromagnet's paramagnet", "eliminated paramagnet"):
        data = branch(name)
        np.testing.assert_allclose(data["growth_rate"], -1, atol=1e-15)
        assert (data["orientation"] == -1).all()


def test_a_degenerate_potential_does_not_matter_where_the_map_is_regular():
    plain, degenerate = (BRANCHES[name].theory for name in ("ferromagnet", "eliminated"))
    with jax.enable_x64(True):
        control = plain.Control(jnp.array(1.0))

        def curvature(theory):
            def f(m):
                return theory.free_energy(theory.Order(m), control)

            return float(jax.grad(jax.grad(f))(jnp.array(0.0)))

        assert curvature(plain) == pytest.approx(1.0, abs=1e-15)  # T, that of the entropy
        assert curvature(degenerate) == 0
    np.testing.assert_allclose(
        branch("ferromagnet")["free_energy"], branch("eliminated")["free_energy"], atol=1e-12
    )


@pytest.mark.parametrize("longest_step", [0.01, 0.3])
def test_the_longest_step_changes_how_many_points_there_are_and_not_where(longest_step):
    case = BRANCHES["curie-weiss down"]
    data = solvers.trace_branch(
        case.theory, case.parameter, start=case.start, bounds=case.bounds,
        longest_step=longest_step, **case.at,
    )  # fmt: skip
    assert (data.attrs["began"], data.attrs["ended"]) == case.ends
    assert law_of("curie-weiss down", data) < EXACT
    assert turns(data["direction"].values) == case.folds
    assert (data.sizes["point"] > branch("curie-weiss down").sizes["point"]) == (
        longest_step < 0.04
    )


def test_names_and_dimensions():
    data = branch("curie-weiss up")
    theory = CurieWeiss()
    point = solvers.saddle_points(theory, start="up", temperature=0.5)
    assert set(data.data_vars) == set(point.data_vars) | {"direction", "orientation"}
    for name in data.data_vars:
        assert data[name].dims == ("point",)
        assert data[name].attrs["long_name"]
    for name in point.data_vars:
        assert data[name].attrs == point[name].attrs
    assert set(data.coords) == {"field", "temperature", "start", "arclength"}
    assert data["field"].dims == data["arclength"].dims == ("point",)
    assert data["field"].attrs["long_name"] == "external field, $h$"
    assert data["arclength"].attrs["long_name"] == "arclength, 0 at the start"
    assert data["direction"].attrs["long_name"] == "change of field along the branch"
    assert data["orientation"].attrs["long_name"] == "sign of det d(F - x)/dx"
    assert (data["temperature"].item(), data["start"].item()) == (0.5, "up")
    assert data.attrs["parameter"] == "field"
    assert list(data.attrs["bounds"]) == [-1, 1]
    assert data.attrs["theory"] == "CurieWeiss()"
    assert "thermolimit_version" in data.attrs
    assert data["magnetization"].dtype == np.float64


def test_leaves_of_a_state_keep_their_dimensions():
    data = branch("potts")
    assert data["fraction"].dims == ("point", "colour")
    assert data["free_energy"].dims == ("point",)


def test_a_branch_is_read_back_as_it_was_followed():
    for name in ("curie-weiss up", "potts"):
        case, data = BRANCHES[name], branch(name)
        followed = read(case.theory, data)
        assert (followed.parameter, followed.start) == (case.parameter, case.start)
        assert followed.bounds == case.bounds
        np.testing.assert_array_equal(followed.values, data[case.parameter])
        for order, value in followed.orders._asdict().items():
            np.testing.assert_array_equal(value, data[order])
            np.testing.assert_array_equal(getattr(followed.at(3), order), data[order][3])
        for control, value in case.at.items():
            if control != case.parameter:
                assert getattr(followed.control, control) == value


@dataclass(frozen=True)
class Modes(solvers.SelfConsistent):
    """x_i = tanh(gain lambda_i x_i), one control with a dimension of its own."""

    name: str = "modes"

    class Order(NamedTuple):
        x: Annotated[Any, "mode"]

    class Control(NamedTuple):
        gain: Annotated[Any, (0.0, np.inf)]
        spectrum: Annotated[Any, "mode"]

    starts = {"one": Order(np.ones(2))}

    def update(self, order, control):
        return self.Order(jnp.tanh(control.gain * control.spectrum * order.x))


def test_a_control_with_dimensions_is_passed_along_but_cannot_be_followed():
    given = {"gain": 2.0, "spectrum": np.array([1.0, 2.0])}
    data = solvers.trace_branch(Modes(), "gain", start="one", bounds=(1.5, 3), **given)
    assert data["x"].dims == ("point", "mode")
    np.testing.assert_array_equal(data["spectrum"], [1.0, 2.0])
    assert data["name"].item() == "modes"
    inverse = np.arctanh(data["x"]) / data["x"]  # gain times eigenvalue
    np.testing.assert_allclose(inverse, data["gain"] * data["spectrum"], rtol=1e-9)
    with pytest.raises(TypeError, match="spectrum has dimensions of its own"):
        solvers.trace_branch(Modes(), "spectrum", start="one", bounds=(0, 1), **given)


@pytest.mark.parametrize("end", [-1.0, 1.0])
def test_a_branch_may_begin_on_its_bounds(end):
    data = solvers.trace_branch(
        CurieWeiss(), "field", start="up", bounds=sorted([0, end]), field=0.0, temperature=1.5
    )
    assert data.attrs["began"] == data.attrs["ended"] == "bounds"
    np.testing.assert_array_equal(data["field"][[0, -1]], sorted([0, end]))


def test_a_branch_ends_where_a_control_parameter_is_not_allowed():
    data = solvers.trace_branch(
        CurieWeiss(), "temperature", start="up", bounds=(-1, 1), temperature=0.5, field=0.1
    )
    assert (data.attrs["began"], data.attrs["ended"]) == ("domain", "bounds")
    assert 0 < data["temperature"][0] < 1e-6
    assert data["magnetization"][0] == pytest.approx(1, abs=1e-15)


@pytest.mark.parametrize("field", [1e-2, 1e-4, 1e-6])
def test_a_magnet_in_a_small_field_never_turns_over(field):
    # at 1e-6 a step of 0.04 would lead straight on into the mirror image
    data = solvers.trace_branch(
        CurieWeiss(), "temperature", start="up", bounds=(0.3, 2), temperature=0.5, field=field
    )
    assert (data["magnetization"] > 0).all()
    assert (data["growth_rate"] < 0).all()


def test_uncertified_points_are_masked_and_counted():
    with pytest.warns(ConvergenceWarning) as told:
        data = coarse_branch()
    failed = data["status"] == Status.NOT_CERTIFIED
    assert 0 < failed.sum() < failed.size
    assert f"{failed.sum().item()} NOT_CERTIFIED of {failed.size} points" in str(told[0].message)
    np.testing.assert_array_equal(np.isnan(data["magnetization"]), failed)
    np.testing.assert_array_equal(data["certificate"] > 10 * TOLERANCE, failed)
    assert (data["residual"] <= TOLERANCE).all()
    for known in ("direction", "orientation", "field", "arclength"):
        assert np.isfinite(data[known]).all()


def test_uncertified_points_may_be_kept_or_refused():
    assert np.isfinite(coarse_branch(on_failure="keep")["magnetization"]).all()
    with pytest.raises(ConvergenceError, match="NOT_CERTIFIED"):
        coarse_branch(on_failure="raise")


def test_the_error_of_a_coarse_rule_is_seen_by_any_finer_one():
    data = coarse_branch(on_failure="keep")
    finer = solvers.certify(COARSE, data, rule=SinhTrapezoid(301), on_failure="keep")
    # three times as many nodes see all of it already; what is left is rounding
    np.testing.assert_allclose(finer["certificate"], data["certificate"], rtol=1e-3, atol=1e-12)
    assert finer["certificate"].max() > 1e-8


def test_a_branch_cannot_begin_where_its_state_is_not_certified():
    with pytest.raises(ConvergenceError, match="no state from the start 'down'.*NOT_CERTIFIED"):
        solvers.trace_branch(
            COARSE, "field", start="down", bounds=(-3, 1), temperature=0.1, field=0.0
        )


CURIE_WEISS = {"theory": CurieWeiss(), "parameter": "field", "start": "up", "bounds": (-1, 1)}
AT = {"temperature": 0.5, "field": 0.0}


@pytest.mark.parametrize(
    "wrong, error, sentence",
    [
        ({"start": "upp"}, ValueError, "unknown start 'upp'; did you mean 'up'"),
        ({"parameter": "fild"}, TypeError, "control parameter 'fild'; did you mean 'field'"),
        ({"parameter": "start"}, TypeError, "unknown control parameter 'start'"),
        ({"coupling": 1.0}, TypeError, "unknown control parameter 'coupling'"),
        ({"field": 2.0}, ValueError, r"field = 2 is outside the bounds \(-1, 1\)"),
        ({"bounds": (1, -1)}, ValueError, r"bounds = \(1, -1\) of field do not increase"),
        ({"bounds": (0, 0)}, ValueError, r"bounds = \(0, 0\) of field do not increase"),
        ({"bounds": (0, np.nan)}, ValueError, "do not increase"),
        ({"field": [0.0, 0.1]}, ValueError, "a branch begins at one point, not on a grid"),
        ({"temperature": [0.5, 0.6]}, ValueError, "a branch begins at one point, not on a grid"),
        ({"temperature": -1.0}, ValueError, r"temperature = -1 is outside \(0, inf\)"),
        ({"theory": CurieWeiss}, TypeError, "CurieWeiss is a class; pass an instance"),
        ({"theory": 3}, TypeError, "int is no SelfConsistent theory"),
        ({"on_failure": "ignore"}, ValueError, "on_failure = 'ignore' is not one of"),
        (
            {"parameter": "temperature", "bounds": (-2, 0)},
            ValueError,
            r"bounds = \(-2, 0\) of temperature are outside \(0, inf\)",
        ),
    ],
)
def test_wrong_requests_are_named(wrong, error, sentence):
    asked = CURIE_WEISS | AT | wrong
    theory, parameter = asked.pop("theory"), asked.pop("parameter")
    with pytest.raises(error, match=sentence):
        solvers.trace_branch(theory, parameter, **asked)


def test_a_missing_control_parameter_is_named():
    with pytest.raises(TypeError, match="missing control parameter temperature"):
        solvers.trace_branch(CurieWeiss(), "field", start="up", bounds=(-1, 1), field=0.0)


def test_a_parameter_may_be_left_at_its_default():
    data = solvers.trace_branch(CurieWeiss(), "field", start="up", bounds=(-1, 1), temperature=0.5)
    assert 0.0 in data["field"]


def test_a_start_without_a_state_is_named():
    with pytest.raises(
        ConvergenceError, match=r"no state from the start 'upper' at a = -1.0: NOT_CONVERGED"
    ):
        solvers.trace_branch(SaddleNode(), "a", start="upper", bounds=(-2, 1), a=-1.0)


@pytest.mark.parametrize(
    "theory, start, at, other",
    [
        (
            HOPFIELD,
            "retrieval",
            {"temperature": 0.8, "pattern_load": 0.05},  # T_M(0.05) = 0.54
            "spin_glass",
        ),
        (CurieWeiss(), "down", {"temperature": 0.5, "field": 0.5}, "up"),  # h_s(0.5) = 0.27
        (Potts(), "ordered", {"temperature": 0.45}, "disordered"),  # T_s = 0.37
        (Cusp(), "lower", {"a": 0.5, "b": 1.0}, "upper"),  # a_s = 0.38
    ],
    ids=["hopfield", "curie-weiss", "potts", "cusp"],
)
def test_a_start_that_falls_to_another_state_is_named(theory, start, at, other):
    parameter = next(iter(at))
    with pytest.raises(
        ConvergenceError, match=f"the start '{start}' fell to the state of '{other}' at {parameter}"
    ):
        solvers.trace_branch(theory, parameter, start=start, bounds=(0.01, 2), **at)


@pytest.mark.parametrize(
    "theory, at, states",
    [
        (CurieWeiss(), {"temperature": 0.5}, 2),
        (CurieWeiss(), {"temperature": 1.5}, 1),
        (CurieWeiss(), {"temperature": 0.5, "field": 0.5}, 1),
        (Cusp(), {"a": 0.1, "b": 1.0}, 2),
        (Potts(), {"temperature": 0.36}, 2),
        (Potts(), {"temperature": 0.45}, 1),
    ],
)
def test_states_are_counted_once(theory, at, states):
    data = solvers.distinct(theory, solvers.saddle_points(theory, **at))
    assert data["states"] == states
    assert data["state"].dims == ("start",)
    own = data["state"] == data["start"]
    assert own.sum() == states


def test_states_without_a_start_of_their_own_have_no_name():
    data = solvers.saddle_points(SaddleNode(), a=-0.5, on_failure="keep")
    data = solvers.distinct(SaddleNode(), data)
    assert (data["state"] == "").all()
    assert data["states"] == 0


@pytest.mark.parametrize("setting", ["jax_enable_x64", "jax_debug_nans"])
def test_settings_of_the_user_do_not_matter_and_are_not_touched(setting):
    expected = branch("curie-weiss up")
    case = BRANCHES["curie-weiss up"]
    before = getattr(jax.config, setting)
    jax.config.update(setting, not before)
    try:
        data = solvers.trace_branch(
            case.theory, case.parameter, start=case.start, bounds=case.bounds, **case.at
        )
        assert getattr(jax.config, setting) is not before
    finally:
        jax.config.update(setting, before)
    xr.testing.assert_identical(data, expected)
