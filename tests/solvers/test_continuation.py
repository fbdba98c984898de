"""A branch is followed exactly, never left, and says where and why it ends."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from thermolimit.solvers.continuation import LONGEST_STEP, insert, locate, passing, trace
from thermolimit.solvers.newton import Point, solve, solved
from thermolimit.solvers.saddle import TOLERANCE
from thermolimit.solvers.steps import SHARPEST_BEND

# Newton's method goes on until its steps are rounding: 1e-14 of 1 + |x|, divided by the slopes
# below, which are of order one
EXACT = 1e-12


@pytest.fixture(autouse=True)
def double():
    with jax.enable_x64(True):
        yield


def circle(x, p, args):
    return x**2 + p**2 - 1


def parabola(x, p, args):
    """Fold at x = 0, p = 1; two solutions below."""
    return p - (1 - x**2)


def transcritical(x, p, args):
    return p * x - x**2


def pitchfork(x, p, args):
    return p * x - x**3


def imperfect(x, p, field):
    return field + p * x - x**3


def cliff(x, p, args):
    """x = p, and nothing at p > 0.3."""
    return jnp.where(p > 0.3, jnp.nan, x - p)


def wave(x, p, width):
    """p = sin(x / width): sheets that all run in the same two directions."""
    return p - jnp.sin(x / width)


def polynomial(x, p, coefficients):
    return p - jnp.polyval(coefficients, x)


def cubic_curve(y, p, roots):
    """An oval between the first two roots, and a branch beyond the third."""
    return y**2 - (p - roots[0]) * (p - roots[1]) * (p - roots[2])


def parallel(x, p, args):
    """x = height sin(p / width), and the same curve moved up and down."""
    height, width, distance = args
    y = x - height * jnp.sin(p / width)
    return y * (y - distance) * (y + distance) / distance**2


def twins(u, p, args):
    """Two such curves of the same orientation: the determinant is 2 (y - distance / 2)^2."""
    height, width, distance = args
    y = (u["x"] - height * jnp.sin(p / width)) / distance
    return {"x": y * (y - 1), "other": (y - 0.5) * (u["other"] - 1)}


def helix(u, p, args):
    """Unknowns in a pytree: x = cos(3 p), y = sin(3 p)."""
    return {"xy": u["xy"] - jnp.array([jnp.cos(3 * p), jnp.sin(3 * p)])}


def points(branch):
    """Unknown and parameter, of one unknown."""
    return branch.z[:, 0], branch.z[:, 1]


def turns(values):
    """How often the sign changes."""
    return int(np.sum(values[:-1] * values[1:] < 0))


def bends(branch, span=np.inf):
    """Angles between successive tangents, in the metric of a parameter with these bounds.

    That of the point from which the step was made: the nearer one to the start.
    """
    unit = 1 / (1 + np.abs(branch.z))
    if np.isfinite(span):
        unit[:, -1] = 1 / span
    unit = np.where(branch.arclength[:-1, None] < 0, unit[1:], unit[:-1])
    before, after = branch.tangent[:-1] * unit, branch.tangent[1:] * unit
    norms = np.linalg.norm(before, axis=1) * np.linalg.norm(after, axis=1)
    return np.arccos(np.clip(np.sum(before * after, axis=1) / norms, -1, 1))


@pytest.mark.parametrize("angle", [0.1, 1.0, 2.0, 3.1, 4.0, 5.5])
def test_a_circle_is_followed_once_round(angle):
    branch = trace(circle, Point(np.sin(angle), np.cos(angle)), None, {})
    assert branch.began == branch.ended == "closed"
    x, p = points(branch)
    np.testing.assert_allclose(x**2 + p**2, 1, atol=EXACT)
    steps = np.diff(np.unwrap(np.arctan2(x, p)))
    assert (steps > 0).all() or (steps < 0).all()
    assert np.abs(steps.sum()) == pytest.approx(2 * np.pi, abs=EXACT)
    np.testing.assert_array_equal(branch.z[0], branch.z[-1])
    begun = branch.z[np.argmin(np.abs(branch.arclength))]
    np.testing.assert_allclose(begun, [np.sin(angle), np.cos(angle)], atol=EXACT)


@pytest.mark.parametrize("behind", [0.001, 0.01, 0.1])
def test_a_circle_has_two_folds_wherever_one_starts(behind):
    # the step that closes the branch counts: it may be the one over the fold behind the start
    angle = np.pi - behind
    branch = trace(circle, Point(np.sin(angle), np.cos(angle)), None, {})
    assert turns(branch.direction) == 2


@pytest.mark.parametrize("width", [0.1, 0.01, 0.003])
def test_a_branch_that_passes_near_its_start_is_not_closed(width):
    # at width 0.003 the next sheet in the same direction is 0.019 away, less than a step
    branch = trace(wave, Point(0.0, 0.0), width, {-1: (-2, 2)}, max_points=200)
    assert branch.began == branch.ended == "max_points"
    x, p = points(branch)
    assert (np.diff(x) > 0).all()
    assert x[-1] > 2 * np.pi * width
    np.testing.assert_allclose(p, np.sin(x / width), atol=EXACT / width)


@pytest.mark.parametrize(
    "start, bounds, ends",
    [
        ((0.5, 0.75), {-1: (0.2, 2)}, [(-np.sqrt(0.8), 0.2), (np.sqrt(0.8), 0.2)]),
        ((0.5, 0.75), {0: (0.3, 0.8)}, [(0.8, 0.36), (0.3, 0.91)]),
        ((0.5, 0.75), {0: (0.3, 2), -1: (0.2, 2)}, [(np.sqrt(0.8), 0.2), (0.3, 0.91)]),
        ((0.5, 0.75), {-1: (0.75, 2)}, [(-0.5, 0.75), (0.5, 0.75)]),
    ],
)
def test_a_branch_within_bounds_ends_on_them(start, bounds, ends):
    branch = trace(parabola, Point(*start), None, bounds)
    assert branch.began == branch.ended == "bounds"
    found = {tuple(z) for z in branch.z[[0, -1]].round(13)}
    assert found == {tuple(z) for z in np.round(ends, 13)}
    for component, (lower, upper) in bounds.items():
        inside = branch.z[:, component]
        assert inside.min() >= lower - 1e-15 and inside.max() <= upper + 1e-15


@pytest.mark.parametrize("upper", [0.9, 0.99, 0.999, 0.9999, 0.99999])
@pytest.mark.parametrize("start", [-0.5, -0.6, -0.7])
def test_a_branch_does_not_leave_the_bounds_between_two_points(start, upper):
    # both points of a step may lie within the bounds and the fold between them, p = 1, outside
    branch = trace(parabola, Point(start, 1 - start**2), None, {-1: (-1, upper)})
    x, p = points(branch)
    assert (x < 0).all()
    assert p.max() == pytest.approx(upper, abs=1e-15)


def test_a_branch_ends_where_the_residual_is_no_number():
    branch = trace(cliff, Point(0.0, 0.0), None, {-1: (-1, 1)})
    assert (branch.began, branch.ended) == ("bounds", "domain")
    assert 0 <= 0.3 - branch.z[-1, -1] < 1e-7  # 2 * span * shortest step


def test_there_are_never_more_points_than_asked_for():
    branch = trace(parabola, Point(0.6, 0.64), None, {}, max_points=5)
    assert branch.began == branch.ended == "max_points"
    assert len(branch.z) == 9  # five in either direction, the start in both
    assert branch.arclength[4] == 0


def test_a_single_point_may_be_asked_for():
    branch = trace(parabola, Point(0.6, 0.64), None, {}, max_points=1)
    np.testing.assert_allclose(branch.z, [[0.6, 0.64]], atol=1e-15)


def test_a_branch_without_a_solution_at_the_start_has_no_first_step():
    branch = trace(parabola, Point(0.5, 1.5), None, {-1: (-2, 2)})
    assert branch.began == branch.ended == "no_first_step"
    assert len(branch.z) == 1


def test_a_branch_that_begins_at_a_fold_has_no_first_step():
    # along (0, 1), where the parameter changes, the residual changes too
    branch = trace(parabola, Point(0.0, 1.0), None, {-1: (-2, 2)})
    assert branch.began == branch.ended == "no_first_step"
    assert len(branch.z) == 1


def test_the_start_need_not_lie_on_the_branch():
    branch = trace(parabola, Point(0.7, 0.75), None, {-1: (0, 2)})
    begun = np.argmin(np.abs(branch.arclength))
    np.testing.assert_allclose(branch.z[begun], [0.5, 0.75], atol=1e-15)


CURVES = [(0.1, 1.0), (0.3, 1.0), (0.3, 0.5), (1.0, 0.5)]  # height and width of a sine


@pytest.mark.parametrize("longest_step", [LONGEST_STEP, 1.0])
@pytest.mark.parametrize("distance", [1e-3, 1e-2, 1e-1])
@pytest.mark.parametrize("height, width", CURVES)
def test_a_branch_with_parallel_neighbours_is_never_left(height, width, distance, longest_step):
    # a prediction that errs by about the distance lands on the neighbour, with the same tangent;
    # a smooth branch would leave the prediction by half of step * bend
    args = (height, width, distance)
    branch = trace(parallel, Point(0.0, 0.0), args, {-1: (-2, 2)}, longest_step)
    assert branch.began == branch.ended == "bounds"
    x, p = points(branch)
    np.testing.assert_allclose(x, height * np.sin(p / width), atol=1e-9)  # distances are larger


# steps of 0.3, bends of 0.3: they may go astray by 2.4e-3
@pytest.mark.parametrize(
    "distance, longest_step", [(1e-3, LONGEST_STEP), (1e-2, LONGEST_STEP), (1e-2, 1.0), (1e-1, 1.0)]
)
@pytest.mark.parametrize("height, width", CURVES)
def test_a_branch_is_not_left_for_a_twin_either(height, width, distance, longest_step):
    # no sign tells it from the branch, only where it lies
    args = (height, width, distance)
    start = Point({"x": 0.0, "other": 1.0}, 0.0)
    branch = trace(twins, start, args, {-1: (-2, 2)}, longest_step)
    assert branch.began == branch.ended == "bounds"
    unknown, p = branch.points
    np.testing.assert_allclose(unknown["x"], height * np.sin(p / width), atol=1e-9)


def test_two_lines_at_a_distance_are_never_left_by_a_long_step():
    args = (0.0, 1.0, 1e-3)
    branch = trace(parallel, Point(1e-3, 0.0), args, {-1: (-2, 2)}, 1.0)
    np.testing.assert_allclose(branch.z[:, 0], 1e-3, atol=1e-12)
    assert len(branch.z) < 20


COEFFICIENT = st.integers(-8, 8).map(lambda n: n / 8)  # none is almost zero
CURVE = st.sampled_from([3, 5]).flatmap(
    lambda degree: st.lists(COEFFICIENT, min_size=degree + 1, max_size=degree + 1)
)


@settings(deadline=None, max_examples=60, derandomize=True)
@given(CURVE, st.integers(-8, 8).map(lambda n: n / 16), st.sampled_from([LONGEST_STEP, 0.5]))
@example([1.0, 0.0, -0.1, 0.0], 0.0, LONGEST_STEP)
@example([1.0, 0.0, -0.5, 0.0, 0.05, 0.0], 0.1, 0.5)
def test_the_branch_of_a_polynomial_is_the_component_of_its_graph(coefficients, start, longest):
    coefficients = np.array([0.0] * (6 - len(coefficients)) + coefficients)
    slope = np.polyder(coefficients)
    lower, upper = np.polyval(coefficients, start) + np.array([-1, 1])
    turning = np.polyval(coefficients, _real_roots(slope))
    # a fold just within the bounds or just beyond them is the matter of another test; at a fold
    # there is no first step; and x must grow by itself where p does not
    assume(np.min(np.abs([turning - lower, turning - upper]), initial=1) > 0.03)
    assume(np.abs(np.polyval(slope, start)) > 0.03)
    assume(np.min(np.abs(np.polyval(np.polyder(slope), _real_roots(slope))), initial=1) > 0.03)
    exact = []
    for side in (-1, 1):
        crossed = np.concatenate([_real_roots(coefficients, end) for end in (lower, upper)])
        beyond = crossed[side * (crossed - start) > 0]
        assume(beyond.size)
        exact.append(beyond[np.argmin(np.abs(beyond - start))])
    assume(max(map(abs, exact)) < 10)
    branch = trace(
        polynomial, Point(start, np.polyval(coefficients, start)), coefficients,
        {-1: (lower, upper)}, longest,
    )  # fmt: skip
    assert branch.began == branch.ended == "bounds"
    x, p = points(branch)
    scale = np.sum(np.abs(coefficients)) * (1 + np.abs(x)) ** 5  # size of the terms
    np.testing.assert_array_less(np.abs(np.polyval(coefficients, x) - p), 1e-13 * scale)
    assert (branch.residual <= TOLERANCE).all()
    assert (np.diff(x) > 0).all() or (np.diff(x) < 0).all()
    np.testing.assert_allclose(np.sort(x[[0, -1]]), exact, rtol=1e-9, atol=1e-9)
    if longest == LONGEST_STEP:  # a longer one may miss two folds at once
        folds = _real_roots(slope)
        assert turns(branch.direction) == np.sum((folds > exact[0]) & (folds < exact[1]))
    assert bends(branch, upper - lower).max() < SHARPEST_BEND


def _real_roots(coefficients, value=0.0):
    shifted = np.append(coefficients[:-1], coefficients[-1] - value)
    roots = np.roots(shifted)
    return roots[np.abs(roots.imag) < 1e-9].real


@pytest.mark.parametrize("longest_step", [LONGEST_STEP, 0.5])
@pytest.mark.parametrize("gap", [1e-3, 1e-2, 1e-1, 1.0])
@pytest.mark.parametrize("size", [1e-2, 1e-1, 1.0])
def test_neither_component_of_a_cubic_curve_is_left_for_the_other(size, gap, longest_step):
    # where two components nearly cross, a step longer than the gap would go straight on, and of
    # orientation and direction just one change its sign, as where branches really cross
    roots = np.array([-size, 0.0, gap])
    p = 0.5 * roots[0]
    oval = trace(cubic_curve, Point(_height(p, roots), p), roots, {-1: (-2, 2)}, longest_step)
    assert oval.began == oval.ended == "closed"
    assert oval.z[:, 1].min() >= roots[0] - EXACT and oval.z[:, 1].max() <= EXACT
    assert turns(oval.z[:, 0]) == 2
    p = roots[2] + 0.5
    other = trace(cubic_curve, Point(_height(p, roots), p), roots, {-1: (-2, 2)}, longest_step)
    assert other.began == other.ended == "bounds"
    assert other.z[:, 1].min() >= roots[2] - EXACT
    assert turns(other.direction) == 1


@pytest.mark.parametrize("field", [1e-2, 1e-3, 1e-4, 1e-5, 1e-6])
@pytest.mark.parametrize("p", [-0.5, 0.5])
def test_a_branch_goes_round_a_crossing_that_a_small_field_has_broken(field, p):
    # at a field of 1e-5 the branches pass each other at 0.02 in x, half a step
    (x,) = (root for root in _real_roots(np.array([-1.0, 0.0, p, field])) if root > 0)
    branch = trace(imperfect, Point(x, p), field, {-1: (-1, 1)})
    assert branch.began == branch.ended == "bounds"
    assert (branch.z[:, 0] > 0).all()
    assert (branch.direction > 0).all()


def _height(p, roots):
    return np.sqrt(np.prod(p - roots))


def test_tangents_turn_by_less_than_the_limit():
    for longest_step in (LONGEST_STEP, 1.0):
        branch = trace(circle, Point(0.8, 0.6), None, {}, longest_step)
        assert bends(branch).max() < SHARPEST_BEND


def test_arclength_grows_from_where_the_parameter_decreases():
    branch = trace(parabola, Point(0.5, 0.75), None, {-1: (0, 2)})
    begun = int(np.argmin(np.abs(branch.arclength)))
    assert branch.arclength[begun] == 0
    assert branch.direction[begun] > 0
    assert (np.diff(branch.arclength) > 0).all()
    unit = np.stack([1 / (1 + np.abs(branch.z[:, 0])), np.full(len(branch.z), 1 / 2)], axis=1)
    np.testing.assert_allclose(np.linalg.norm(branch.tangent * unit, axis=1), 1, atol=1e-12)


def test_direction_and_orientation_change_sign_at_a_fold():
    branch = trace(parabola, Point(0.5, 0.75), None, {-1: (0, 2)})
    x, p = points(branch)
    # d residual / dx = 2 x, and p grows towards x = 0
    np.testing.assert_array_equal(branch.orientation, np.sign(x))
    np.testing.assert_array_equal(np.sign(branch.direction), np.sign(x))
    np.testing.assert_allclose(branch.tangent[:, 1], -2 * x * branch.tangent[:, 0], atol=EXACT)


@pytest.mark.parametrize("residual", [transcritical, pitchfork])
def test_only_the_orientation_changes_where_another_branch_crosses(residual):
    branch = trace(residual, Point(0.0, -0.5), None, {-1: (-1, 1)})
    x, p = points(branch)
    np.testing.assert_array_equal(x, 0)
    np.testing.assert_array_equal(branch.orientation, np.sign(p))  # d residual / dx = p
    assert (branch.direction > 0).all()


def test_only_the_direction_changes_where_two_mirror_images_meet():
    branch = trace(pitchfork, Point(np.sqrt(0.5), 0.5), None, {-1: (-1, 1)})
    x, p = points(branch)
    np.testing.assert_allclose(np.sort(x[[0, -1]]), [-1, 1], atol=EXACT)
    np.testing.assert_allclose(p, x**2, atol=EXACT)
    np.testing.assert_array_equal(branch.orientation, -1)  # p - 3 x^2 = -2 p
    np.testing.assert_array_equal(np.sign(branch.direction), np.sign(x[-1] * x))


def test_unknowns_may_be_a_pytree():
    branch = trace(helix, Point({"xy": np.array([1.0, 0.0])}, 0.0), None, {-1: (-1, 1)})
    assert branch.began == branch.ended == "bounds"
    unknown, p = branch.points
    exact = np.stack([np.cos(3 * p), np.sin(3 * p)], axis=1)
    np.testing.assert_allclose(unknown["xy"], exact, atol=EXACT)
    np.testing.assert_array_equal(p, branch.z[:, -1])
    np.testing.assert_allclose(p[[0, -1]], [-1, 1], atol=1e-15)


@pytest.fixture(scope="module")
def arc():
    """The circle but for its lower part, from p = -0.8 over x = 1 to p = 0.8."""
    with jax.enable_x64(True):
        return trace(circle, Point(1.0, 0.0), None, {0: (-0.6, 2)})


@pytest.mark.parametrize("height", [-0.55, 0.0, 0.3, 0.9])
def test_all_points_at_a_value_are_found(arc, height):
    rows = passing(circle, arc, None, 0, height)
    width = np.sqrt(1 - height**2)
    np.testing.assert_allclose([row.z for row in rows], [[height, -width], [height, width]])
    for row in rows:
        assert row.z[0] == height
        assert arc.arclength[0] < row.arclength < arc.arclength[-1]
    assert passing(circle, arc, None, 0, 1.5) == []


def test_an_event_is_located_where_it_changes_sign_and_nowhere_else(arc):
    excess = arc.z[:, 0] - 2 * arc.z[:, 1]  # zero at p = 1 / sqrt(5)
    found = [
        locate(circle, arc, k, None, lambda row: row.z[0] - 2 * row.z[1])
        for k in range(len(arc.z) - 1)
    ]
    (k,) = np.flatnonzero(excess[:-1] * excess[1:] < 0)
    assert [i for i, row in enumerate(found) if row is not None] == [k]
    np.testing.assert_allclose(found[k].z, np.array([2, 1]) / np.sqrt(5), atol=1e-13)
    assert arc.arclength[k] < found[k].arclength < arc.arclength[k + 1]
    assert np.dot(found[k].tangent, arc.tangent[k]) > 0


def test_an_event_that_is_never_zero_is_not_located(arc):
    assert locate(circle, arc, 3, None, lambda row: 1.0) is None


def test_a_fold_is_located_as_a_zero_of_the_direction(arc):
    (k, _) = np.flatnonzero(arc.direction[:-1] * arc.direction[1:] < 0)
    row = locate(circle, arc, k, None, lambda row: row.tangent[-1])
    np.testing.assert_allclose(row.z, [0, -1], atol=1e-13)


def test_points_are_inserted_in_their_order(arc):
    rows = [row for x in (0.9, -0.3, 0.5) for row in passing(circle, arc, None, 0, x)]
    longer = insert(arc, rows)
    assert len(longer.z) == len(arc.z) + 6
    assert (np.diff(longer.arclength) > 0).all()
    assert (np.diff(np.arctan2(longer.z[:, 1], longer.z[:, 0])) > 0).all()
    assert (longer.began, longer.ended) == (arc.began, arc.ended)
    assert set(arc.arclength) < set(longer.arclength)


def test_newton_at_a_given_parameter_says_whether_it_has_converged():
    point, found = solve(parabola, Point(0.7, 0.75), None)
    assert solved(found)
    np.testing.assert_allclose([point.unknown, point.parameter], [0.5, 0.75], atol=1e-15)
    for beyond in (0.5, 1e-3, 1e-6):  # of a fold, where the residual never vanishes
        assert not solved(solve(parabola, Point(0.1, 1 + beyond), None)[1])
    assert not solved(solve(cliff, Point(0.5, 0.5), None)[1])
