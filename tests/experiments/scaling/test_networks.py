"""Random features of several dimensions."""

import numpy as np
import pytest

from thermolimit.experiments.scaling._networks import networks, sizes


def test_data_have_that_many_times_more_dimensions():
    both = sizes((50, 100), 4)
    assert both["n_features"].sel(dimension=100) == 400


@pytest.mark.parametrize("alpha", [0.3, 0.7, 1.25])
def test_step_sizes_are_a_part_of_one_over_the_trace_of_the_data(alpha):
    step_size = networks((50, 100), 4, alpha, 0.25)["step_size"]
    for d in (50, 100):
        trace = np.sum(np.arange(1.0, 4 * d + 1) ** (-2 * alpha))
        assert step_size.sel(dimension=d).item() == pytest.approx(0.25 / trace, rel=1e-12)
