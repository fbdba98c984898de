"""Numerics for theories of the thermodynamic limit; knows no physics.

State a theory (``Equilibrium``, ``SelfConsistent``, ``Flow``, or a plain function), then call
``saddle_points``, ``trajectory`` or ``evaluate`` with numbers and axes, and get an
``xarray.Dataset`` whose points carry residual, certificate, stability and status.
"""

from thermolimit.leaves import Interval, Label

from .failures import ConvergenceError, ConvergenceWarning
from .flows import trajectory
from .formulas import evaluate
from .labelled import certify, equilibrium, saddle_points
from .mean_field import Equilibrium, Flow, SelfConsistent
from .quadrature import GaussHermite, SinhTrapezoid, expectation
from .saddle import Status
from .scalar import monotone_root

__all__ = [
    "ConvergenceError",
    "ConvergenceWarning",
    "Equilibrium",
    "Flow",
    "GaussHermite",
    "Interval",
    "Label",
    "SelfConsistent",
    "SinhTrapezoid",
    "Status",
    "certify",
    "equilibrium",
    "evaluate",
    "expectation",
    "monotone_root",
    "saddle_points",
    "trajectory",
]

if __name__ != "thermolimit.solvers":  # a second copy of the module would be made
    raise ImportError("import thermolimit.solvers, not solvers")
