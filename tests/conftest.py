"""Settings of every test: nothing is promoted, broadcast or warned about in silence."""

import jax
import matplotlib

jax.config.update("jax_numpy_rank_promotion", "raise")
jax.config.update("jax_numpy_dtype_promotion", "strict")
matplotlib.use("agg")
