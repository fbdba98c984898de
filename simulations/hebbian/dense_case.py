"""What fixes a dense Hebbian network besides its numbers, and the formulas that follow from it."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal

import sympy

from thermolimit.leaves import check_word

from .dense_data import Protocol

Indices = Literal["distinct", "all"]
Dynamics = Literal["glauber", "metropolis", "parallel", "naive_mf", "tap"]
Start = Literal["archetype", "example", "mixture", "random"]

TOLERANCE = 1e-6  # largest change of a magnetisation in a step that ends the iteration
SMALLEST_LOSSLESS = {3: 100, 4: 64}  # spins; found in simulations of retrieval far from its limit


@dataclass(frozen=True)
class Case:
    """Everything about a network that fixes shapes.

    Parameters
    ----------
    n_spins, pattern_load, interaction_order : int, float, int
        N, alpha and P.
    protocol, indices, examples
        Which energy, and M.
    dynamics, start
        How it runs, and from where.

    Raises
    ------
    ValueError
        For what does not exist.
    """

    n_spins: int
    pattern_load: float
    interaction_order: int
    protocol: Protocol
    indices: Indices
    examples: int
    dynamics: Dynamics
    start: Start

    def __post_init__(self) -> None:
        if self.interaction_order < 2:
            raise ValueError(f"interaction_order = {self.interaction_order} is below 2")
        if self.n_spins < self.interaction_order:
            raise ValueError(
                f"n_spins = {self.n_spins} is below interaction_order = {self.interaction_order}: "
                "so many spins must interact"
            )
        for name, words in (
            ("protocol", Protocol),
            ("indices", Indices),
            ("dynamics", Dynamics),
            ("start", Start),
        ):
            check_word(name, getattr(self, name), words)
        if self.mean_field and self.all_indices:
            raise ValueError(
                f"dynamics = {self.dynamics!r} has equations for indices = 'distinct' only"
            )
        if self.start == "mixture" and self.classes < 3:
            raise ValueError(f"start = 'mixture' mixes 3 classes, and there are {self.classes}")

    @property
    def classes(self) -> int:
        """K, the whole number nearest to 2 alpha N^(P-1) / P!; one at alpha = 0."""
        if self.pattern_load == 0:
            return 1
        P = self.interaction_order
        count = round(2 * self.pattern_load * self.n_spins ** (P - 1) / math.factorial(P))
        if count == 0:
            raise ValueError(
                f"pattern_load = {self.pattern_load:g} makes no class at n_spins = {self.n_spins}"
            )
        return count

    @property
    def all_indices(self) -> bool:
        """Whether repeated indices are kept."""
        return self.indices == "all"

    @property
    def mean_field(self) -> bool:
        """Whether magnetisations take the place of spins."""
        return self.dynamics in ("naive_mf", "tap")

    def scale(self, quality: Any) -> Any:
        """c in H = -c sum_rows E, with rows of whole numbers."""
        P, M = self.interaction_order, self.examples
        repeated = M**P if self.protocol == "supervised" else M
        return quality ** (-P) / (2.0 * float(self.n_spins) ** (P - 1) * repeated)

    def warn(self) -> None:
        """Say that a network is too small to retrieve."""
        least = SMALLEST_LOSSLESS.get(min(self.interaction_order, 4), 0)
        if self.pattern_load > 0 and self.n_spins < least:
            warnings.warn(
                f"n_spins = {self.n_spins} is below {least}: at interaction_order = "
                f"{self.interaction_order} the field of an archetype falls so fast with the "
                "overlap that the fluctuations of few spins take the network out of its basin, "
                "and retrieval is lost by finite size",
                UserWarning,
                stacklevel=3,
            )


@lru_cache
def elementary_field(interaction_order: int) -> Callable[..., Any]:
    """e_(P-1) of any numbers as a function of their power sums p_1 ... p_(P-1).

    From Newton's identities k e_k = sum_j (-1)^(j-1) e_(k-j) p_j, solved by SymPy.

    Parameters
    ----------
    interaction_order : int
        P >= 2: a spin is in the field of products of P - 1 others.
    """
    degree = interaction_order - 1
    p = sympy.symbols(f"p1:{degree + 1}")
    e = [sympy.Integer(1)]
    for k in range(1, degree + 1):
        terms = [(-1) ** (j - 1) * e[k - j] * p[j - 1] for j in range(1, k + 1)]
        e.append(sympy.expand(sympy.Add(*terms) / k))
    return sympy.lambdify(p, sympy.horner(e[degree], wrt=p[0]), modules="math")


def onsager(case: Case, q: Any, temperature: Any, quality: Any) -> Any:
    """Coefficient of the reaction of a spin on its own field, to be multiplied by m_i.

    Parameters
    ----------
    case : Case
        Which network.
    q : float or array
        Mean of m_i^2.
    temperature, quality : float or array
        T > 0 and r.

    Notes
    -----
    Of the other classes, which are many: P >= 3: alpha_eff (P / 2) (P - 1) q^(P-2) (1 - q) / T; for
    P = 2, sum_k lambda_k^2 alpha C / (1 - lambda_k C) over the eigenvalues of the covariance of a
    class, C = (1 - q) / T. On the way to the solution the denominators may be negative, where the
    expansion means nothing: they are kept above 0.1.
    """
    P, M = case.interaction_order, case.examples
    load = case.classes * math.factorial(P) / (2.0 * float(case.n_spins) ** (P - 1))
    response = (1 - q) / temperature
    rho = (1 - quality**2) / (M * quality**2)
    if P > 2:
        of_products = 1 + (1 - quality ** (2 * P)) / (M * quality ** (2 * P))
        noise = (1 + rho) ** P if case.protocol == "supervised" else of_products
        return load * noise * (P / 2) * (P - 1) * q ** (P - 2) * response
    pairs = [(1 + rho, 1)] + ([(rho, M - 1)] if case.protocol == "unsupervised" else [])
    return load * response * sum(g * r**2 / (1 - r * response).clip(0.1) for r, g in pairs)
