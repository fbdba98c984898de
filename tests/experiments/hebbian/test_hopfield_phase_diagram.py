"""The study locates the known transitions, and owns up to what it could not solve."""

import numpy as np
import pytest
import xarray as xr
from scipy.special import erf

from thermolimit.experiments import agreement, archive, compare
from thermolimit.experiments.comparison import agrees
from thermolimit.experiments.hebbian import hopfield_phase_diagram as study
from thermolimit.experiments.study import failures
from thermolimit.solvers import SinhTrapezoid, Status
from thermolimit.theory.hebbian import hopfield


@pytest.fixture(scope="module")
def tree(finished):
    return archive.load(finished.folder / "quick.zarr")


@pytest.fixture(scope="module")
def lines(tree):
    return {name: node.to_dataset() for name, node in tree["lines"].children.items()}


@pytest.mark.parametrize("name", ["spinodal", "first_order", "almeida_thouless", "glass"])
def test_every_line_is_certified_and_reaches_the_borders_of_the_figure(lines, name):
    line = lines[name]
    assert (line["status"] == Status.OK).all()
    ends = {
        "spinodal": [(0.001, None), (None, 0.005)],
        "first_order": [(0.001, None), (None, 0.005)],
        "almeida_thouless": [(None, 0.0005), None],
        "glass": [(0.001, None), (0.16, None)],
    }[name]
    for point, end in zip((line.isel(point=0), line.isel(point=-1)), ends, strict=True):
        for control, value in zip(("pattern_load", "temperature"), end or (), strict=False):
            assert value is None or point[control].item() == pytest.approx(value, abs=1e-12)


@pytest.mark.parametrize(
    "name, temperature, digits",
    # at a load of 0.05
    [("spinodal", 0.542255037918, 1e-10), ("first_order", 0.21638335, 1e-8)],
)
def test_retrieval_ends_and_ceases_to_be_lowest_at_the_known_temperatures(
    lines, name, temperature, digits
):
    started = lines[name].isel(point=int(np.argmin(abs(lines[name]["arclength"].values))))
    assert started["pattern_load"].item() == 0.05
    assert started["temperature"].item() == pytest.approx(temperature, abs=digits)


def test_the_first_order_line_comes_down_to_its_value_at_zero_temperature(lines):
    coldest = lines["first_order"].isel(point=-1)
    # df/dT is minus the entropy: the line leaves T = 0 linearly, with a slope of order 0.03
    assert coldest["pattern_load"].item() == pytest.approx(0.0518543309, abs=0.05 * 0.005)


def test_replica_symmetry_breaks_where_its_expansion_says(lines):
    # T_R = (2 / 3) alpha C / (1 - C)^2 with corrections of relative order T_R
    line = lines["almeida_thouless"]
    for alpha, T in zip(line["pattern_load"].values, line["temperature"].values, strict=True):
        if T < 0.01:
            C = hopfield_susceptibility(alpha)
            assert 2 / 3 * alpha * C / (1 - C) ** 2 == pytest.approx(T, rel=3 * T)


def hopfield_susceptibility(alpha):
    """C at T = 0, by plain iteration of the printed equations."""
    m, r = 1.0, 1.0
    C = 0.0
    for _ in range(500):
        V = alpha * r
        C = np.sqrt(2 / (np.pi * V)) * np.exp(-(m**2) / (2 * V))
        m, r = float(erf(m / np.sqrt(2 * V))), 1 / (1 - C) ** 2
    return C


def test_the_spin_glass_appears_at_one_plus_the_root_of_the_load(lines):
    line = lines["glass"]
    np.testing.assert_allclose(line["temperature"], 1 + np.sqrt(line["pattern_load"]), atol=1e-12)


@pytest.fixture(scope="module")
def predicted(tree):
    return tree["theory"].to_dataset()


def test_only_solved_states_are_told_to_have_ended_elsewhere(predicted):
    retrieval = predicted.sel(start="retrieval")
    beyond = retrieval.sel(pattern_load=0.14, temperature=[0.2, 0.8])
    assert (beyond["status"] == Status.MISSING).all()
    assert retrieval.sel(pattern_load=0.02, temperature=0.2)["status"] == Status.OK
    assert failures(xr.DataTree.from_dict({"/theory": predicted})) == {}


@pytest.mark.filterwarnings("ignore::thermolimit.solvers.ConvergenceWarning")
def test_failures_of_the_solver_are_not_hidden(monkeypatch):
    monkeypatch.setattr(study, "THEORY", hopfield.ReplicaSymmetric(SinhTrapezoid(9)))
    data = study.predict(study.Grid(resolution=4))
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
