"""Theory and simulation on the same grid: sweeps, comparisons, and the studies in the families.

The names below are imported on first use, so that listing the studies does not import jax.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .comparison import Tolerance, agreement, axis, compare
    from .datasets import load_dataset
    from .finite_size import inverse_size_fit
    from .identities import SweepMismatch
    from .locks import Locked
    from .resuming import SweepWarning
    from .stores import Store, open_sweep
    from .study import fields
    from .sweeps import sweep

_HOME = {
    "Locked": "locks",
    "Store": "stores",
    "SweepMismatch": "identities",
    "SweepWarning": "resuming",
    "Tolerance": "comparison",
    "agreement": "comparison",
    "axis": "comparison",
    "compare": "comparison",
    "fields": "study",
    "inverse_size_fit": "finite_size",
    "load_dataset": "datasets",
    "open_sweep": "stores",
    "sweep": "sweeps",
}
__all__ = [
    "Locked",
    "Store",
    "SweepMismatch",
    "SweepWarning",
    "Tolerance",
    "agreement",
    "axis",
    "compare",
    "fields",
    "inverse_size_fit",
    "load_dataset",
    "open_sweep",
    "sweep",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{_HOME[name]}", __name__), name)


if __name__ != "thermolimit.experiments":  # a second copy of the module would be made
    raise ImportError("import thermolimit.experiments, not experiments")
