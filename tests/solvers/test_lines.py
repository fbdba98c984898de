"""Transitions lie where they are known to lie, their lines too, and what cannot be had is named."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial
from typing import Any, NamedTuple

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
    Ferromagnet,
    Isola,
    SaddleNode,
    X,
    blume_capel,
    branch,
    coarse_branch,
    named,
)
from scipy.optimize import brentq

from thermolimit import solvers
from thermolimit.solvers import ConvergenceError, ConvergenceWarning, SinhTrapezoid, Status
from thermolimit.solvers.located import FEATURES
from thermolimit.solvers.saddle import TOLERANCE
from thermolimit.theory.curie_weiss import CurieWeiss
from thermolimit.theory.curie_weiss import spinodal as exact_spinodal

# The equations are solved to rounding, and a transition is a simple root of them; values quoted
# from print have their own tolerances
EXACT = 1e-12


def spinodal_of(name, **line):
    return solvers.spinodal(BRANCHES[name].theory, branch(name), **line)


def continuous_of(name, **line):
    return solvers.continuous_transition(BRANCHES[name].theory, branch(name), **line)


def coexistence_of(name, other, **line):
    return solvers.coexistence(BRANCHES[name].theory, branch(name), branch(other), **line)


def zero_in(name, event, **line):
    return solvers.zero_of(BRANCHES[name].theory, branch(name), event, **line)


def half_magnetized(order, control):
    return order.magnetization - 0.5


def free_field(order, control):
    """Zero at zero field, on every sheet."""
    return control.field + 0 * order.magnetization


def root(fn, lower, upper):
    return brentq(fn, lower, upper, xtol=1e-16, rtol=4 * np.finfo(float).eps)


# Three-spin ferromagnet with energy -m^3 and entropy s(m): T artanh(m) = 3 m^2 gives T(m)


def ferromagnet_at(m):
    return 3 * m**2 / np.arctanh(m)


def entropy(m):
    return -((1 + m) / 2 * np.log((1 + m) / 2) + (1 - m) / 2 * np.log((1 - m) / 2))


def ferromagnet_first_order():
    def above_paramagnet(m):
        return -(m**3) - ferromagnet_at(m) * (entropy(m) - np.log(2))

    return ferromagnet_at(root(above_paramagnet, 0.8, 0.99))


def ferromagnet_spinodal():
    # dT/dm = 0
    return ferromagnet_at(root(lambda m: 2 * (1 - m**2) * np.arctanh(m) - m, 0.5, 0.9))


# Blume-Capel: the equation of state gives D(m) at given T


def blume_capel_at(m, T):
    return T * np.log(2 * (np.sinh(m / T) - m * np.cosh(m / T)) / m)


def blume_capel_difference(m, D, T):
    """Free energy above that of the paramagnet, over T."""
    up = np.logaddexp(0, np.logaddexp((m - D) / T, -(m + D) / T))
    return m**2 / 2 / T - up + np.log1p(2 * np.exp(-D / T))


def blume_capel_first_order(T):
    def above_paramagnet(m):
        return blume_capel_difference(m, blume_capel_at(m, T), T)

    return blume_capel_at(root(above_paramagnet, 0.8, 0.95), T)


def blume_capel_spinodal(T):
    def slope(m):
        y = m / T
        upper = (np.cosh(y) - m * np.sinh(y)) / T - np.cosh(y)
        return upper / (np.sinh(y) - m * np.cosh(y)) - 1 / m

    return blume_capel_at(root(slope, 0.5, 0.95), T)


def blume_capel_continuous(T):
    """2 exp(-D/T) / (1 + 2 exp(-D/T)) = T."""
    return T * np.log(2 * (1 - T) / T)


def potts_spinodal():
    # fractions (1 + 2 m) / 3 and (1 - m) / 3: T(m) = m / log of their ratio, where dT/dm = 0
    m = root(lambda m: np.log((1 + 2 * m) / (1 - m)) - 3 * m / (1 + 2 * m) / (1 - m), 0.2, 0.8)
    return m / np.log((1 + 2 * m) / (1 - m))


def mixture_instability():
    # E xi_i xi_j sech^2 over T, in a direction with sum zero: sech^2(m / T) = T
    def excess(y):  # y = m / T
        m = (np.tanh(3 * y) + np.tanh(y)) / 4
        return m / y - np.cosh(y) ** -2

    y = root(excess, 0.5, 2)
    return np.cosh(y) ** -2


class Located(NamedTuple):
    """A transition, and where it lies."""

    find: Callable[[], xr.Dataset]
    parameter: str
    exact: float
    tolerance: float = EXACT


FOLD = 2 / np.sqrt(27)  # of a + x - x^3
LOCATED = {
    "saddle-node": Located(partial(spinodal_of, "saddle-node"), "a", 0),
    "saddle-node, other side": Located(partial(spinodal_of, "saddle-node, other side"), "a", 0),
    "cusp": Located(partial(spinodal_of, "cusp"), "a", -FOLD),
    "butterfly": Located(partial(spinodal_of, "butterfly, upper"), "a", -1 / 4),
    "isola": Located(partial(spinodal_of, "isola"), "a", 1),
    "ferromagnet": Located(
        partial(spinodal_of, "ferromagnet"), "temperature", ferromagnet_spinodal()
    ),
    "blume-capel": Located(
        partial(spinodal_of, "blume-capel"), "crystal_field", blume_capel_spinodal(0.2)
    ),
    "potts": Located(partial(spinodal_of, "potts"), "temperature", potts_spinodal()),
    # known to 1e-8 or better from an independent program with another quadrature
    "student's spinodal": Located(
        partial(spinodal_of, "student"), "sample_ratio", 1.4926318182, 1e-9
    ),
    # 0.137905 in print (Amit, Gutfreund, Sompolinsky 1987); digits by two methods
    "capacity": Located(
        partial(spinodal_of, "zero temperature"), "pattern_load", 0.137905566495, 1e-11
    ),
    "transcritical": Located(partial(continuous_of, "transcritical"), "a", 0),
    "transcritical, other": Located(partial(continuous_of, "transcritical, other"), "a", 0),
    "well": Located(partial(continuous_of, "well"), "a", 0),
    "well, upper": Located(partial(continuous_of, "well, upper"), "a", 0),
    "butterfly, zero": Located(partial(continuous_of, "butterfly"), "a", 0),
    "butterfly, mirror images": Located(partial(continuous_of, "butterfly, upper"), "a", 0),
    "curie-weiss": Located(partial(continuous_of, "curie-weiss paramagnet"), "temperature", 1),
    "curie-weiss, ordered": Located(
        partial(continuous_of, "curie-weiss ordered"), "temperature", 1
    ),
    "blume-capel, heated": Located(
        partial(continuous_of, "blume-capel heated"),
        "temperature",
        root(lambda T: blume_capel_continuous(T) - 0.2, 0.4, 0.9),
    ),
    # three directions become soft at once
    "3 patterns": Located(partial(continuous_of, "3 patterns"), "temperature", 1),
    "3 patterns, retrieval": Located(
        partial(continuous_of, "3 patterns, retrieval"), "temperature", 1
    ),
    # two directions become soft at once, and the determinant keeps its sign
    "potts, disordered": Located(partial(continuous_of, "potts disordered"), "temperature", 1 / 3),
    "3 patterns, mixture": Located(
        partial(continuous_of, "3 patterns, mixture"), "temperature", mixture_instability()
    ),
    "curie-weiss, reversal": Located(
        partial(coexistence_of, "curie-weiss up", "curie-weiss down"), "field", 0
    ),
    "curie-weiss, reversal back": Located(
        partial(coexistence_of, "curie-weiss down", "curie-weiss up"), "field", 0
    ),
    "ferromagnet, first order": Located(
        partial(coexistence_of, "ferromagnet", "ferromagnet's paramagnet"),
        "temperature",
        ferromagnet_first_order(),
    ),
    "eliminated, first order": Located(
        partial(coexistence_of, "eliminated", "eliminated paramagnet"),
        "temperature",
        ferromagnet_first_order(),
    ),
    "blume-capel, first order": Located(
        partial(coexistence_of, "blume-capel", "blume-capel paramagnet"),
        "crystal_field",
        blume_capel_first_order(0.2),
    ),
    # F. Y. Wu (1982): T = (q - 2) / (2 (q - 1) log(q - 1)) for q colours
    "potts, first order": Located(
        partial(coexistence_of, "potts", "potts disordered"), "temperature", 1 / (4 * np.log(2))
    ),
    # all digits of a prototype that solved for the two energies
    "retrieval at zero temperature": Located(
        partial(coexistence_of, "zero temperature", "zero temperature glass"),
        "pattern_load",
        0.0518543309,
        1e-10,
    ),
    # known to 1e-8 or better from an independent program with another quadrature
    "perfect learning": Located(
        partial(zero_in, "student", "entropy"), "sample_ratio", 1.2446839899, 1e-9
    ),
    "half of the magnetization": Located(
        partial(zero_in, "curie-weiss ordered", half_magnetized),
        "temperature",
        0.5 / np.arctanh(0.5),
    ),
}


@pytest.mark.parametrize("name", named(LOCATED))
def test_a_transition_lies_where_it_is_known_to_lie(name):
    find, parameter, exact, tolerance = LOCATED[name]
    data = find()
    assert data[parameter].item() == pytest.approx(exact, abs=tolerance)
    assert data["status"] == Status.OK
    assert data["residual"] <= TOLERANCE
    assert data["certificate"] <= 10 * TOLERANCE


@pytest.mark.parametrize("name", ["curie-weiss down", "potts", "zero temperature"])
def test_a_fold_lies_between_two_points_of_the_branch(name):
    case, data, found = BRANCHES[name], branch(name), spinodal_of(name)
    parameter = data[case.parameter].values
    (k,) = np.flatnonzero(parameter == found["bracket"].values[0])
    assert parameter[k + 1] == found["bracket"].values[1]
    assert data["direction"][k] * data["direction"][k + 1] < 0
    for order in case.theory.Order._fields:
        ends = data[order][k : k + 2]
        assert ((ends.min("point") <= found[order]) & (found[order] <= ends.max("point"))).all()


@pytest.mark.parametrize("name", ["curie-weiss", "potts, first order", "half of the magnetization"])
def test_what_is_no_fold_lies_within_its_bracket(name):
    found = LOCATED[name].find()
    low, high = np.sort(found["bracket"])
    assert low < found[LOCATED[name].parameter] < high


def test_the_first_order_temperature_of_three_spins_in_the_other_normalization():
    # in the units in which the energy is -m^3 / 3
    assert ferromagnet_first_order() / 3 == pytest.approx(0.495969169754, abs=1e-12)


@pytest.mark.parametrize("temperature", [0.1, 0.3, 0.5, 0.7, 0.9, 0.99])
def test_the_spinodal_field_of_curie_weiss_is_the_closed_form(temperature):
    data = solvers.trace_branch(
        CurieWeiss(), "field", start="down", bounds=(-1, 1), temperature=temperature, field=0.0
    )
    found = solvers.spinodal(CurieWeiss(), data)
    exact = solvers.evaluate(exact_spinodal, temperature=temperature)
    # artanh of the magnetization is steep in the cold, 1 / T
    for name in ("field", "magnetization"):
        assert found[name].item() == pytest.approx(exact[name].item(), abs=EXACT)


def test_at_a_fold_the_jacobian_vanishes_in_the_soft_direction():
    data = spinodal_of("potts")
    x, soft, T = data["fraction"].values, data["soft_fraction"].values, data["temperature"].item()
    softmax = (np.diag(x) - np.outer(x, x)) / T
    np.testing.assert_allclose(softmax @ soft, soft, atol=EXACT)
    np.testing.assert_allclose(soft @ soft, 1, atol=EXACT)
    assert abs(data["growth_rate"]) < 1e-7  # of a double eigenvalue of the branch, half the digits


def test_a_transition_has_names_and_dimensions():
    data = spinodal_of("curie-weiss down")
    expected = {"field", "magnetization", "soft_magnetization", "growth_rate", "residual"}
    assert expected | {"certificate", "status"} == set(data.data_vars)
    assert all(variable.dims == () for variable in data.data_vars.values())
    assert all(
        variable.attrs["long_name"] for variable in data.variables.values() if variable.attrs
    )
    assert data["field"].attrs["long_name"] == "external field, $h$"
    assert data["soft_magnetization"].attrs["long_name"].startswith("soft direction")
    assert (data["temperature"].item(), data["state"].item()) == (0.5, "down")
    assert data["bracket"].dims == ("side",)
    assert data.attrs["transition"] == "spinodal"
    assert (data.attrs["parameter"], data.attrs["along"]) == ("field", "")
    assert data.attrs["theory"] == "CurieWeiss()"


def test_both_states_of_a_coexistence_lie_side_by_side():
    data = coexistence_of("potts", "potts disordered")
    assert data["state"].values.tolist() == ["ordered", "disordered"]
    assert data["fraction"].dims == ("state", "colour")
    # (2, 1/2, 1/2) / 3 next to (1, 1, 1) / 3
    np.testing.assert_allclose(
        data["fraction"], np.array([[4, 1, 1], [2, 2, 2]]) / 6, rtol=0, atol=EXACT
    )
    assert data["growth_rate"].dims == ("state",)
    assert (data["growth_rate"] < 0).all()
    assert data.attrs["transition"] == "coexistence"


# Lines


class Line(NamedTuple):
    """A line of transitions, and the law that it obeys."""

    follow: Callable[..., xr.Dataset]
    along: str
    bounds: tuple[float, float]
    law: Callable[[xr.Dataset], Any]
    ends: tuple[str, str]
    tolerance: float = EXACT
    include: tuple[float, ...] = ()


def curie_weiss_line(data):
    """1 - m^2 = T and h = T artanh(m) - m."""
    m, T = data["magnetization"], data["temperature"]
    return np.abs(1 - m**2 - T) + np.abs(T * np.arctanh(m) - m - data["field"])


def butterfly_line(data):
    """Rate and slope of a x + b + x^3 - x^5 vanish: a and b are polynomials in x."""
    x = data["x"]
    a = 5 * x**4 - 3 * x**2
    return np.abs(data["a"] - a) + np.abs(data["b"] + a * x + x**3 - x**5)


def blume_capel_line(data):
    first, other = (data["magnetization"].isel(state=k) for k in (0, 1))
    D, T = data["crystal_field"], data["temperature"]
    difference = blume_capel_difference(first, D, T) - blume_capel_difference(other, D, T)
    states = (blume_capel(data.assign(magnetization=m)) for m in (first, other))
    return sum(map(np.abs, states)) + np.abs(T * difference)


LINES = {
    "curie-weiss": Line(
        partial(spinodal_of, "curie-weiss down"), "temperature", (0.2, 1.2), curie_weiss_line,
        ("bounds", "bounds"), include=(0.3, 0.7, 0.9),
    ),
    "curie-weiss, reversal": Line(
        partial(coexistence_of, "curie-weiss up", "curie-weiss down"), "temperature", (0.2, 1.2),
        lambda data: data["field"], ("bounds", "merged"), include=(0.3, 0.9),
    ),
    "curie-weiss, half": Line(
        partial(zero_in, "curie-weiss ordered", half_magnetized), "field", (-0.2, 0.4),
        lambda data: np.abs(data["magnetization"] - 0.5)
        + np.abs(data["temperature"] * np.arctanh(0.5) - 0.5 - data["field"]),
        ("bounds", "bounds"), include=(-0.1, 0.2),
    ),
    "cusp": Line(
        partial(spinodal_of, "cusp"), "b", (-1, 1.5),
        lambda data: np.abs(27 * data["a"] ** 2 - 4 * data["b"] ** 3), ("bounds", "bounds"),
        include=(0.5,),
    ),
    "butterfly": Line(
        partial(spinodal_of, "butterfly, field"), "a", (-1, 1), butterfly_line,
        ("bounds", "bounds"), include=(0.1,),
    ),
    "well": Line(
        partial(continuous_of, "well"), "b", (-0.5, 0.5), lambda data: data["a"],
        ("unfolded", "unfolded"),
    ),
    "blume-capel": Line(
        partial(continuous_of, "blume-capel heated"), "crystal_field", (-1, 0.6),
        lambda data: blume_capel_continuous(data["temperature"]) - data["crystal_field"],
        ("bounds", "bounds"), include=(-0.5, 0.0, 0.4),
    ),
    "blume-capel, first order": Line(
        partial(coexistence_of, "blume-capel", "blume-capel paramagnet"), "temperature",
        (0.02, 0.5), blume_capel_line, ("bounds", "merged"), include=(0.1, 0.3),
    ),
    "blume-capel, spinodal": Line(
        partial(spinodal_of, "blume-capel"), "temperature", (0.05, 0.5),
        # the states merge with their mirror images at the tricritical point
        lambda data: np.abs(blume_capel(data)) + np.abs(data["growth_rate"]),
        ("bounds", "mirrored"), 1e-7, include=(0.1, 0.3),
    ),
    "glass transition": Line(
        partial(continuous_of, "hopfield paramagnet"), "pattern_load", (0.001, 0.2),
        lambda data: data["temperature"] - 1 - np.sqrt(data["pattern_load"]), ("bounds", "bounds"),
        include=(0.01, 0.15),
    ),
    "hopfield": Line(
        partial(spinodal_of, "hopfield"), "pattern_load", (0.001, 0.2),
        # R_x v = 0: the state is marginal
        lambda data: data["growth_rate"], ("bounds", "bounds"), 1e-6, include=(0.01, 0.1),
    ),
    "hopfield, first order": Line(
        partial(coexistence_of, "hopfield", "hopfield glass"), "pattern_load", (0.001, 0.2),
        # the glass has no overlap
        lambda data: data["overlap"].sel(state="spin_glass"), ("bounds", "bounds"),
        include=(0.01, 0.05),
    ),
}  # fmt: skip
LOCATED_TOO = ["curie-weiss", "curie-weiss, reversal", "cusp", "butterfly", "blume-capel"]


@cache
def line(name):
    """The line of this name, followed once."""
    case = LINES[name]
    return case.follow(along=case.along, bounds=case.bounds, include=case.include)


def at_feature(data, feature):
    """The points of a line that have this feature."""
    return data.isel(point=np.flatnonzero(data["feature"] == FEATURES.index(feature)))


@pytest.mark.parametrize("name", named(LINES))
def test_all_points_of_a_line_obey_its_law(name):
    data = line(name)
    assert np.max(np.abs(LINES[name].law(data))) < LINES[name].tolerance


@pytest.mark.parametrize("name", named(LINES))
def test_all_points_of_a_line_are_solved_and_certified(name):
    data = line(name)
    assert (data["status"] == Status.OK).all()
    assert (data["residual"] <= TOLERANCE).all()
    assert (data["certificate"] <= 10 * TOLERANCE).all()
    assert (np.diff(data["arclength"]) > 0).all()


@pytest.mark.parametrize("name", named(LINES))
def test_a_line_goes_on_to_where_it_must_end(name):
    case, data = LINES[name], line(name)
    assert (data.attrs["began"], data.attrs["ended"]) == case.ends
    of, along = data.attrs["parameter"], data.attrs["along"]
    assert along == case.along
    walls = [(along, wall) for wall in case.bounds]
    walls += [(of, wall) for wall in case.follow.args and BRANCHES[case.follow.args[0]].bounds]
    for why, end in zip(case.ends, (data.isel(point=0), data.isel(point=-1)), strict=True):
        if why == "bounds":
            assert min(abs(end[control].item() - wall) for control, wall in walls) <= 1e-15
    for control, ends in ((along, case.bounds), (of, BRANCHES[case.follow.args[0]].bounds)):
        assert data[control].min() >= ends[0] and data[control].max() <= ends[1]


@pytest.mark.parametrize("name", named(name for name, case in LINES.items() if case.include))
def test_included_values_appear_to_the_last_bit_each_time_the_line_passes(name):
    case, data = LINES[name], line(name)
    along = data[case.along].values
    others = along[~np.isin(along, case.include)]  # included points change sides of nothing
    for value in case.include:
        passes = np.sum((others[:-1] - value) * (others[1:] - value) < 0)
        assert np.sum(along == value) == passes > 0
    included = at_feature(data, "included")
    assert set(included[case.along].values) <= set(case.include)


@pytest.mark.parametrize("name", LOCATED_TOO)
def test_a_line_passes_through_the_transition_where_it_began(name):
    data, alone = line(name), LINES[name].follow()
    begun = data.isel(point=int(np.flatnonzero(data["arclength"] == 0).item()))
    for variable in set(alone.data_vars) - {"residual", "certificate", "status", "growth_rate"}:
        if not variable.startswith("soft_"):  # its sign means nothing
            np.testing.assert_allclose(begun[variable], alone[variable], rtol=0, atol=EXACT)
    assert begun[data.attrs["along"]] == alone[data.attrs["along"]]
    np.testing.assert_array_equal(data["bracket"], alone["bracket"])


def test_both_spinodals_of_curie_weiss_meet_in_a_cusp():
    data = line("curie-weiss")
    cusp = at_feature(data, "cusp")
    assert cusp.sizes["point"] == 1
    np.testing.assert_allclose(cusp["temperature"], 1, atol=EXACT)
    np.testing.assert_allclose(cusp["field"], 0, atol=EXACT)
    np.testing.assert_allclose(data["field"][[0, -1]], -data["field"][[-1, 0]], atol=EXACT)
    assert set(np.unique(data["feature"])) == {
        FEATURES.index(f) for f in ("regular", "cusp", "included")
    }


def test_the_spinodals_of_the_cusp_meet_in_the_origin():
    cusp = at_feature(line("cusp"), "cusp")
    np.testing.assert_allclose([cusp["a"], cusp["b"]], [[0], [0]], atol=EXACT)


def test_all_three_cusps_of_the_butterfly_are_found():
    # da/dx = db/dx = 0 at x = 0 and x^2 = 3/10; at the latter both controls turn back together,
    # as they do where a state has become its own mirror image
    cusps = at_feature(line("butterfly"), "cusp").sortby("x")
    x = np.sqrt(0.3) * np.array([-1, 0, 1])
    np.testing.assert_allclose(cusps["x"], x, atol=1e-9)  # the line stands still there: half digits
    np.testing.assert_allclose(cusps["a"], 5 * x**4 - 3 * x**2, atol=EXACT)
    np.testing.assert_allclose(cusps["b"], 2 * x**3 - 4 * x**5, atol=EXACT)


def test_coexistence_of_mirror_images_is_straight_and_ends_where_they_merge():
    data = line("curie-weiss, reversal")
    assert set(np.unique(data["feature"])) == {0, FEATURES.index("included")}
    last = data.isel(point=-1)
    m = last["magnetization"].sel(state="up").item()
    np.testing.assert_allclose(data["magnetization"].sum("state"), 0, atol=1e-11)
    assert 0 < m < 0.1 and 0.995 < last["temperature"] < 1
    assert last["temperature"].item() == pytest.approx(m / np.arctanh(m), abs=EXACT)


def test_the_tricritical_point_of_blume_capel():
    data = line("blume-capel")
    tricritical = at_feature(data, "tricritical")
    # the cubic coefficient vanishes there, and the line passes at finite slope
    np.testing.assert_allclose(tricritical["temperature"], [1 / 3], atol=1e-11)
    np.testing.assert_allclose(tricritical["crystal_field"], [2 / 3 * np.log(2)], atol=1e-11)
    beyond = data["cubic"] > 1e-6
    np.testing.assert_array_equal(beyond, data["temperature"] < 1 / 3 - 1e-6)


def test_the_line_of_blume_capel_turns_back_where_the_crystal_field_is_largest():
    turning = at_feature(line("blume-capel"), "turns_along")
    exact = root(lambda T: np.log(2 * (1 - T) / T) - 1 / (1 - T), 0.2, 0.33)  # dD/dT = 0
    np.testing.assert_allclose(turning["temperature"], [exact], atol=1e-9)  # D is flat there
    np.testing.assert_allclose(turning["crystal_field"], blume_capel_continuous(exact), atol=EXACT)


def test_the_first_order_line_of_blume_capel_leads_from_the_tricritical_point_to_one_half():
    data = line("blume-capel, first order")
    cold, hot = data.isel(point=0), data.isel(point=-1)
    # at T = 0.02 both free energies are energies up to exp(-25)
    assert cold["crystal_field"].item() == pytest.approx(1 / 2, abs=1e-12)
    assert hot["temperature"].item() == pytest.approx(1 / 3, abs=1e-3)  # to one step
    assert hot["crystal_field"].item() == pytest.approx(2 / 3 * np.log(2), abs=1e-3)
    assert (np.diff(data["temperature"]) > 0).all()


def test_the_spinodal_of_the_ferromagnet_of_blume_capel_ends_at_the_tricritical_point():
    last = line("blume-capel, spinodal").isel(point=-1)
    # it comes as near as one step, 0.04 in m, and 1/3 - T is about m^2 / 5
    near = 0.04**2 / 5
    assert last["temperature"].item() == pytest.approx(1 / 3, abs=near)
    assert last["crystal_field"].item() == pytest.approx(2 / 3 * np.log(2), abs=near)


def test_a_field_that_breaks_the_symmetry_leaves_nothing_of_a_continuous_transition():
    data = line("well")
    assert data.sizes["point"] == 1
    np.testing.assert_allclose([data["a"], data["b"]], [[0], [0]], atol=EXACT)


def test_the_spinodal_of_the_hopfield_network_bends_back_in_the_cold():
    data = line("hopfield")
    begun = data.isel(point=np.flatnonzero(data["pattern_load"] == 0.05))
    # 0.5422550379 by a prototype with another quadrature
    np.testing.assert_allclose(begun["temperature"], 0.542255037918, atol=1e-10)
    assert data["temperature"][-1] == 0.005
    turning = at_feature(data, "turns_along")
    assert turning.sizes["point"] == 1
    assert turning["pattern_load"].item() == data["pattern_load"].max() > 0.1381
    assert 0.01 < turning["temperature"] < 0.03
    below = data["pattern_load"][data["temperature"] < turning["temperature"].item()]
    assert (np.diff(below) < 0).all()
    assert (below > 0.137905566495).all()  # the capacity at T = 0


def test_the_first_order_line_of_the_hopfield_network_goes_down_to_the_cold():
    data = line("hopfield, first order")
    begun = data.isel(point=np.flatnonzero(data["pattern_load"] == 0.05))
    # 0.21638335 by a prototype with another quadrature
    assert np.min(np.abs(begun["temperature"] - 0.21638335)) < 1e-8
    assert data["temperature"].min() == 0.005
    turning = at_feature(data, "turns_along")
    assert turning["pattern_load"].item() == pytest.approx(0.0531, abs=5e-5)  # the same
    assert turning["temperature"].item() == pytest.approx(0.08, abs=1e-2)
    coldest = data.isel(point=int(np.argmin(data["temperature"].values)))
    assert 0.0518543309 < coldest["pattern_load"] < 0.0522  # from that at T = 0, linearly


@pytest.mark.parametrize("name", ["hopfield", "hopfield, first order"])
def test_lines_are_certified_by_a_rule_of_ones_own(name):
    data = solvers.certify(HOPFIELD, line(name), rule=SinhTrapezoid(301))
    assert (data["status"] == Status.OK).all()
    assert (data["certificate"].values != line(name)["certificate"].values).any()


def test_lines_have_names_and_dimensions():
    data = line("curie-weiss")
    variables = {"field", "temperature", "magnetization", "soft_magnetization", "growth_rate"}
    assert variables | {"residual", "certificate", "status"} == set(data.data_vars)
    assert all(variable.dims == ("point",) for variable in data.data_vars.values())
    assert data["temperature"].attrs["long_name"] == "temperature, $T$"
    assert data["feature"].attrs["flag_meanings"].split() == list(FEATURES)
    assert data["feature"].attrs["flag_values"] == list(range(len(FEATURES)))
    assert data["arclength"].dims == data["feature"].dims == ("point",)
    assert (data.attrs["parameter"], data.attrs["along"]) == ("field", "temperature")
    both = line("curie-weiss, reversal")
    assert both["magnetization"].dims == ("point", "state")


# Where one starts


@pytest.mark.parametrize(
    "theory, parameter, start, bounds, values, at, transition",
    [
        (CurieWeiss(), "field", "down", (-1, 1), (-0.5, 0.2), {"temperature": 0.5}, "spinodal"),
        (CurieWeiss(), "temperature", "up", (0.3, 2), (0.4, 0.9), {}, "continuous_transition"),
        (CurieWeiss(), "temperature", "up", (0.3, 2), (1.2, 1.9), {}, "continuous_transition"),
        (Cusp(), "a", "upper", (-1, 1), (-0.3, 0.9), {"b": 1.0}, "spinodal"),
    ],
    ids=["spinodal", "from below", "from above", "cusp"],
)
def test_it_does_not_matter_where_on_a_branch_one_starts(
    theory, parameter, start, bounds, values, at, transition
):
    found = []
    for value in values:
        data = solvers.trace_branch(
            theory, parameter, start=start, bounds=bounds, **{parameter: value}, **at
        )
        found.append(getattr(solvers, transition)(theory, data))
    order = theory.Order._fields[0]
    for name in (parameter, order):
        assert found[0][name].item() == pytest.approx(found[1][name].item(), abs=EXACT)


@pytest.mark.parametrize("start", [-0.9, -0.1, 0.1, 0.9])
def test_of_the_two_folds_of_a_closed_branch_the_nearer_one_is_found(start):
    theory = Isola()
    data = solvers.trace_branch(theory, "a", start="upper", bounds=(-2, 2), a=start)
    assert solvers.spinodal(theory, data)["a"].item() == pytest.approx(np.sign(start), abs=EXACT)


@dataclass(frozen=True)
class FromWithin(Cusp):
    """The cusp, from the state on its middle sheet."""

    starts = {
        "middle": lambda control: X(-2 / np.sqrt(3) * jnp.sin(jnp.arcsin(control.a / FOLD) / 3))
    }


@pytest.mark.parametrize("a", [-0.1, -0.001, 0.001, 0.1])
def test_of_two_folds_the_nearer_one_is_found(a):
    theory = FromWithin()
    data = solvers.trace_branch(theory, "a", start="middle", bounds=(-1, 1), a=a, b=1.0)
    found = solvers.spinodal(theory, data)
    assert found["a"].item() == pytest.approx(np.sign(a) * FOLD, abs=EXACT)


@pytest.mark.parametrize("field", [0.01, 0.0])
def test_states_that_coexist_where_both_branches_begin(field):
    # at field 0 both branches have a point just there, with the same free energy to the last bit
    up, down = (
        solvers.trace_branch(
            CurieWeiss(), "field", start=start, bounds=(-1, 1), field=field, temperature=0.5
        )
        for start in ("up", "down")
    )
    found = solvers.coexistence(CurieWeiss(), up, down)
    assert found["field"].item() == pytest.approx(0, abs=EXACT)


@pytest.mark.parametrize("field", [0.01, 0.0])
def test_an_event_that_vanishes_where_the_branch_begins(field):
    # there is another zero, on the unstable sheet
    data = solvers.trace_branch(
        CurieWeiss(), "field", start="up", bounds=(-1, 1), field=field, temperature=0.5
    )
    found = solvers.zero_of(CurieWeiss(), data, free_field)
    assert found["field"].item() == pytest.approx(0, abs=EXACT)
    assert found["magnetization"] > 0.5


def test_a_value_is_included_between_a_turning_point_and_its_neighbours():
    # both neighbours of the cusp, at T = 1, lie on the same side of it
    near = 1 - 1e-5
    data = spinodal_of("curie-weiss down", along="temperature", bounds=(0.2, 1.2), include=[near])
    assert np.sum(data["temperature"] == near) == 2


@pytest.mark.parametrize("value", [0.2, 0.5, 1.2])
def test_values_at_the_ends_and_at_the_start_appear_too(value):
    data = spinodal_of("curie-weiss down", along="temperature", bounds=(0.2, 1.2), include=[value])
    # the line goes up to T = 1 and down again
    assert np.sum(data["temperature"] == value) == (2 if value < 1 else 0)


# What cannot be had


def test_a_branch_without_the_transition_says_so():
    with pytest.raises(
        ConvergenceError,
        match="branch of 'up' in 'temperature' has no fold between 0.3 and 2; widen bounds",
    ):
        spinodal_of("curie-weiss paramagnet")
    for name in ("ferromagnet's paramagnet", "eliminated paramagnet"):
        with pytest.raises(
            ConvergenceError, match="branch of 'paramagnet' .* has no branch point between 0.5 and"
        ):
            continuous_of(name)
    with pytest.raises(
        ConvergenceError, match="branch of 'up' .* no zero of half_magnetized between 0.3 and 2"
    ):
        zero_in("curie-weiss paramagnet", half_magnetized)


def test_states_that_do_not_coexist_between_the_bounds_say_so():
    other = solvers.trace_branch(
        CurieWeiss(), "field", start="down", bounds=(-1, -0.1), field=-0.5, temperature=0.5
    )
    with pytest.raises(
        ConvergenceError,
        match="branch of 'up' in 'field' has no coexistence with 'down' between -1 and 1",
    ):
        solvers.coexistence(CurieWeiss(), branch("curie-weiss up"), other)
    with pytest.raises(ConvergenceError, match="no coexistence with 'up'"):
        coexistence_of("curie-weiss up", "curie-weiss up")


LINE = {"along": "temperature", "bounds": (0.2, 1.2)}


@pytest.mark.parametrize(
    "options, error, sentence",
    [
        (LINE | {"along": "field"}, ValueError, "along = 'field' is the parameter of the branch"),
        ({"along": "temperature"}, ValueError, "a line along 'temperature' needs bounds"),
        (
            LINE | {"along": "temprature"},
            TypeError,
            "unknown control parameter 'temprature'; did you mean 'temperature'",
        ),
        ({"include": [0.5]}, ValueError, "bounds and include are those of a line: say along which"),
        ({"bounds": (0.2, 1.2)}, ValueError, "bounds and include are those of a line"),
        (
            LINE | {"bounds": (0.6, 1.2)},
            ValueError,
            r"the branch lies at temperature = 0.5, outside the bounds \(0.6, 1.2\)",
        ),
        (LINE | {"bounds": (1.2, 0.2)}, ValueError, r"bounds = \(1.2, 0.2\) .* do not increase"),
        (LINE | {"bounds": (-2, -1)}, ValueError, r"temperature are outside \(0, inf\)"),
        (LINE | {"on_failure": "ignore"}, ValueError, "on_failure = 'ignore' is not one of"),
        ({"alogn": "temperature"}, TypeError, "alogn"),
        (LINE | {"longst_step": 0.1}, TypeError, "longst_step"),
        ({"on_failure": "ignore"}, ValueError, "on_failure = 'ignore' is not one of"),
    ],
)
def test_wrong_requests_are_named(options, error, sentence):
    with pytest.raises(error, match=sentence):
        spinodal_of("curie-weiss down", **options)


def test_something_else_than_a_branch_is_named():
    data = solvers.saddle_points(CurieWeiss(), temperature=0.5, start="up")
    with pytest.raises(TypeError, match="not a branch; make one with trace_branch"):
        solvers.spinodal(CurieWeiss(), data)
    with pytest.raises(TypeError, match="CurieWeiss is a class; pass an instance"):
        solvers.spinodal(CurieWeiss, branch("curie-weiss up"))


def test_the_branch_of_another_theory_is_named():
    with pytest.raises((TypeError, ValueError), match="CurieWeiss"):
        solvers.spinodal(SaddleNode(), branch("curie-weiss up"))


def test_a_theory_without_free_energy_cannot_coexist():
    with pytest.raises(TypeError, match="SaddleNode states no free_energy"):
        coexistence_of("saddle-node", "saddle-node, other side")


def test_branches_in_different_parameters_cannot_coexist():
    with pytest.raises(ValueError, match="one branch in 'field', one in 'temperature'"):
        coexistence_of("curie-weiss up", "curie-weiss ordered")


def test_branches_at_different_controls_cannot_coexist():
    warmer = solvers.trace_branch(
        CurieWeiss(), "field", start="down", bounds=(-1, 1), temperature=0.7, field=0.02
    )
    with pytest.raises(ValueError, match="temperature"):
        solvers.coexistence(CurieWeiss(), branch("curie-weiss up"), warmer)


def test_an_event_without_a_method_is_named():
    with pytest.raises(TypeError, match="CurieWeiss has no method 'entropy'"):
        zero_in("curie-weiss up", "entropy")


@dataclass(frozen=True)
class Magnetized:
    """An event with a number of its own, compared by value as the theories are."""

    level: float

    def __call__(self, order, control):
        return order.magnetization - self.level


def test_an_event_may_be_a_frozen_dataclass():
    found = zero_in("curie-weiss ordered", Magnetized(0.8))
    assert found["temperature"].item() == pytest.approx(0.8 / np.arctanh(0.8), abs=EXACT)


# What is not certified


@pytest.fixture(scope="module")
def coarse():
    return coarse_branch(on_failure="keep")


def test_an_uncertified_transition_is_refused(coarse):
    with pytest.raises(
        ConvergenceError,
        match=r"the fold at field = \S+ is not certified: residual .* finer quadrature rule",
    ):
        solvers.spinodal(COARSE, coarse)


def test_uncertified_points_of_a_line_are_masked_and_counted(coarse):
    options = {"along": "temperature", "bounds": (0.05, 0.3)}
    with pytest.warns(ConvergenceWarning) as told:
        data = solvers.spinodal(COARSE, coarse, **options)
    failed = data["status"] == Status.NOT_CERTIFIED
    assert failed.any()
    assert f"{failed.sum().item()} NOT_CERTIFIED of {failed.size} points" in str(told[0].message)
    np.testing.assert_array_equal(np.isnan(data["magnetization"]), failed)
    assert (data["certificate"][failed] > 10 * TOLERANCE).all()
    kept = solvers.spinodal(COARSE, coarse, on_failure="keep", **options)
    assert np.isfinite(kept["magnetization"]).all()
    with pytest.raises(ConvergenceError, match="NOT_CERTIFIED"):
        solvers.spinodal(COARSE, coarse, on_failure="raise", **options)


def test_a_fold_among_masked_points_is_not_certified(coarse):
    # a smaller longest_step would not help
    masked = coarse.assign(
        magnetization=coarse["magnetization"].where(coarse["status"] == Status.OK)
    )
    with pytest.raises(ConvergenceError, match="certified"):
        solvers.spinodal(COARSE, masked)


@pytest.mark.parametrize("setting", ["jax_enable_x64", "jax_debug_nans"])
def test_settings_of_the_user_do_not_matter_and_are_not_touched(setting):
    expected = line("curie-weiss")
    case = LINES["curie-weiss"]
    before = getattr(jax.config, setting)
    jax.config.update(setting, not before)
    try:
        data = case.follow(along=case.along, bounds=case.bounds, include=case.include)
        assert getattr(jax.config, setting) is not before
    finally:
        jax.config.update(setting, before)
    xr.testing.assert_identical(data, expected)
    assert all(data[name].dtype == np.float64 for name in ("field", "temperature", "magnetization"))


@dataclass(frozen=True)
class Disorder(solvers.Equilibrium):
    """Free spins, f = -T log 2, with an order parameter of another name."""

    class Order(NamedTuple):
        disorder: Any

    class Control(NamedTuple):
        temperature: Any

    starts = {"free": Order(0.3)}

    def update(self, order, control):
        return self.Order(order.disorder / 2)

    def free_energy(self, order, control):
        return order.disorder**2 - control.temperature * jnp.log(2.0)


def test_states_of_two_theories_coexist():
    ordered, free = (
        solvers.trace_branch(theory, "temperature", start=start, temperature=1.2, bounds=(0.5, 2))
        for theory, start in ((Ferromagnet(), "ferromagnet"), (Disorder(), "free"))
    )
    found = solvers.coexistence(Ferromagnet(), ordered, free, other_theory=Disorder())

    def temperature(m):
        return 3 * m**2 / np.arctanh(m)

    def advantage(m):  # of f = 2 m^3 - T log 2 cosh(3 m^2 / T) over -T log 2
        return 2 * m**3 - temperature(m) * np.log(np.cosh(3 * m**2 / temperature(m)))

    exact = temperature(brentq(advantage, 0.9, 0.99, xtol=1e-15))
    assert found["temperature"].item() == pytest.approx(exact, abs=EXACT)
    # each state has its own order parameters
    np.testing.assert_array_equal(np.isnan(found["magnetization"]), [False, True])
    np.testing.assert_array_equal(np.isnan(found["disorder"]), [True, False])
    assert found.attrs["other_theory"] == repr(Disorder())


@dataclass(frozen=True)
class Raised(solvers.Equilibrium):
    """``Ferromagnet`` with another free energy of the same states, equal at T = 1.25."""

    Order, Control, starts = Ferromagnet.Order, Ferromagnet.Control, Ferromagnet.starts

    def update(self, order, control):
        return Ferromagnet().update(order, control)

    def free_energy(self, order, control):
        return Ferromagnet().free_energy(order, control) + control.temperature - 1.25


def test_states_of_two_theories_coexist_though_their_order_parameters_are_equal():
    ordered, raised = (
        solvers.trace_branch(
            theory, "temperature", start="ferromagnet", temperature=1.2, bounds=(0.5, 1.4)
        )
        for theory in (Ferromagnet(), Raised())
    )
    found = solvers.coexistence(Ferromagnet(), ordered, raised, other_theory=Raised())
    assert found["temperature"].item() == pytest.approx(1.25, abs=EXACT)
