"""Settings of every test: nothing is promoted, broadcast or warned about in silence."""

import tempfile

import jax
import matplotlib
import pytest

jax.config.update("jax_numpy_rank_promotion", "raise")
jax.config.update("jax_numpy_dtype_promotion", "strict")
matplotlib.use("agg")

# Most of the time goes into compiling, and many modules need the same programs. They are read back
# as they were compiled; ``JAX_COMPILATION_CACHE_DIR`` keeps them for the next run.
PROGRAMS = tempfile.TemporaryDirectory(prefix="thermolimit-programs-")
if jax.config.jax_compilation_cache_dir is None:
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
