"""What is measured at finite N: the same names as in ``theory``, and no formula from there."""

from .engines import Engines
from .recording import log_steps, recorded

__all__ = ["Engines", "log_steps", "recorded"]

if __name__ != "thermolimit.simulations":  # a second copy of the module would be made
    raise ImportError("import thermolimit.simulations, not simulations")
