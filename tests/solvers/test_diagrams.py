"""Every change on the grid has its line, lines meet where they should, and gaps are named."""

import json
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np
import pytest
import xarray as xr
from corpus import COARSE, BlumeCapel, Patterns, SaddleNode

from thermolimit import solvers
from thermolimit.solvers import SinhTrapezoid, Status
from thermolimit.solvers.polylines import crossings, distance
from thermolimit.theory.curie_weiss import CurieWeiss, spinodal
from thermolimit.theory.hebbian.hopfield import ReplicaSymmetric

TRICRITICAL = {"crystal_field": np.log(4) / 3, "temperature": 1 / 3}
SPANS = {"crystal_field": np.linspace(0.0, 0.6, 13), "temperature": np.linspace(0.05, 0.8, 13)}


def kinds(points):
    meaning = points["kind"].attrs["flag_meanings"].split()
    return [meaning[code] for code in points["kind"].values]


@pytest.fixture(scope="module")
def blume_capel():
    return solvers.phase_diagram(BlumeCapel(), x="crystal_field", y="temperature", **SPANS)


@pytest.fixture(scope="module")
def curie_weiss():
    axes = {"temperature": np.linspace(0.3, 1.5, 14), "field": np.linspace(-0.4, 0.5, 16)}
    return solvers.phase_diagram(CurieWeiss(), x="temperature", y="field", **axes)


@pytest.fixture(scope="module")
def cold_hopfield():
    axes = {
        "pattern_load": np.linspace(0.03, 0.15, 9),
        "temperature": np.linspace(0.01, 0.1, 9),
    }
    return solvers.phase_diagram(ReplicaSymmetric(), x="pattern_load", y="temperature", **axes)


def line(tree, name):
    return tree[f"lines/{name}"].to_dataset()


def test_all_lines_of_the_diagram_are_found_and_nothing_is_missing(blume_capel):
    assert set(blume_capel["lines"].children) == {
        "continuous_paramagnet",
        "spinodal_paramagnet",
        "spinodal_ferromagnet",
        "coexistence_ferromagnet_paramagnet",
    }
    assert json.loads(blume_capel.attrs["missing"]) == []


@pytest.mark.parametrize("name", ["continuous_paramagnet", "spinodal_paramagnet"])
def test_the_paramagnet_becomes_unstable_where_its_susceptibility_diverges(blume_capel, name):
    data = line(blume_capel, name)
    T, D = data["temperature"], data["crystal_field"]
    # 2 exp(-D/T) / (1 + 2 exp(-D/T)) = T
    np.testing.assert_allclose(D, T * np.log(2 * (1 - T) / T), atol=1e-12)


def test_the_continuous_line_becomes_a_spinodal_at_the_tricritical_point(blume_capel):
    points = blume_capel["points"].to_dataset()
    assert kinds(points) == ["tricritical"]
    for control, value in TRICRITICAL.items():
        # the cubic coefficient vanishes there and is of order one elsewhere
        assert points[control].item() == pytest.approx(value, abs=1e-9)
    continuous, below = (
        line(blume_capel, f"{kind}_paramagnet")["temperature"]
        for kind in ("continuous", "spinodal")
    )
    assert continuous.min() >= 1 / 3 - 1e-9 and below.max() <= 1 / 3 + 1e-9


def test_coexistence_ends_near_the_tricritical_point_between_both_spinodals(blume_capel):
    data = line(blume_capel, "coexistence_ferromagnet_paramagnet")
    assert "merged" in (data.attrs["began"], data.attrs["ended"])
    hottest = data.isel(point=int(np.argmax(data["temperature"].values)))
    for control, value in TRICRITICAL.items():
        assert hottest[control].item() == pytest.approx(value, abs=2e-3)  # one step of the line
    T = data["temperature"]
    assert (data["crystal_field"] >= T * np.log(2 * (1 - T) / T) - 1e-12).all()


def test_the_equilibrium_changes_across_the_lines_only(blume_capel):
    equilibrium = blume_capel["equilibrium"].to_dataset()
    coldest = equilibrium.isel(temperature=0)
    # at T = 0.05 the energies 0 and D - 1/2 differ by exp(-10) from the free energies
    assert (
        coldest["state"].where(coldest["crystal_field"] < 0.49, drop=True) == "ferromagnet"
    ).all()
    assert (
        coldest["state"].where(coldest["crystal_field"] > 0.51, drop=True) == "paramagnet"
    ).all()


def test_a_metastable_state_is_stable_and_lies_above_the_equilibrium(blume_capel):
    states = blume_capel["states"].to_dataset()
    lowest = blume_capel["equilibrium"]["free_energy"]
    metastable = states["metastable"]
    assert metastable.any()
    assert states["stable"].values[metastable.values].all()
    assert (states["free_energy"] > lowest).values[metastable.values].all()


def test_both_spinodals_of_a_ferromagnet_end_in_one_critical_point(curie_weiss):
    points = curie_weiss["points"].to_dataset()
    assert kinds(points) == ["critical"]
    assert points["lines"].item() == "spinodal_up, spinodal_down"
    assert points["temperature"].item() == pytest.approx(1, abs=1e-12)
    assert points["field"].item() == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize("name, sign", [("spinodal_up", -1), ("spinodal_down", 1)])
def test_a_spinodal_belongs_to_the_state_that_vanishes_there(curie_weiss, name, sign):
    data = line(curie_weiss, name)
    below = data.where(data["temperature"] < 1 - 1e-9, drop=True)
    exact = solvers.evaluate(spinodal, temperature=below["temperature"])["field"]
    np.testing.assert_allclose(below["field"], sign * exact, atol=1e-12)


def test_states_that_only_change_their_names_are_no_transition(curie_weiss):
    # above T = 1 the one state is called up or down by the sign of the field
    states = curie_weiss["states"].to_dataset()
    assert (states["states"].sel(temperature=slice(1.01, None)) == 1).all()
    for data in curie_weiss["lines"].children.values():
        assert (data["temperature"] <= 1 + 1e-12).all()


def test_a_replicon_line_ends_where_its_state_loses_stability(cold_hopfield):
    data = line(cold_hopfield, "replicon_retrieval")
    assert (data["growth_rate"] < 1e-5).all()
    points = cold_hopfield["points"].to_dataset()
    end = points.isel(point=kinds(points).index("unstable"))
    assert end["lines"].item() == "replicon_retrieval"
    # the end lies on the spinodal: followed separately, it passes there
    branch = solvers.trace_branch(
        ReplicaSymmetric(), "pattern_load", start="retrieval", pattern_load=0.12,
        temperature=end["temperature"].item(), bounds=(0.03, 0.15),
    )  # fmt: skip
    fold = solvers.spinodal(ReplicaSymmetric(), branch)["pattern_load"].item()
    # the growth rate is allowed 1e-6, the load depends on it quadratically
    assert end["pattern_load"].item() == pytest.approx(fold, abs=1e-9)


def test_a_diagram_is_certified_as_a_whole(cold_hopfield):
    finer = solvers.certify(ReplicaSymmetric(), cold_hopfield, rule=SinhTrapezoid(401))
    assert finer.attrs == cold_hopfield.attrs
    for node in finer.subtree:
        if "certificate" in node:
            good = node["status"] == Status.OK
            assert (node["certificate"].where(good, 0) < 1e-9).all()


def test_too_few_nodes_are_named_as_missing_not_hidden():
    axes = {"field": np.linspace(-2.0, 0.1, 5), "temperature": np.linspace(0.1, 0.3, 5)}
    tree = solvers.phase_diagram(COARSE, x="field", y="temperature", **axes)
    assert any("NOT_CERTIFIED" in sentence for sentence in json.loads(tree.attrs["missing"]))
    states = tree["states"].to_dataset()
    assert states["magnetization"].where(states["status"] != Status.OK).isnull().all()


def test_a_theory_without_free_energy_has_states_and_spinodals_but_no_equilibrium():
    axes = {"a": np.linspace(-1.0, 1.0, 6), "b": np.linspace(0.0, 1.0, 3)}
    tree = solvers.phase_diagram(SaddleNode(), x="a", y="b", starts=["upper"], **axes)
    assert "equilibrium" not in tree.children
    (sentence,) = (s for s in json.loads(tree.attrs["missing"]) if "free_energy" in s)
    assert "SaddleNode" in sentence
    np.testing.assert_allclose(line(tree, "spinodal_upper")["a"], 0, atol=1e-12)


@dataclass(frozen=True)
class Fenced(solvers.SelfConsistent):
    """x = 1 + sqrt(1 - a - b): means nothing beyond a + b = 1, where no transition is."""

    class Order(NamedTuple):
        x: Any

    class Control(NamedTuple):
        a: Any
        b: Any

    starts = {"only": Order(1.0)}

    def update(self, order, control):
        return self.Order(order.x / 2 + (1 + jnp.sqrt(1 - control.a - control.b)) / 2)


def test_a_state_that_ends_without_a_transition_is_named_as_missing():
    axes = {"a": np.linspace(0.0, 1.0, 6), "b": np.linspace(0.1, 0.9, 5)}
    tree = solvers.phase_diagram(Fenced(), x="a", y="b", **axes)
    missing = json.loads(tree.attrs["missing"])
    assert any("NOT_FINITE" in sentence for sentence in missing)
    (end,) = (sentence for sentence in missing if sentence.startswith("the end of 'only'"))
    assert "nothing found across" in end
    assert tree["points"].sizes["point"] == 0
    states = tree["states"].to_dataset()
    np.testing.assert_array_equal(
        states["stable"].sel(start="only"), (states["a"] + states["b"] < 1 - 1e-9)
    )


@pytest.mark.parametrize(
    "axes, sentence",
    [
        ({"temperature": 0.5, "field": [0.0, 0.1]}, "temperature must be an increasing sequence"),
        ({"temperature": [0.5, 0.4], "field": [0.0, 0.1]}, "temperature must increase"),
    ],
)
def test_the_plane_has_two_increasing_axes(axes, sentence):
    with pytest.raises(ValueError, match=sentence):
        solvers.phase_diagram(CurieWeiss(), x="temperature", y="field", **axes)


def test_a_third_axis_is_refused():
    axes = {"crystal_field": [0.4, 0.6], "field": [0.0, 0.1], "temperature": [0.2, 0.3]}
    with pytest.raises(ValueError, match="temperature must be a number"):
        solvers.phase_diagram(InField(), x="crystal_field", y="field", **axes)


def test_distinct_states_are_merged_and_counted():
    data = solvers.distinct(Patterns(), solvers.saddle_points(Patterns(), temperature=[0.3, 1.2]))
    # at T = 0.3 the symmetric mixture of three is another state; above T = 1 there is only m = 0
    assert data["states"].values.tolist() == [3, 1]
    assert data["state"].sel(temperature=0.3).values.tolist() == list(data["start"].values)
    assert (data["state"].sel(temperature=1.2) == "paramagnet").all()


def test_a_state_belongs_to_the_nearest_start_and_a_failed_one_to_none():
    theory = ReplicaSymmetric()
    data = solvers.distinct(
        theory, solvers.saddle_points(theory, pattern_load=0.05, temperature=0.8)
    )
    assert data["state"].values.tolist() == ["spin_glass", "spin_glass", ""]
    assert data["states"].item() == 1
    with pytest.raises(ValueError, match="dimension 'start'"):
        solvers.distinct(theory, data.isel(start=0))


def test_points_are_measured_from_pieces_and_crossings_counted_once():
    steps = np.array([[0.0, 0.0], [1.0, 0.0], [1.0, 1.0]])
    assert distance(np.array([0.5, 0.3]), steps) == pytest.approx(0.3)
    assert distance(np.array([2.0, 2.0]), steps) == pytest.approx(np.sqrt(2))
    assert distance(np.array([3.0, 4.0]), steps[:1]) == 5
    assert crossings(steps, np.array([[0.5, -1.0], [0.5, 1.0]])) == [(0, 0)]
    assert crossings(steps, np.array([[0.5, -0.25], [1.5, 0.75]])) == [(0, 0), (1, 0)]
    assert crossings(steps, steps[::-1] + 5) == []


@dataclass(frozen=True)
class InField(solvers.Equilibrium):
    """Blume and Capel's spins in a field h."""

    class Order(NamedTuple):
        magnetization: Any

    class Control(NamedTuple):
        crystal_field: Any
        field: Any
        temperature: Any

    starts = {"up": Order(1.0), "down": Order(-1.0), "zero": Order(0.0)}

    def free_energy(self, order, control):
        (m,), (D, h, T) = order, control
        return m**2 / 2 - T * jnp.log1p(2 * jnp.exp(-D / T) * jnp.cosh((m + h) / T))


def test_three_phases_meet_in_one_triple_point():
    axes = {"crystal_field": np.linspace(0.3, 0.7, 10), "field": np.linspace(-0.2, 0.21, 10)}
    tree = solvers.phase_diagram(InField(), x="crystal_field", y="field", temperature=0.15, **axes)
    assert json.loads(tree.attrs["missing"]) == []
    points = tree["points"].to_dataset()
    triple = points.isel(point=[kind == "crossing" for kind in kinds(points)])
    assert triple.sizes["point"] == 1
    assert set(triple["lines"].item().split(", ")) == {
        "coexistence_up_down", "coexistence_up_zero", "coexistence_down_zero"
    }  # fmt: skip
    assert triple["field"].item() == pytest.approx(0, abs=1e-12)
    # in no field: the first-order transition of the model without one
    para, ferro = (
        solvers.trace_branch(
            BlumeCapel(), "crystal_field", start=start, crystal_field=at, temperature=0.15,
            bounds=(0.3, 0.7),
        )
        for start, at in (("paramagnet", 0.6), ("ferromagnet", 0.4))
    )  # fmt: skip
    exact = solvers.coexistence(BlumeCapel(), ferro, para)["crystal_field"].item()
    assert triple["crystal_field"].item() == pytest.approx(exact, abs=1e-12)


def test_a_diagram_survives_the_archive(tmp_path, blume_capel):
    from thermolimit.experiments.archive import load, save

    save(blume_capel, tmp_path / "diagram.zarr")
    again = load(tmp_path / "diagram.zarr")
    xr.testing.assert_equal(blume_capel["states"].to_dataset(), again["states"].to_dataset())
    assert again.attrs["x"] == "crystal_field"
