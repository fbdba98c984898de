r"""Phases of compute-optimal scaling of power-law random features, with their exponents.

One-pass SGD on d random features learns a target sum_j j^-beta x_j of data x_j = j^-alpha z_j with
standard normal z_j. After r steps of batch B and step size gamma the loss is a sum of pieces,

.. math:: P(r; d) \asymp F_{pp} + F_{ac} + F_0 + K_{pp} / (\gamma B),

features learned one by one, distortion of the first ones by the random embedding, what d features
cannot express, and gradient noise. The step size is constant for 2 alpha > 1 and otherwise
proportional to d^(2 alpha - 1), as stability demands. With compute f = d B r, the smallest loss and
the dimension that reaches it,

.. math:: P^*(f) = \min_d P(f / (d B); d) \sim f^{-\eta}, \qquad d^*(f) \sim f^\xi,

lie where two pieces are equal; which ones depends on the phase. Nothing scales where
alpha + beta <= 1/2.

E. Paquette, C. Paquette, L. Xiao and J. Pennington, arXiv:2405.15074; the table was derived again.
B. Bordelon, A. Atanasov and C. Pehlevan, arXiv:2402.01092, write b = 2 alpha for the decay of the
spectrum and a = 2 alpha + 2 beta for that of the task.
"""

from __future__ import annotations

from typing import Annotated, NamedTuple

import jax
import numpy as np
import sympy as sp
import xarray as xr
from jax import Array
from numpy.typing import ArrayLike
from sympy import Rational, oo, sqrt
from sympy.logic.boolalg import Boolean

from thermolimit.leaves import flags
from thermolimit.solvers import Label

from .random_features import Alpha, Beta

alpha, beta = sp.symbols("alpha beta", positive=True)
r, d, gamma = sp.symbols("r d gamma", positive=True)
t = sp.Symbol("t", positive=True)  # along a boundary

HALF = Rational(1, 2)
FLAT = 1 - 1 / sqrt(2)  # the noise at given compute is the same for all d
ROUNDING = 1e-12  # a point this near to a boundary is on it

PIECES: dict[str, sp.Expr] = {
    "F_pp": (gamma * r) ** (-(2 * alpha + 2 * beta - 1) / (2 * alpha)),
    "F_ac": (gamma * r) ** (1 / (2 * alpha) - 1) / d,
    "F_0": d ** (-2 * alpha + sp.Max(0, 1 - 2 * beta)),
    "K_pp": gamma * (gamma * r) ** (1 / (2 * alpha) - 2),  # over gamma B
}
"""Pieces of the loss without constants; F_ac if 2 alpha > 1 < 2 beta, K_pp if 4 alpha > 1."""

STEP_SIZE = sp.Piecewise((1, alpha > HALF), (d ** (2 * alpha - 1), True))
"""How gamma may scale with d."""


class Phase(NamedTuple):
    """One region of the plane."""

    name: str
    region: Boolean  # condition on alpha and beta, with the lines around it
    pieces: tuple[str, ...]  # which make the loss at the optimum and around it
    corner: tuple[str, str]  # which are equal at the optimum
    eta: sp.Expr  # P* ~ f^-eta
    xi: sp.Expr  # d* ~ f^xi


def _phases() -> tuple[Phase, ...]:
    a, b = alpha, beta
    s = 2 * a + 2 * b - 1
    ic, ivb = 3 * a + 2 * b - 1 - 2 * a * b, 2 * b - 2 * a * b - a
    hard, easy = b <= HALF, b >= HALF
    smooth, rough = a >= HALF, a <= HALF
    learned, all_four = ("F_pp", "F_0"), ("F_pp", "F_ac", "F_0", "K_pp")
    noisy = ("F_pp", "F_0", "K_pp")
    return (
        Phase("Ia", hard & smooth, learned, learned, s / (2 * a + 1), 1 / (2 * a + 1)),
        Phase("Ib", hard & rough & (a + b > HALF), learned, learned, a + b - HALF, HALF),
        Phase("Ic", easy & (a <= HALF / 2), learned, learned, a * s / ic, s / (2 * ic)),
        Phase(
            "II", easy & smooth & (b <= a), all_four[:3], ("F_pp", "F_ac"), s / (2 * (a + b)),
            b / (a + b),
        ),
        Phase(
            "III", easy & smooth & (b >= a), all_four[1:], ("K_pp", "F_ac"), 1 - 1 / (4 * a), HALF
        ),
        Phase("IVa", easy & rough & (a >= FLAT), noisy, ("K_pp", "F_0"), a, HALF),
        Phase(
            "IVb", easy & (a >= HALF / 2) & (a <= FLAT), noisy, ("K_pp", "F_pp"),
            (1 - 2 * a) * s / (2 * ivb), (b - a) / ivb,
        ),
    )  # fmt: skip


PHASES = _phases()
LABELS = ("none", "boundary", *(phase.name for phase in PHASES))
"""Meaning of the codes of ``phases``."""


class Boundary(NamedTuple):
    """A piece of a line between two regions, t from ``lower`` to ``upper``."""

    sides: tuple[str, str]  # the two phases
    alpha: sp.Expr
    beta: sp.Expr
    lower: sp.Expr
    upper: sp.Expr

    @property
    def latex(self) -> str:
        """Equation of the line."""
        if self.alpha == t:
            return sp.latex(sp.Eq(beta, self.beta.subs(t, alpha)))
        return sp.latex(sp.Eq(alpha, self.alpha))

    def points(self, length: float) -> np.ndarray:
        """Both ends, rows of (alpha, beta); an infinite one is ``length`` away from the other."""
        lower = float(self.lower)
        ends = lower, min(float(self.upper), lower + length)
        return np.array([[float(x.subs(t, end)) for x in (self.alpha, self.beta)] for end in ends])

    def holds(self, a: np.ndarray, b: np.ndarray) -> np.ndarray:
        """Which points are on it, to rounding."""
        along = a if self.alpha == t else b
        at = [sp.lambdify(t, x)(along) for x in (self.alpha, self.beta)]
        inside = (along >= float(self.lower) - ROUNDING) & (along <= float(self.upper) + ROUNDING)
        return inside & (abs(a - at[0]) <= ROUNDING) & (abs(b - at[1]) <= ROUNDING)


BOUNDARIES = (
    Boundary(("none", "Ib"), t, HALF - t, sp.S.Zero, HALF),
    Boundary(("Ib", "Ia"), HALF, t, sp.S.Zero, HALF),
    Boundary(("Ib", "Ic"), t, HALF, sp.S.Zero, HALF / 2),
    Boundary(("Ib", "IVb"), t, HALF, HALF / 2, FLAT),
    Boundary(("Ib", "IVa"), t, HALF, FLAT, HALF),
    Boundary(("Ia", "II"), t, HALF, HALF, oo),
    Boundary(("Ic", "IVb"), HALF / 2, t, HALF, oo),
    Boundary(("IVb", "IVa"), FLAT, t, HALF, oo),
    Boundary(("IVa", "III"), HALF, t, HALF, oo),
    Boundary(("III", "II"), t, t, HALF, oo),
)


class Exponents(NamedTuple):
    """How the compute-optimal loss and dimension scale with compute."""

    loss_exponent: Annotated[Array, Label(r"exponent of the loss, $\eta$")]
    dimension_exponent: Annotated[Array, Label(r"exponent of the dimension, $\xi$")]


ETA, XI = (
    sp.Piecewise(*[(getattr(phase, name), phase.region) for phase in PHASES], (sp.nan, True))
    for name in ("eta", "xi")
)
_eta, _xi = (sp.lambdify((alpha, beta), expression, modules="jax") for expression in (ETA, XI))


@jax.jit
def exponents(alpha: Alpha, beta: Beta) -> Exponents:
    """Exponents eta and xi of P* ~ f^-eta and d* ~ f^xi (arXiv:2405.15074).

    Dimensionless. Both are continuous over the plane, but for xi on alpha = 1 - 1 / sqrt(2), where
    it has the value of the right side (IVa). NaN for alpha + beta <= 1/2, where nothing scales. On
    a line the power laws have logarithmic corrections.
    """
    return Exponents(_eta(alpha, beta), _xi(alpha, beta))


def phases(data: xr.Dataset) -> xr.DataArray:
    """Phase at each point.

    Parameters
    ----------
    data : xarray.Dataset
        With ``alpha`` and ``beta``, both positive.

    Returns
    -------
    xarray.DataArray
        Codes with CF flag attributes: the phases, ``boundary`` on a line between two of them to
        rounding (1e-12), ``none`` below alpha + beta = 1/2.
    """
    code = xr.apply_ufunc(_codes, data["alpha"], data["beta"])
    return code.assign_attrs(flags("phase", LABELS)).rename("phase")


def phase(alpha: float, beta: float) -> str:
    """Label of the phase at one point, as in ``phases``."""
    return LABELS[int(_codes(alpha, beta))]


def _codes(a: ArrayLike, b: ArrayLike) -> np.ndarray:
    a, b = np.broadcast_arrays(np.asarray(a, float), np.asarray(b, float))
    for name, value in (("alpha", a), ("beta", b)):
        if not np.all(value > 0):
            raise ValueError(f"{name} = {np.min(value):g} is outside (0, inf)")
    on_line = np.any([line.holds(a, b) for line in BOUNDARIES], axis=0)
    inside = [sp.lambdify((alpha, beta), p.region)(a, b) & ~on_line for p in PHASES]
    return np.select([on_line, *inside], range(1, len(LABELS)), default=0).astype(np.int8)
