r"""What temperature, load and class overlap of ``dense_memory`` are called elsewhere.

Here the energy of an archetype is -N / 2 for every P, K = (2 alpha / P!) N^(P-1) are stored, and
the mean of the examples of a class is divided by r. Others divide the energy by other numbers; the
states are the same. Every number of a ``Convention`` times ours is theirs::

    theirs = KROTOV.temperature * ours

``KROTOV`` has the energy -N sum_mu m_mu^P (E. Gardner, J. Phys. A 20, 3453 (1987); D. Krotov and
J. J. Hopfield, arXiv:1606.01164), and ``THERIAULT`` twice our energy and alpha N^(P-1) / P!
patterns (R. Theriault and D. Tantari, arXiv:2401.04191).
"""

from __future__ import annotations

from typing import NamedTuple

from .example_law import Number


class Convention(NamedTuple):
    """Factors from our numbers to those of others.

    Parameters
    ----------
    temperature, pattern_load, class_overlap : float
        Of T, alpha and n; all dimensionless.
    """

    temperature: Number = 1.0
    pattern_load: Number = 1.0
    class_overlap: Number = 1.0


KROTOV = Convention(temperature=2.0)
THERIAULT = Convention(temperature=2.0, pattern_load=2.0)


def unit_variance(entropy: Number, *, interaction_order: int) -> Convention:
    """Class means divided by their own standard deviation, the square root of R = r^2 (1 + rho).

    Parameters
    ----------
    entropy : float
        rho >= 0.
    interaction_order : int
        P >= 2.

    Returns
    -------
    Convention
        T / (1 + rho)^(P / 2) and n / (1 + rho), the overlap with the mean over examples times
        r / R.

    Notes
    -----
    In these units the noise of other classes is that of stored patterns, and the signal weaker by
    (1 + rho)^(P / 2). E. Agliari et al., arXiv:2212.00606 (supervised), as recalled.
    """
    return Convention(
        temperature=(1 + entropy) ** (-interaction_order / 2), class_overlap=1 / (1 + entropy)
    )
