"""The study locates the known transitions, and owns up to what it could not solve."""

import numpy as np
import pytest
import xarray as xr
from scipy.special import erf

from thermolimit.experiments import agreement, compare
from thermolimit.experiments.comparison import agrees
from thermolimit.experiments.hebbian import hopfield_phase_diagram as study
from thermolimit.experiments.study import failures
from thermolimit.solvers import SinhTrapezoid, Status
from thermolimit.theory.hebbian import hopfield

GRID = study.Grid(resolution=4, pattern_load=(0.02, 0.14), temperature=(0.2, 0.8))


def between(holds, inside, outside):
    ends = [tuple(np.array([x]) for x in point) for point in (inside, outside)]
    return study._between(holds, *ends).isel(point=0)


def test_the_spinodal_is_where_the_retrieval_state_ends():
    found = between(study._retrieval_exists, (0.01, 0.5), (0.2, 0.5))
    assert found["pattern_load"].item() == pytest.approx(0.0588155205, abs=1e-6)
    assert abs(found["pattern_load_bracket"]) < 1e-6


def test_the_first_order_line_comes_down_to_its_value_at_zero_temperature():
    found = between(study._retrieval_is_lowest, (0.01, 0.005), (0.2, 0.005))
    # df/dT is minus the entropy: the line leaves T = 0 linearly, with a slope of order 0.03
    assert found["pattern_load"].item() == pytest.approx(0.0518543309, abs=0.05 * 0.005)


def test_replica_symmetry_breaks_where_its_expansion_says():
    # T_R = (2 / 3) alpha C / (1 - C)^2 with corrections of relative order T_R
    alpha, C = 0.12, hopfield_susceptibility(0.12)
    expected = 2 / 3 * alpha * C / (1 - C) ** 2
    found = between(study._replicas_are_symmetric, (alpha, 0.05), (alpha, 5e-4))
    assert found["temperature"].item() == pytest.approx(expected, rel=3 * expected)


def hopfield_susceptibility(alpha):
    """C at T = 0, by plain iteration of the printed equations."""
    m, r = 1.0, 1.0
    C = 0.0
    for _ in range(500):
        V = alpha * r
        C = np.sqrt(2 / (np.pi * V)) * np.exp(-(m**2) / (2 * V))
        m, r = float(erf(m / np.sqrt(2 * V))), 1 / (1 - C) ** 2
    return C


def test_a_line_that_is_not_bracketed_is_missing():
    found = between(study._retrieval_exists, (0.1, 0.5), (0.2, 0.5))  # beyond at both ends
    assert np.isnan(found["pattern_load"])


@pytest.fixture(scope="module")
def predicted():
    return study.predict(GRID)


def test_only_solved_states_are_told_to_have_ended_elsewhere(predicted):
    retrieval = predicted.sel(start="retrieval")
    beyond = retrieval.sel(pattern_load=0.14, temperature=[0.2, 0.8])
    assert (beyond["status"] == Status.MISSING).all()
    assert retrieval.sel(pattern_load=0.02, temperature=0.2)["status"] == Status.OK
    assert failures(xr.DataTree.from_dict({"/theory": predicted})) == {}


@pytest.mark.filterwarnings("ignore::thermolimit.solvers.ConvergenceWarning")
def test_failures_of_the_solver_are_not_hidden(monkeypatch):
    monkeypatch.setattr(study, "THEORY", hopfield.ReplicaSymmetric(SinhTrapezoid(9)))
    data = study.predict(GRID)
    told = failures(xr.DataTree.from_dict({"/theory": data.sel(start=["retrieval"])}))
    assert "NOT_CERTIFIED" in told["/theory"]


def test_a_simulation_ten_errors_away_disagrees_at_the_coldest_point(predicted):
    point = {"pattern_load": [0.02], "temperature": [0.2], "n_spins": [500]}
    dims = (*point, "replica")
    exact = predicted.sel(start="retrieval", pattern_load=0.02, temperature=0.2)
    scatter = 1e-4 * np.resize([-1.0, 1.0], 32)  # standard error 1.8e-5
    names = ("overlap", "self_overlap", "crosstalk", "energy")

    def measured(shift):
        values = {n: (dims, (exact[n].item() + shift + scatter)[None, None, None]) for n in names}
        status = (dims, np.ones((1, 1, 1, 32), np.int8))
        return xr.Dataset(values | {"status": status}, point | {"start": "retrieval"})

    good, bad = (
        agreement(compare(predicted, measured(shift)), study.TOLERANCE) for shift in (0.0, 1.8e-4)
    )
    assert agrees(good)
    assert not agrees(bad)
