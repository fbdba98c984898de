"""Named problems whose states and transitions are known, each a theory of a few lines.

``BRANCHES`` says how to follow the states and which law all points obey; ``branch(name)`` follows
one, once per session.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Annotated, Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.scipy.special import entr, log_ndtr
from scipy import special

from thermolimit import solvers
from thermolimit.solvers import SinhTrapezoid, expectation
from thermolimit.solvers.quadrature import GaussianRule
from thermolimit.theory.curie_weiss import CurieWeiss
from thermolimit.theory.hebbian.hopfield import ReplicaSymmetric, ZeroTemperature


class X(NamedTuple):
    x: Any


class AB(NamedTuple):
    a: Any
    b: Any = 0.0


class NormalForm(solvers.SelfConsistent):
    """x' = rate(x, a, b), as the self-consistency equation x = x + rate."""

    Order, Control = X, AB
    starts = {"upper": X(1.0), "lower": X(-1.0)}

    def rate(self, x, a, b):
        raise NotImplementedError

    def update(self, order, control):
        return X(order.x + self.rate(order.x, *control))


@dataclass(frozen=True)
class SaddleNode(NormalForm):
    """Two states x = +-sqrt(a), and none at a < 0."""

    def rate(self, x, a, b):
        return a - x**2


@dataclass(frozen=True)
class Cusp(NormalForm):
    """Three states inside 27 a^2 < 4 b^3, one outside."""

    def rate(self, x, a, b):
        return a + b * x - x**3


@dataclass(frozen=True)
class Transcritical(NormalForm):
    """States x = 0 and x = a, which exchange their stability at a = 0."""

    starts = {"zero": X(0.0), "other": X(1.0)}

    def rate(self, x, a, b):
        return a * x - x**2


@dataclass(frozen=True)
class Pitchfork(NormalForm):
    """x = 0 and, at b = 0, the states a = x^4 - sign x^2: from a = 0, or back to a = -1/4 first."""

    sign: int = -1
    starts = {"zero": X(0.0), "upper": X(1.0)}

    def rate(self, x, a, b):
        return b + a * x + self.sign * x**3 - x**5


@dataclass(frozen=True)
class Isola(NormalForm):
    """A closed branch, x^2 + a^2 = 1."""

    def rate(self, x, a, b):
        return 1 - x**2 - a**2


@dataclass(frozen=True)
class Ferromagnet(solvers.Equilibrium):
    """Fully connected p-spin ferromagnet with the energy -m^p per spin.

    By the entropy of m, or with m expressed by its conjugate field: then all derivatives of the
    free energy up to the (p - 1)-th vanish at m = 0, and no gradient leads away from there.
    """

    p: int = 3
    eliminated: bool = False

    class Order(NamedTuple):
        magnetization: Any

    class Control(NamedTuple):
        temperature: Annotated[Any, (0.0, np.inf)]

    starts = {"ferromagnet": Order(1.0), "paramagnet": Order(0.0)}

    def free_energy(self, order, control):
        (m,), (T,), p = order, control, self.p
        if self.eliminated:
            field = p * m ** (p - 1) / T
            return (p - 1) * m**p - T * jnp.logaddexp(field, -field)
        return -(m**p) - T * (entr((1 + m) / 2) + entr((1 - m) / 2))

    def update(self, order, control):
        (m,), (T,), p = order, control, self.p
        return self.Order(jnp.tanh(p * m ** (p - 1) / T))


@dataclass(frozen=True)
class BlumeCapel(solvers.Equilibrium):
    """Fully connected spins s = -1, 0, 1 with the energy -(sum s)^2 / (2 N) + D sum s^2.

    f = m^2/2 - T log(1 + 2 exp(-D/T) cosh(m/T)) (M. Blume 1966, H. W. Capel 1966).
    """

    class Order(NamedTuple):
        magnetization: Any

    class Control(NamedTuple):
        crystal_field: Any
        temperature: Annotated[Any, (0.0, np.inf)]

    starts = {"ferromagnet": Order(1.0), "paramagnet": Order(0.0)}

    def free_energy(self, order, control):
        (m,), (D, T) = order, control
        return m**2 / 2 - T * jnp.logaddexp(0.0, jnp.logaddexp((m - D) / T, -(m + D) / T))


@dataclass(frozen=True)
class Patterns(solvers.Equilibrium):
    """Hopfield network with a finite number of patterns (Amit, Gutfreund, Sompolinsky 1985)."""

    patterns: int = 3

    class Order(NamedTuple):
        overlap: Annotated[Any, "pattern"]

    class Control(NamedTuple):
        temperature: Annotated[Any, (0.0, np.inf)]

    @property
    def starts(self):
        one, all_alike = np.eye(self.patterns)[0], np.full(self.patterns, 0.5)
        return {
            "retrieval": self.Order(one),
            "mixture": self.Order(all_alike),
            "paramagnet": self.Order(0 * one),
        }

    def free_energy(self, order, control):
        (m,), (T,) = order, control
        signs = 1 - 2.0 * (np.arange(2**self.patterns)[:, None] >> np.arange(self.patterns) & 1)
        h = jnp.asarray(signs) @ m / T
        return m @ m / 2 - T * jnp.mean(jnp.logaddexp(h, -h))


@dataclass(frozen=True)
class Potts(solvers.Equilibrium):
    """Fully connected Potts model, energy -N/2 sum_a x_a^2 for fractions x_a (F. Y. Wu 1982)."""

    colours: int = 3

    class Order(NamedTuple):
        fraction: Annotated[Any, "colour"]

    class Control(NamedTuple):
        temperature: Annotated[Any, (0.0, np.inf)]

    @property
    def starts(self):
        one, all_alike = np.eye(self.colours)[0], np.full(self.colours, 1 / self.colours)
        return {"ordered": self.Order(one), "disordered": self.Order(all_alike)}

    def free_energy(self, order, control):
        (x,), (T,) = order, control
        return x @ x / 2 - T * jax.nn.logsumexp(x / T)


@dataclass(frozen=True)
class Teacher(solvers.SelfConsistent):
    """Binary perceptron that learns from a binary teacher, on the Nishimori line (Gyorgyi 1990).

    R = E tanh(sqrt(Rh) z + Rh), Rh = alpha sqrt(2/pi) / sqrt(1-R) E K(-sqrt(R) z), K = G / H; the
    entropy of the student vanishes at alpha_c, where it jumps to the teacher, R = 1 with s = 0.
    """

    rule: GaussianRule = SinhTrapezoid(101)

    class Order(NamedTuple):
        overlap: Any

    class Control(NamedTuple):
        sample_ratio: Annotated[Any, (0.0, np.inf)]

    starts = {"student": Order(0.3)}

    def field(self, order, control):
        R = order.overlap
        ratio = expectation(_density_over_tail, 0.0, R, scale=1.0, rule=self.rule)
        return control.sample_ratio * jnp.sqrt(2 / jnp.pi / (1 - R)) * ratio

    def update(self, order, control):
        h = self.field(order, control)
        return self.Order(expectation(jnp.tanh, h, h, scale=1.0, rule=self.rule))

    def domain(self, order, control):
        return (order.overlap >= 0) & (order.overlap < 1)

    def entropy(self, order, control):
        (R,), (alpha,) = order, control
        h = self.field(order, control)
        spins = expectation(_log_2cosh, h, h, scale=1.0, rule=self.rule)
        labels = expectation(_tail_log_tail, 0.0, R / (1 - R), scale=1.0, rule=self.rule)
        return spins - h * (1 + R) / 2 + 2 * alpha * labels


def _density_over_tail(v):
    return jnp.exp(-(v**2) / 2 - log_ndtr(v)) / jnp.sqrt(2 * jnp.pi)


def _log_2cosh(h):
    return jnp.logaddexp(h, -h)


def _tail_log_tail(v):
    return jnp.exp(log_ndtr(v)) * log_ndtr(v)


@dataclass(frozen=True)
class RandomField(solvers.Equilibrium):
    """Curie-Weiss ferromagnet in Gaussian random fields: m = E tanh((m + h + s z) / T)."""

    rule: GaussianRule = SinhTrapezoid(61)

    class Order(NamedTuple):
        magnetization: Any

    class Control(NamedTuple):
        temperature: Annotated[Any, (0.0, np.inf)]
        field: Any = 0.0
        disorder: Annotated[Any, (0.0, np.inf)] = 0.5

    starts = {"up": Order(1.0), "down": Order(-1.0)}

    def free_energy(self, order, control):
        (m,), (T, h, s) = order, control
        return m**2 / 2 - T * expectation(_log_2cosh_at, m + h, s**2, T, scale=T, rule=self.rule)

    def update(self, order, control):
        (m,), (T, h, s) = order, control
        return self.Order(expectation(_spin, m + h, s**2, T, scale=T, rule=self.rule))


def _spin(h, T):
    return jnp.tanh(h / T)


def _log_2cosh_at(h, T):
    return _log_2cosh(h / T)


class Followed(NamedTuple):
    """How to follow a state, and what is known of all its points."""

    theory: Any
    parameter: str
    start: str
    bounds: tuple[float, float]
    at: dict[str, float]
    folds: int
    law: Callable[[Any], Any]  # of the branch's dataset: zero, by other means than the theory's map
    ends: tuple[str, str] = ("bounds", "bounds")


def curie_weiss(data):
    m = data["magnetization"]
    return data["temperature"] * np.arctanh(m) - m - data["field"]


def disordered(data):
    return data["magnetization"]


def ferromagnet(data):
    m = data["magnetization"]  # of both sheets, where m = 0 is another state
    return data["temperature"] * np.arctanh(m) / m - 3 * m


def blume_capel(data):
    """m = 2 sinh(m/T) / (exp(D/T) + 2 cosh(m/T))."""
    m, T = data["magnetization"], data["temperature"]
    zero, spins = np.exp(data["crystal_field"] / T), 2 * np.cosh(m / T)
    return (zero * m - 2 * np.sinh(m / T) + m * spins) / (zero + spins)


def mixture(data):
    """m = (tanh(3 m / T) + tanh(m / T)) / 4 for all three (Amit, Gutfreund, Sompolinsky 1985)."""
    m, T = data["overlap"], data["temperature"]
    return m - (np.tanh(3 * m / T) + np.tanh(m / T)) / 4


def retrieval(data):
    m, T = data["overlap"], data["temperature"]
    return m - np.tanh(m / T) * (m["pattern"] == 0)


def no_overlap(data):
    return data["overlap"]


def ordered(data):
    """Every fraction over the last one is exp(their difference / T), and their sum is one."""
    x = data["fraction"]
    last = x.isel(colour=-1)
    return data["temperature"] * np.log(x / last) - (x - last) + (x.sum("colour") - 1)


def all_alike(data):
    return data["fraction"] - 1 / data.sizes["colour"]


def student(data):
    """The equations by the trapezoidal rule in numpy; 0.02 resolves the narrowest function."""
    z = np.linspace(-10, 10, 1001)[:, None]
    weight = np.exp(-(z**2) / 2) / np.sqrt(2 * np.pi) * (z[1] - z[0])
    R, alpha = data["overlap"].values, data["sample_ratio"].values
    v = np.sqrt(R) * z
    ratio = np.exp(-(v**2) / 2 - special.log_ndtr(v)) / np.sqrt(2 * np.pi)
    h = alpha * np.sqrt(2 / np.pi / (1 - R)) * np.sum(weight * ratio, axis=0)
    return R - np.sum(weight * np.tanh(np.sqrt(h) * z + h), axis=0)


def zero_temperature(data):
    """With y = m / sqrt(2 alpha r): y (sqrt(2 alpha) + 2 exp(-y^2) / sqrt(pi)) = erf(y) (AGS)."""
    alpha = data["pattern_load"]
    y = data["overlap"] / np.sqrt(2 * alpha * data["crosstalk"])
    return y * (np.sqrt(2 * alpha) + 2 / np.sqrt(np.pi) * np.exp(-(y**2))) - special.erf(y)


def zero_temperature_glass(data):
    """m = 0 and C (1 + sqrt(pi alpha / 2)) = 1."""
    C = data["susceptibility"] * (1 + np.sqrt(np.pi * data["pattern_load"] / 2))
    return np.abs(data["overlap"]) + np.abs(C - 1)


def hopfield(data):
    """The equations by the trapezoidal rule in numpy; 0.001 resolves tanh(h / T) at T = 0.005."""
    z = np.linspace(-10, 10, 20_001)[:, None]
    weight = np.exp(-(z**2) / 2) / np.sqrt(2 * np.pi) * (z[1] - z[0])
    names = ("overlap", "self_overlap", "crosstalk", "pattern_load", "temperature")
    m, q, r, alpha, T = (data[name].values for name in names)
    spin = np.tanh((m + np.sqrt(alpha * np.maximum(r, 0)) * z) / T)
    means = np.sum(weight * spin, axis=0), np.sum(weight * spin**2, axis=0)
    return np.stack([m - means[0], q - means[1], q - r * (1 - (1 - q) / T) ** 2])


COARSE = RandomField(SinhTrapezoid(29))  # enough for saturated spins, wrong by 1e-7 elsewhere


def coarse_branch(**options):
    """From where the nodes suffice to where they do not, and over a fold there."""
    at = {"temperature": 0.1, "field": -2.9}
    return solvers.trace_branch(COARSE, "field", start="down", bounds=(-3, 1), **at, **options)


HOPFIELD = ReplicaSymmetric(SinhTrapezoid(201))
TEACHER = Teacher()
WELL, BUTTERFLY = Pitchfork(-1), Pitchfork(1)


def rate_of(theory):
    """The law of a normal form: its rate vanishes."""
    return lambda data: theory.rate(data["x"], data["a"], data["b"])


def _normal_form(theory, start, at, folds, parameter="a", ends=("bounds", "bounds")):
    return Followed(theory, parameter, start, (-1, 1), at, folds, rate_of(theory), ends)


BRANCHES = {
    "saddle-node": _normal_form(SaddleNode(), "upper", {"a": 0.5}, 1),
    "saddle-node, other side": _normal_form(SaddleNode(), "lower", {"a": 1.0}, 1),
    "cusp": _normal_form(Cusp(), "upper", {"a": 0.1, "b": 1.0}, 2),
    "transcritical": _normal_form(Transcritical(), "zero", {"a": -0.5}, 0),
    "transcritical, other": _normal_form(Transcritical(), "other", {"a": 0.5}, 0),
    "well": _normal_form(WELL, "zero", {"a": -0.5}, 0),
    "well, upper": _normal_form(WELL, "upper", {"a": 0.5}, 1),
    "butterfly": _normal_form(BUTTERFLY, "zero", {"a": -0.5}, 0),
    "butterfly, upper": _normal_form(BUTTERFLY, "upper", {"a": 0.5}, 3),
    "butterfly, field": _normal_form(BUTTERFLY, "upper", {"a": -0.1, "b": 0.0}, 4, "b"),
    "isola": Followed(
        Isola(), "a", "upper", (-2, 2), {"a": 0.5}, 2, rate_of(Isola()), ("closed", "closed")
    ),
    "curie-weiss up": Followed(
        CurieWeiss(), "field", "up", (-1, 1), {"temperature": 0.5, "field": 0.01}, 2, curie_weiss
    ),
    "curie-weiss down": Followed(
        CurieWeiss(), "field", "down", (-1, 1), {"temperature": 0.5, "field": 0.02}, 2, curie_weiss
    ),
    "curie-weiss paramagnet": Followed(
        CurieWeiss(), "temperature", "up", (0.3, 2), {"temperature": 1.5}, 0, disordered
    ),
    "curie-weiss ordered": Followed(
        CurieWeiss(), "temperature", "up", (0.3, 2), {"temperature": 0.5}, 1, curie_weiss
    ),
    "ferromagnet": Followed(
        Ferromagnet(), "temperature", "ferromagnet", (0.5, 2.5), {"temperature": 1.0}, 1,
        ferromagnet,
    ),
    "ferromagnet's paramagnet": Followed(
        Ferromagnet(), "temperature", "paramagnet", (0.5, 2.5), {"temperature": 1.0}, 0, disordered
    ),
    "eliminated": Followed(
        Ferromagnet(eliminated=True), "temperature", "ferromagnet", (0.5, 2.5),
        {"temperature": 1.0}, 1, ferromagnet,
    ),
    "eliminated paramagnet": Followed(
        Ferromagnet(eliminated=True), "temperature", "paramagnet", (0.5, 2.5),
        {"temperature": 1.0}, 0, disordered,
    ),
    "blume-capel": Followed(
        BlumeCapel(), "crystal_field", "ferromagnet", (-0.5, 1),
        {"crystal_field": 0.45, "temperature": 0.2}, 3, blume_capel,
    ),
    "blume-capel paramagnet": Followed(
        BlumeCapel(), "crystal_field", "paramagnet", (-0.5, 1),
        {"crystal_field": 0.5, "temperature": 0.2}, 0, disordered,
    ),
    "blume-capel heated": Followed(
        BlumeCapel(), "temperature", "paramagnet", (0.05, 1),
        {"crystal_field": 0.2, "temperature": 0.9}, 0, disordered,
    ),
    "3 patterns": Followed(
        Patterns(3), "temperature", "paramagnet", (0.2, 1.5), {"temperature": 1.4}, 0, no_overlap
    ),
    "3 patterns, retrieval": Followed(
        Patterns(3), "temperature", "retrieval", (0.2, 1.5), {"temperature": 0.5}, 1, retrieval
    ),
    "3 patterns, mixture": Followed(
        Patterns(3), "temperature", "mixture", (0.2, 1.5), {"temperature": 0.3}, 1, mixture
    ),
    "potts": Followed(
        Potts(), "temperature", "ordered", (0.1, 0.5), {"temperature": 0.2}, 1, ordered
    ),
    "potts disordered": Followed(
        Potts(), "temperature", "disordered", (0.1, 0.5), {"temperature": 0.45}, 0, all_alike
    ),
    "student": Followed(
        TEACHER, "sample_ratio", "student", (0.5, 2), {"sample_ratio": 1.0}, 1, student
    ),
    "zero temperature": Followed(
        ZeroTemperature(), "pattern_load", "retrieval", (0.02, 0.2), {"pattern_load": 0.1}, 1,
        zero_temperature,
    ),
    "zero temperature glass": Followed(
        ZeroTemperature(), "pattern_load", "spin_glass", (0.02, 0.2), {"pattern_load": 0.1}, 0,
        zero_temperature_glass,
    ),
    "hopfield": Followed(
        HOPFIELD, "temperature", "retrieval", (0.005, 1.2),
        {"pattern_load": 0.05, "temperature": 0.3}, 1, hopfield,
    ),
    "hopfield glass": Followed(
        HOPFIELD, "temperature", "spin_glass", (0.005, 1.2),
        {"pattern_load": 0.05, "temperature": 0.3}, 0, hopfield,
    ),
    "hopfield paramagnet": Followed(
        HOPFIELD, "temperature", "paramagnet", (0.1, 1.5),
        {"pattern_load": 0.05, "temperature": 1.3}, 0, hopfield, ("domain", "bounds"),
    ),
}  # fmt: skip


SLOW = {"student", "student's spinodal", "perfect learning", "glass transition"}


def named(problems):
    """Names to parametrize a test with; those that take several seconds to compile are slow."""
    slow = pytest.mark.slow
    return [pytest.param(name, marks=slow) if name in SLOW else name for name in problems]


@cache
def branch(name):
    """The branch of this name, followed once."""
    case = BRANCHES[name]
    return solvers.trace_branch(
        case.theory, case.parameter, start=case.start, bounds=case.bounds, **case.at
    )
