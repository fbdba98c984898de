"""Phase diagrams of dense networks that store patterns or have learned archetypes."""

import numpy as np
import pytest

from thermolimit.experiments.hebbian import dense_phase_diagram as study
from thermolimit.solvers import Status


@pytest.mark.slow
@pytest.mark.parametrize("profile", ["quick", "supervised", "unsupervised"])
def test_glass_lines_scale_with_the_root_of_the_noise(profile):
    grid = study.PROFILES[profile]
    model, seen = study.network_of(grid)
    (noise,) = model.noise_powers(**seen).values()
    lines = study.lines(grid)
    # T_d and T_s over the root of load times noise, P = 3 (0.682 and 0.652 in arXiv:2401.04191)
    for name, ratio in (("dynamical_glass", 0.681598040576), ("static_glass", 0.651385226936)):
        line = lines[name]
        scale = np.sqrt(noise * line["pattern_load"])
        np.testing.assert_allclose(line["temperature"] / scale, ratio, atol=1e-9)
    # a state outlives its being the lowest one
    assert lines["spinodal"]["pattern_load"].max() > lines["first_order"]["pattern_load"].max()
    for line in lines.values():
        assert (line["status"] == Status.OK).all()
