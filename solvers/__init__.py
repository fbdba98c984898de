"""Numerics for theories of the thermodynamic limit; knows no physics.

State a theory (``Equilibrium``, ``SelfConsistent``, ``Flow``, or a plain function), then call
``saddle_points``, ``trajectory`` or ``evaluate`` with numbers and axes, and get an
``xarray.Dataset`` whose points carry residual, certificate, stability and status.
"""

from thermolimit.leaves import Interval, Label

from .branches import trace_branch
from .certificates import certify
from .descent import descend
from .diagrams import phase_diagram
from .failures import ConvergenceError, ConvergenceWarning
from .flows import trajectory
from .formulas import evaluate
from .labelled import distinct, equilibrium, saddle_points
from .lines import coexistence, continuous_transition, spinodal, zero_of
from .mean_field import Equilibrium, Flow, SelfConsistent
from .quadrature import GaussHermite, SinhTrapezoid, expectation
from .saddle import Status
from .scalar import monotone_root
from .states import formula
from .volterra import solve_volterra

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
    "coexistence",
    "continuous_transition",
    "descend",
    "distinct",
    "equilibrium",
    "evaluate",
    "expectation",
    "formula",
    "monotone_root",
    "phase_diagram",
    "saddle_points",
    "solve_volterra",
    "spinodal",
    "trace_branch",
    "trajectory",
    "zero_of",
]

if __name__ != "thermolimit.solvers":  # a second copy of the module would be made
    raise ImportError("import thermolimit.solvers, not solvers")
