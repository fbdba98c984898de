"""Settings of every test: nothing is promoted, broadcast or warned about in silence."""

import contextlib
import io
import os
import tempfile
from pathlib import Path
from typing import NamedTuple

import jax
import matplotlib
import pytest

jax.config.update("jax_numpy_rank_promotion", "raise")
jax.config.update("jax_numpy_dtype_promotion", "strict")
matplotlib.use("agg")

# Most of the time goes into compiling, and many modules need the same programs. They are read back
# as they were compiled; ``JAX_COMPILATION_CACHE_DIR`` keeps them for the next run.
PROGRAMS = tempfile.TemporaryDirectory(prefix="thermolimit-programs-")
if "JAX_COMPILATION_CACHE_DIR" not in os.environ:
    jax.config.update("jax_compilation_cache_dir", PROGRAMS.name)
jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.1)


def pytest_unconfigure():
    """Every run compiles its own programs."""
    PROGRAMS.cleanup()


@pytest.fixture(autouse=True, scope="module")
def programs_are_dropped():
    """Every compiled program maps memory, of which a process may have 65530 pieces on Linux."""
    yield
    jax.clear_caches()


class Finished(NamedTuple):
    """A study that the command line has run."""

    code: int
    output: str
    folder: Path


@pytest.fixture(scope="session")
def finished(tmp_path_factory) -> Finished:
    """The Hopfield study on a tiny grid; its transition lines do not depend on the grid."""
    from thermolimit.__main__ import main

    tiny = ("resolution=4", "n_spins=100", "replicas=4", "sweeps=20", "burn_in=10",
            "temperature=0.2,0.8", "pattern_load=0.02,0.14")  # fmt: skip
    changes = [word for change in tiny for word in ("--set", change)]
    folder = tmp_path_factory.mktemp("hopfield")
    with contextlib.redirect_stdout(io.StringIO()) as output:
        code = main(["run", "hebbian/hopfield_phase_diagram", "--out", str(folder), *changes])
    return Finished(code, output.getvalue(), folder)
