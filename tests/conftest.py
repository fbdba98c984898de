"""Settings of every test: nothing is promoted, broadcast or warned about in silence."""

import jax
import matplotlib
import pytest

jax.config.update("jax_numpy_rank_promotion", "raise")
jax.config.update("jax_numpy_dtype_promotion", "strict")
matplotlib.use("agg")


@pytest.fixture(autouse=True, scope="module")
def programs_are_dropped():
    """Every compiled program maps memory, of which a process may have 65530 pieces on Linux."""
    yield
    jax.clear_caches()
