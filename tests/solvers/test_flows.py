"""Flows follow their exact solutions, and come to rest where the saddle points are."""

from dataclasses import dataclass
from typing import Annotated, Any, NamedTuple

import jax.numpy as jnp
import numpy as np
import pytest
import xarray as xr
from scipy.integrate import quad

from thermolimit import solvers
from thermolimit.solvers import Flow, Status
from thermolimit.theory.curie_weiss import CurieWeiss, GlauberDynamics

TIME = np.array([0.0, 0.1, 1.0, 5.0])


class One(NamedTuple):
    x: Any


class Rate(NamedTuple):
    rate: Any


@dataclass(frozen=True)
class Logistic(Flow):
    """x' = rate x (1 - x)."""

    Order, Control = One, Rate
    starts = {"small": One(0.01)}

    def velocity(self, order, control):
        return One(control.rate * order.x * (1 - order.x))


@dataclass(frozen=True)
class Explosion(Flow):
    """x' = x^2 from 1: infinite at time 1."""

    Order, Control = One, Rate
    starts = {"one": One(1.0)}

    def velocity(self, order, control):
        return One(control.rate * order.x**2)


@dataclass(frozen=True)
class Stiff(Flow):
    """Two times that differ by 10^6."""

    class Order(NamedTuple):
        x: Annotated[Any, "mode"]

    Control = Rate
    starts = {"both": Order(np.array([1.0, 1.0]))}

    def velocity(self, order, control):
        return self.Order(-jnp.array([1.0, 1e6]) * order.x * control.rate)


class Level(NamedTuple):
    level: Any


@dataclass(frozen=True)
class FromLevel(Flow):
    """x' = x (1 - x) from a level."""

    Order, Control = One, Level
    starts = {"level": lambda control: One(control.level)}

    def velocity(self, order, control):
        return One(order.x * (1 - order.x))


@dataclass(frozen=True)
class Rotation(Flow):
    """A turn at unit speed, begun one unit of time before the largest x."""

    class Order(NamedTuple):
        x: Any
        y: Any

    Control = Rate
    starts = {"before": Order(np.cos(1.0), -np.sin(1.0))}

    def velocity(self, order, control):
        return self.Order(-control.rate * order.y, control.rate * order.x)


def test_the_logistic_flow_follows_its_solution():
    data = solvers.trajectory(Logistic(), time=TIME, rate=[1.0, 2.0], start="small")
    assert data["x"].dims == ("rate", "time")
    exact = 1 / (1 + 99 * np.exp(-np.outer([1.0, 2.0], TIME)))
    np.testing.assert_allclose(data["x"], exact, rtol=1e-8)
    assert (data["residual"] < 1e-6).all()


def test_a_stiff_flow_needs_no_other_call():
    data = solvers.trajectory(Stiff(), time=TIME, rate=1.0, start="both")
    np.testing.assert_allclose(data["x"].values[:, 0], np.exp(-TIME), atol=1e-9)
    np.testing.assert_allclose(data["x"].values[1:, 1], 0, atol=1e-8)


@pytest.mark.filterwarnings("ignore:.*lsoda.*:UserWarning")
def test_a_flow_that_explodes_is_masked_with_a_warning():
    with pytest.warns(solvers.ConvergenceWarning):
        data = solvers.trajectory(Explosion(), time=TIME, rate=1.0, start="one")
    assert data["status"] != Status.OK
    assert np.isnan(data["x"]).all()


def test_relaxation_ends_in_the_equilibrium_state():
    controls = {"temperature": [0.5, 0.8], "field": [0.0, 0.1]}
    late = solvers.trajectory(GlauberDynamics(), time=[200.0], start="up", **controls)
    still = solvers.saddle_points(CurieWeiss(), start="up", **controls)
    np.testing.assert_allclose(
        late["magnetization"].isel(time=0), still["magnetization"], atol=1e-8
    )


@pytest.mark.parametrize("time", [[-1.0, 1.0], [1.0, 0.5], [[1.0]], []])
def test_times_must_increase_from_zero(time):
    with pytest.raises(ValueError, match="time"):
        solvers.trajectory(GlauberDynamics(), time=time, temperature=0.5)


def test_at_time_zero_a_flow_is_where_it_starts():
    data = solvers.trajectory(GlauberDynamics(), time=[0.0], start="up", temperature=0.5)
    assert data["magnetization"].values.tolist() == [1.0]


def half(order, control):
    return order.x - 0.5


def below_level(order, control):
    return jnp.log(order.x[0]) + 2


def never(order, control):
    return order.x + 1.0


def slow(order, control):
    return order.magnetization - 0.3


def test_an_event_is_located_where_the_logistic_curve_passes_one_half():
    events = {"half": half, "never": never}
    data = solvers.trajectory(
        Logistic(), time=[1.0, 10.0], start="small", rate=[0.7, 1.0, 3.0], events=events
    )
    exact = np.log(99) / data["rate"]  # x / (1 - x) = exp(rate t) / 99
    # the integrator is asked for 1e-10
    np.testing.assert_allclose(data["event_time"].sel(event="half"), exact, atol=1e-8)
    assert data["event_time"].sel(event="never").isnull().all()
    assert (data["status"] == Status.OK).all()
    assert data["residual"].max() < 1e-7


def test_an_event_after_the_last_record_has_not_happened():
    data = solvers.trajectory(
        Logistic(), time=[1.0], start="small", rate=1.0, events={"half": half}
    )
    assert data["event_time"].isnull().all()


def test_an_event_of_a_stiff_flow_is_located():
    data = solvers.trajectory(
        Stiff(), time=[5.0], start="both", rate=1.0, events={"exp(-2)": below_level}
    )
    assert data["event_time"].item() == pytest.approx(2.0, abs=1e-8)


def test_an_event_that_holds_at_the_start_happens_at_time_zero():
    def small(order, control):
        return order.x - 0.01

    data = solvers.trajectory(Logistic(), time=[0.0], start="small", rate=1.0, events={"s": small})
    assert data["event_time"].item() == 0
    data = solvers.trajectory(Logistic(), time=[9.0], start="small", rate=1.0, events={"s": small})
    assert data["event_time"].item() == 0


def test_a_start_on_the_zero_of_an_event_is_seen_whatever_its_digits():
    """States and dense output differ by rounding: at the start their signs need not agree."""
    level = np.random.default_rng(0).uniform(0.01, 0.9, 40)
    events = {"begin": lambda order, control: order.x - control.level}
    data = solvers.trajectory(FromLevel(), time=[9.0], start="level", level=level, events=events)
    assert (data["event_time"] == 0).all()


def test_two_zeros_within_a_step_are_seen_with_a_record_between_them():
    """x = cos(t - 1) is above 1 - 1e-6 for a time of 0.003 only; the steps are longer."""
    events = {"top": lambda order, control: order.x - (1 - 1e-6)}
    data = solvers.trajectory(Rotation(), time=[1.0, 5.0], start="before", rate=1.0, events=events)
    # where the curve is that flat the error of the state, 1e-10, is divided by a slope of 1e-3
    assert data["event_time"].item() == pytest.approx(1 - np.arccos(1 - 1e-6), abs=1e-6)
    assert data["residual"] < 1e-4


def test_every_start_has_its_own_event_time():
    data = solvers.trajectory(
        GlauberDynamics(),
        time=[1.0, 30.0],
        temperature=[1.2, 1.5],
        events={"up": slow, "down": lambda order, control: order.magnetization + 0.3},
    )
    assert data["event_time"].dims == ("temperature", "start", "event")
    up = data["event_time"].sel(start="up", event="up")
    down = data["event_time"].sel(start="down", event="down")
    np.testing.assert_array_equal(up.values, down.values)  # the dynamics is odd
    assert data["event_time"].sel(start="up", event="down").isnull().all()


def test_all_starts_are_followed_by_default():
    data = solvers.trajectory(GlauberDynamics(), time=[0.0, 1.0], temperature=0.5)
    assert data["magnetization"].dims == ("start", "time")
    assert data["magnetization"].isel(time=0).values.tolist() == [1.0, -1.0]


def test_the_relaxation_time_of_a_ferromagnet_is_the_integral_over_its_velocity():
    T = 1.4
    data = solvers.trajectory(
        GlauberDynamics(), time=[20.0], start="up", temperature=T, events={"slow": slow}
    )
    exact, error = quad(lambda m: 1 / (m - np.tanh(m / T)), 0.3, 1.0)
    assert error < 1e-10
    assert data["event_time"].item() == pytest.approx(exact, abs=1e-8)


def test_an_event_must_be_one_number():
    with pytest.raises(ValueError, match=r"event 'both' must be one number.*\(2,\)"):
        solvers.trajectory(
            Stiff(), time=[1.0], start="both", rate=1.0, events={"both": lambda o, c: o.x}
        )


@pytest.mark.parametrize(
    "events, sentence",
    [
        ({"late": lambda order, control: order.x > 0.5}, "'late' must be one number.*truth value"),
        ({1: half}, "event 1: .* must be a name with a function"),
        ({"half": 0.5}, "event 'half': 0.5 must be a name with a function"),
    ],
)
def test_what_is_no_event_gets_one_sentence(events, sentence):
    with pytest.raises(ValueError, match=sentence):
        solvers.trajectory(Logistic(), time=[1.0], start="small", rate=1.0, events=events)


def test_an_axis_cannot_have_the_name_of_the_events():
    rate = xr.DataArray([1.0, 2.0], dims="event")
    with pytest.raises(ValueError, match="'event' is the result of events"):
        solvers.trajectory(Logistic(), time=[1.0], start="small", rate=rate, events={"half": half})


def test_events_change_nothing_else():
    call = {"time": [1.0, 2.0], "start": "small", "rate": 1.0}
    plain = solvers.trajectory(Logistic(), **call)
    watched = solvers.trajectory(Logistic(), events={"half": half}, **call)
    xr.testing.assert_identical(plain["x"], watched["x"])
    assert "event_time" not in plain
