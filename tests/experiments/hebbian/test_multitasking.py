"""Every point of the study's diagrams has a phase."""

import pytest

from thermolimit.experiments.hebbian import multitasking as study
from thermolimit.solvers import Status
from thermolimit.theory.hebbian.multitasking import PHASES

DIAGRAMS = [(K, grid.diagram_resolution) for grid in study.PROFILES.values() for K in grid.diagrams]


@pytest.mark.slow
@pytest.mark.parametrize("n_patterns, resolution", DIAGRAMS)
def test_every_point_of_the_diagrams_has_a_stable_state_and_a_phase(n_patterns, resolution):
    found = study.phases(n_patterns, resolution)
    assert found["phase"].size == resolution**2
    assert (found["status"] == Status.OK).all()
    assert (found["growth_rate"] < 0).all()
    assert (found["phase"] != PHASES.index("undecided")).all()
