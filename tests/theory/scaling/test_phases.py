"""Phases of compute-optimal scaling: the table is derived again, and public numbers are met."""

from __future__ import annotations

import numpy as np
import pytest
import sympy as sp
import xarray as xr

from thermolimit import solvers
from thermolimit.theory.scaling import phases
from thermolimit.theory.scaling.phases import BOUNDARIES, FLAT, PHASES, PIECES, STEP_SIZE, phase
from thermolimit.theory.scaling.phases import alpha as a
from thermolimit.theory.scaling.phases import beta as b

INSIDE = {  # one point of every phase
    "Ia": (0.75, 0.25),
    "Ib": (0.4, 0.3),
    "Ic": (0.2, 0.9),
    "II": (1.0, 0.75),
    "III": (0.7, 1.2),
    "IVa": (0.4, 1.0),
    "IVb": (0.27, 0.8),
}
BY_NAME = {p.name: p for p in PHASES}
f, xi = sp.symbols("f xi", positive=True)


def values(alpha, beta):
    """Exponents at points, in float64."""
    points = xr.DataArray(alpha, dims="point"), xr.DataArray(beta, dims="point")
    data = solvers.evaluate(phases.exponents, alpha=points[0], beta=points[1])
    return data["loss_exponent"].values, data["dimension_exponent"].values


def power(expression, point):
    """Exponent of f, if d = f^xi and r = f / d, next to a point that says which side of a line."""
    at = dict(zip((a, b), point, strict=True))
    step = next(value for value, condition in STEP_SIZE.args if condition.subs(at))
    expression = expression.replace(sp.Max, lambda *xs: max(xs, key=lambda x: x.subs(at)))
    expression = expression.subs(phases.gamma, step).subs(phases.r, f / phases.d)
    log = sp.expand_log(sp.log(expression.subs(phases.d, f**xi)), force=True)
    return sp.expand(log).coeff(sp.log(f)) if log.has(f) else sp.S.Zero


def existing(point):
    """The pieces that the loss has at a point."""
    alpha, beta = point
    present = {
        "F_pp": True,
        "F_ac": alpha > 0.5 and beta > 0.5,
        "F_0": True,
        "K_pp": alpha > 0.25,
    }
    return {name: PIECES[name] for name in PIECES if present[name]}


@pytest.mark.parametrize("name", INSIDE)
def test_exponents_of_the_table_follow_from_the_equality_of_two_pieces(name):
    row, point = BY_NAME[name], INSIDE[name]
    first, second = (sp.collect(power(PIECES[piece], point), xi) for piece in row.corner)
    (found,) = sp.solve(sp.Eq(first, second), xi)
    assert sp.simplify(found - row.xi) == 0
    assert sp.simplify(first.subs(xi, found) + row.eta) == 0


@pytest.mark.parametrize("name", INSIDE)
def test_one_of_the_equal_pieces_falls_and_the_other_rises_with_the_dimension(name):
    slopes = [
        power(PIECES[piece], INSIDE[name])
        .coeff(xi)
        .subs(dict(zip((a, b), INSIDE[name], strict=True)))
        for piece in BY_NAME[name].corner
    ]
    assert slopes[0] * slopes[1] < 0


def test_the_table_is_the_best_dimension_for_the_largest_piece_all_over_the_plane():
    rng = np.random.default_rng(1)
    alpha, beta = rng.uniform(0.05, 1.5, (2, 80))
    keep = alpha + beta > 0.55
    eta, best = values(alpha[keep], beta[keep])
    for point, expected, dimension in zip(
        zip(alpha[keep], beta[keep], strict=True), eta, best, strict=True
    ):
        at = dict(zip((a, b), point, strict=True))
        # each piece is f^(constant + slope xi): the least maximum lies where two lines cross
        lines = [sp.Poly(power(e, point).subs(at), xi) for e in existing(point).values()]
        slope, constant = (
            np.array([float(x.coeff_monomial(m)) for x in lines]) for m in (xi, sp.S.One)
        )
        unequal = slope[:, None] != slope
        crossings = -(constant[:, None] - constant)[unequal] / (slope[:, None] - slope)[unequal]
        crossings = crossings[(crossings > 0) & (crossings < 1)]
        largest = (constant + slope * crossings[:, None]).max(axis=1)
        assert -largest.min() == pytest.approx(expected, abs=1e-12)
        assert crossings[largest.argmin()] == pytest.approx(dimension, abs=1e-9)


@pytest.mark.parametrize("name", INSIDE)
def test_pieces_left_out_of_a_phase_are_smaller_at_the_optimum(name):
    point, row = INSIDE[name], BY_NAME[name]
    at = dict(zip((a, b), point, strict=True))
    optimum = {
        piece: power(e, point).subs(xi, row.xi).subs(at) for piece, e in existing(point).items()
    }
    top = -row.eta.subs(at)
    for piece, found in optimum.items():
        if piece in row.corner:
            assert found == pytest.approx(top)
        else:
            assert found < top
    assert set(row.corner) <= set(row.pieces)


# public numbers of arXiv:2405.15074


@pytest.mark.parametrize(
    "point, expected",
    [
        ((0.75, 0.25), (0.4, 0.4)),
        ((1.0, 0.75), (0.7142857, 0.4285714)),
        ((0.7, 1.2), (0.6428571, 0.5)),
        ((0.4, 1.0), (0.4, 0.5)),
        ((0.7, 0.7), (0.642857142857, 0.5)),  # the line between II and III: 9/14
    ],
)
def test_exponents_have_their_public_values(point, expected):
    eta, best = values([point[0]], [point[1]])
    assert (eta[0], best[0]) == pytest.approx(expected, abs=5e-8)


@pytest.mark.parametrize(
    "point, label",
    [((0.75, 0.25), "Ia"), ((0.4, 1.0), "IVa"), ((0.2, 0.9), "Ic"), ((1.0, 2.0), "III")],
)
def test_phases_have_their_public_labels(point, label):
    assert phase(*point) == label


# lines


@pytest.mark.parametrize("line", BOUNDARIES[1:], ids=lambda line: "-".join(line.sides))
def test_exponents_are_continuous_across_every_line_but_one(line):
    left, right = (BY_NAME[name] for name in line.sides)
    on = {a: line.alpha, b: line.beta}
    assert sp.simplify((left.eta - right.eta).subs(on)) == 0
    jump = sp.simplify((left.xi - right.xi).subs(on))
    assert (jump == 0) == (line.alpha != FLAT)


def test_the_best_dimension_jumps_where_noise_does_not_depend_on_it():
    line = next(line for line in BOUNDARIES if line.alpha == FLAT)
    xis = [float(BY_NAME[name].xi.subs({a: FLAT, b: 0.8})) for name in line.sides]
    assert xis == pytest.approx([0.605, 0.5], abs=5e-4)  # in print to three digits
    noise = power(PIECES["K_pp"], (0.3, 0.8))
    assert sp.simplify(noise.coeff(xi).subs(a, FLAT)) == 0


def test_the_loss_does_not_decay_where_scaling_begins():
    line = BOUNDARIES[0]
    assert line.sides == ("none", "Ib")
    assert BY_NAME["Ib"].eta.subs({a: line.alpha, b: line.beta}) == 0


@pytest.mark.parametrize("line", BOUNDARIES, ids=lambda line: "-".join(line.sides))
def test_the_two_sides_of_a_line_are_the_phases_next_to_it(line):
    (x0, y0), (x1, y1) = line.points(0.4)
    x, y = (x0 + x1) / 2, (y0 + y1) / 2
    across = 1e-6 * np.array([y1 - y0, x0 - x1])
    assert phase(x, y) == "boundary"
    found = {phase(x + sign * across[0], y + sign * across[1]) for sign in (-1, 1)}
    assert found == set(line.sides)


def test_every_line_has_a_tex_form_that_names_its_equation():
    assert BOUNDARIES[-1].latex == r"\beta = \alpha"
    assert {line.latex for line in BOUNDARIES} == {
        r"\beta = \alpha",
        r"\beta = \frac{1}{2}",
        r"\alpha = \frac{1}{2}",
        r"\alpha = \frac{1}{4}",
        r"\alpha = 1 - \frac{\sqrt{2}}{2}",
        r"\beta = \frac{1}{2} - \alpha",
    }


def test_numbers_are_those_of_the_expressions():
    for name, point in INSIDE.items():
        eta, best = values([point[0]], [point[1]])
        at = dict(zip((a, b), point, strict=True))
        assert eta[0] == pytest.approx(float(BY_NAME[name].eta.subs(at)), rel=1e-14)
        assert best[0] == pytest.approx(float(BY_NAME[name].xi.subs(at)), rel=1e-14)


# labels on a grid


def test_phases_of_a_grid_are_codes_with_their_meanings():
    data = xr.Dataset(coords={"alpha": [0.2, 0.4, 0.75], "beta": [0.1, 0.5, 1.0]})
    found = phases.phases(data)
    meanings = np.array(found.attrs["flag_meanings"].split())
    assert meanings[found.transpose("alpha", "beta").values].tolist() == [
        ["none", "boundary", "Ic"],
        ["boundary", "boundary", "IVa"],
        ["Ia", "boundary", "III"],
    ]


def test_without_scaling_there_are_no_exponents():
    data = solvers.evaluate(phases.exponents, alpha=0.2, beta=[0.2, 0.3, 0.4])
    assert np.isfinite(data["loss_exponent"]).values.tolist() == [False, False, True]


@pytest.mark.parametrize("point", [(0.0, 1.0), (0.5, -0.1)])
def test_exponents_that_do_not_decay_are_refused(point):
    with pytest.raises(ValueError, match=r"is outside \(0, inf\)"):
        phase(*point)
    with pytest.raises(ValueError, match=r"is outside \(0, inf\)"):
        solvers.evaluate(phases.exponents, alpha=point[0], beta=point[1])


# B. Bordelon et al., arXiv:2402.01092: spectrum k^-b, power of the task k^-a


def test_the_laws_of_bordelon_et_al_are_those_of_phase_ia():
    task, decay = sp.symbols("a b", positive=True)
    same = {a: decay / 2, b: (task - decay) / 2}
    assert sp.simplify(BY_NAME["Ia"].eta.subs(same) - (task - 1) / (1 + decay)) == 0
    # in time t^{-(a - 1) / b}
    time = PIECES["F_pp"].subs(same).as_base_exp()[1]
    assert sp.simplify(time + (task - 1) / decay) == 0
    # in the dimension d^{-min(a - 1, b)}
    for numbers in ({task: 2.0, decay: 1.5}, {task: 3.0, decay: 1.5}):
        capacity = PIECES["F_0"].subs(same).as_base_exp()[1]
        expected = -min(numbers[task] - 1, numbers[decay])
        assert float(capacity.subs(numbers)) == pytest.approx(expected)
