"""The Hopfield network: published and independently derived values, limits, identities."""

import math

import numpy as np
import pytest
from scipy.optimize import brentq, minimize_scalar
from scipy.special import erf

from thermolimit import solvers
from thermolimit.solvers import SinhTrapezoid, Status
from thermolimit.theory.hebbian import hopfield

THEORY = hopfield.ReplicaSymmetric()
ZERO = hopfield.ZeroTemperature()
DIGITS = 1e-8  # to which the public values are stated, if not said otherwise


def last(holds, inside, outside, width=1e-10):
    """Where ``holds`` ends between ``inside``, where it is true, and ``outside``."""
    while abs(outside - inside) > width:
        middle = (inside + outside) / 2
        inside, outside = (middle, outside) if holds(middle) else (inside, middle)
    return inside


def retrieved(theory, **controls):
    data = solvers.saddle_points(theory, start="retrieval", on_failure="keep", **controls)
    return bool((data["status"] == Status.OK) & (data["overlap"] > 0.3))


def retrieval_is_lowest(theory, **controls):
    starts = ["retrieval", "spin_glass"]
    f = solvers.saddle_points(theory, start=starts, on_failure="keep", **controls)["free_energy"]
    return bool(f.sel(start="retrieval") < f.sel(start="spin_glass"))


def test_order_parameters_and_free_entropy_at_a_public_point():
    state = solvers.saddle_points(THEORY, start="retrieval", pattern_load=0.05, temperature=0.3)
    assert state["overlap"].item() == pytest.approx(0.991164995702, abs=1e-12)
    assert state["self_overlap"].item() == pytest.approx(0.982960950216, abs=1e-12)
    assert -state["free_energy"].item() / 0.3 == pytest.approx(1.67078723315, abs=1e-11)


def test_capacity_at_zero_temperature():
    # 0.138 in print (Amit, Gutfreund, Sompolinsky 1987); digits derived twice
    capacity = last(lambda a: retrieved(ZERO, pattern_load=a), 0.1, 0.2)
    assert capacity == pytest.approx(0.137905566495, abs=DIGITS)


def test_capacity_agrees_with_the_explicit_curve_of_the_load_over_the_overlap():
    # x = m / sqrt(2 V) parametrises the branch: m = erf(x), and sqrt(alpha) = sqrt(V) (1 - C)
    def load(x):
        root = erf(x) / (math.sqrt(2) * x)  # sqrt(V)
        return (root - math.sqrt(2 / math.pi) * math.exp(-(x**2))) ** 2

    fold = minimize_scalar(lambda x: -load(x), bounds=(1, 3), options={"xatol": 1e-10})
    capacity = last(lambda a: retrieved(ZERO, pattern_load=a), 0.1, 0.2)
    assert capacity == pytest.approx(load(fold.x), abs=DIGITS)
    assert erf(fold.x) == pytest.approx(0.967417117, abs=3e-7)
    for x in (fold.x + 1e-3, 1.8, 2.5):  # down the stable branch almost to the fold
        state = solvers.saddle_points(ZERO, start="retrieval", pattern_load=load(x))
        assert state["overlap"].item() == pytest.approx(erf(x), abs=1e-10)


def test_overlap_at_the_capacity_is_approached_as_a_square_root():
    below = 0.137905566495 - 1e-8 * np.array([4.0, 1.0])
    m = solvers.saddle_points(ZERO, start="retrieval", pattern_load=below)["overlap"].values
    assert 2 * m[1] - m[0] == pytest.approx(0.967417117, abs=3e-7)


def test_first_order_load_at_zero_temperature():
    load = last(lambda a: retrieval_is_lowest(ZERO, pattern_load=a), 0.03, 0.1)
    assert load == pytest.approx(0.0518543309189, abs=DIGITS)


def test_spinodal_load_at_temperature_one_half():
    load = last(lambda a: retrieved(THEORY, pattern_load=a, temperature=0.5), 0.05, 0.07)
    assert load == pytest.approx(0.0588155205475, abs=DIGITS)


def test_spinodal_temperature_at_load_one_twentieth():
    temperature = last(lambda t: retrieved(THEORY, pattern_load=0.05, temperature=t), 0.5, 0.6)
    assert temperature == pytest.approx(0.542255037918, abs=DIGITS)


@pytest.mark.parametrize("start", ["retrieval", "spin_glass"])
def test_zero_temperature_is_the_limit_of_low_temperatures(start):
    T = np.array([0.008, 0.004, 0.002])
    fine = hopfield.ReplicaSymmetric(SinhTrapezoid(301))
    warm = solvers.saddle_points(fine, start=start, pattern_load=0.12, temperature=T)
    cold = solvers.saddle_points(ZERO, start=start, pattern_load=0.12)
    warm = warm.assign(susceptibility=(1 - warm["self_overlap"]) / warm["temperature"])
    for name in ("overlap", "free_energy", "crosstalk", "susceptibility"):
        values = warm[name].values
        linear = 2 * values[1:] - values[:-1]  # without the correction of order T
        first, second = abs(linear - cold[name].item())
        assert second < 2e-4 * max(1, abs(cold[name].item()))
        assert second <= first / 3 or second < 1e-12  # what is left is of order T^2


def test_the_energy_at_zero_temperature_is_that_of_the_ground_state_formula():
    # e = -E|m + sqrt(V) z| + m^2 / 2 + (alpha / 2) (1 - 1 / (1 - C)) + (alpha / 2) r C
    data = solvers.saddle_points(ZERO, start="retrieval", pattern_load=0.12)
    m, C, r = (data[name].item() for name in ("overlap", "susceptibility", "crosstalk"))
    V = 0.12 * r
    field = m * erf(m / math.sqrt(2 * V)) + math.sqrt(2 * V / math.pi) * math.exp(-(m**2) / (2 * V))
    energy = -field + m**2 / 2 + 0.06 * (1 - 1 / (1 - C)) + 0.06 * r * C
    assert data["free_energy"].item() == pytest.approx(energy, abs=1e-12)


def test_without_patterns_to_disturb_it_the_network_is_curie_weiss():
    data = solvers.saddle_points(THEORY, start="retrieval", pattern_load=1e-12, temperature=0.6)
    m = brentq(lambda m: math.tanh(m / 0.6) - m, 0.1, 1.0, xtol=1e-14)
    assert data["overlap"].item() == pytest.approx(m, abs=1e-10)
    assert data["self_overlap"].item() == pytest.approx(m**2, abs=1e-10)


@pytest.mark.parametrize("load", [0.01, 0.1, 1.0])
def test_the_paramagnet_loses_stability_and_replica_symmetry_at_the_glass_transition(load):
    T_g = solvers.evaluate(hopfield.glass_transition, pattern_load=load)["temperature"].item()
    assert T_g == 1 + math.sqrt(load)
    above, below = (
        solvers.saddle_points(THEORY, start="paramagnet", pattern_load=load, temperature=t)
        for t in (T_g * (1 + 1e-6), T_g * (1 - 1e-6))
    )
    assert above["growth_rate"] < 0 < below["growth_rate"]
    assert below["replicon"] < 0 < above["replicon"]


def test_the_spin_glass_appears_continuously_and_is_never_replica_symmetric():
    T = 1 + math.sqrt(0.1) - np.array([0.2, 0.02, 0.002])
    data = solvers.saddle_points(THEORY, start="spin_glass", pattern_load=0.1, temperature=T)
    assert (data["overlap"] == 0).all()
    assert (data["self_overlap"].diff("temperature") < 0).all()
    # q grows linearly below T_g
    ratio = data["self_overlap"].values / (1 + math.sqrt(0.1) - T)
    assert ratio[2] == pytest.approx(ratio[1], rel=0.05)
    assert (data["replicon"] < 0).all()


def test_the_instability_of_replica_symmetry_at_low_temperature_follows_its_expansion():
    # E sech^4(h / T) -> (2 / 3) T C, so that T_R -> (2 / 3) alpha C / (1 - C)^2
    cold = solvers.saddle_points(ZERO, start="retrieval", pattern_load=0.12)
    C = cold["susceptibility"].item()
    expected = 2 / 3 * 0.12 * C / (1 - C) ** 2

    def symmetric(t):
        data = solvers.saddle_points(THEORY, start="retrieval", pattern_load=0.12, temperature=t)
        return bool(data["replicon"] > 0)

    found = last(symmetric, 0.05, 0.003, width=1e-6)
    assert found == pytest.approx(expected, rel=3 * expected)  # corrections of relative order T


def test_phases_in_the_corners_of_the_plane():
    data = solvers.saddle_points(
        THEORY, pattern_load=[0.02, 0.1, 0.15], temperature=[0.1, 0.7, 1.05, 1.6]
    )
    meanings = np.array(hopfield.PHASES)[hopfield.phases(data).values]
    assert meanings[:, 0].tolist() == ["retrieval", "metastable_retrieval", "spin_glass"]
    assert meanings[0].tolist() == ["retrieval", "metastable_retrieval", "spin_glass", "paramagnet"]


def test_the_whole_diagram_is_solved_and_certified():
    data = solvers.saddle_points(
        THEORY,
        start="retrieval",
        pattern_load=np.linspace(0.002, 0.16, 100),
        temperature=np.linspace(0.02, 1.2, 100),
    )
    assert (data["status"] == Status.OK).all()
    assert data["certificate"].max() < 1e-9
    assert (data["hessian_index"] == 1).all()


@pytest.mark.slow
def test_the_whole_diagram_is_solved_from_every_start():
    data = solvers.saddle_points(
        THEORY,
        pattern_load=np.linspace(0.002, 0.3, 150),
        temperature=np.linspace(0.02, 2.0, 150),
    )
    assert data["status"].isin([Status.OK, Status.OUT_OF_DOMAIN]).all()
    # only the paramagnet can begin where it does not exist, and only below T = 1
    nowhere = data["status"] == Status.OUT_OF_DOMAIN
    assert (nowhere == ((data["start"] == "paramagnet") & (data["temperature"] <= 1))).all()
    assert data["certificate"].max() < 1e-9
