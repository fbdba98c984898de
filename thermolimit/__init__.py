"""Statistical physics and infinite-limit theory of neural networks.

``thermolimit.theory`` states what happens as N goes to infinity, ``thermolimit.simulations``
measures it at finite N, ``thermolimit.solvers`` finds the saddle points of any theory, and
``thermolimit.experiments`` puts both on the same labelled grid.
"""

from importlib.metadata import version as _version
from pathlib import Path as _Path

__version__ = _version("thermolimit")

# A source tree checked out without symbolic links has no thermolimit/theory
# directory; the code itself lies next to this one.
_here = _Path(__file__).parent
if not (_here / "theory").is_dir():
    __path__.append(str(_here.parent))
