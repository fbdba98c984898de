"""The numbers of a point belong to the point."""

from __future__ import annotations

import hashlib
import itertools
from functools import partial
from math import inf
from typing import Annotated, NamedTuple

import hypothesis
import hypothesis.strategies as st
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import xarray as xr
from jax import Array

from thermolimit.experiments import sweep
from thermolimit.leaves import Interval, Label
from thermolimit.simulations import Engines, curie_weiss
from thermolimit.solvers import Status

Heat = Annotated[Array | float, (0.0, inf), Label("temperature, $T$")]
Spins = Annotated[int, Interval(2, inf, closed=True)]
Field = Annotated[Array | float, Label("field, $h$")]


class Measured(NamedTuple):
    level: Annotated[Array | float, Label("level, $l$")]
    profile: Annotated[Array | np.ndarray, "layer"]


def couplings(n_spins: int) -> np.ndarray:
    return np.cos(np.arange(n_spins**2, dtype=np.float32)).reshape(n_spins, n_spins)


def draw(
    key: Array, temperature: Heat, field: Field = 0.0, *, n_spins: Spins, rule: str = "plain"
) -> Measured:
    """Products with a shared matrix, whose last bits depend on the width of a batch."""
    spins = jax.random.normal(key, (n_spins,))
    for _ in range(3):
        spins = jnp.tanh(jnp.asarray(couplings(n_spins)) @ spins / temperature)
    return Measured(spins.sum() if rule == "plain" else spins.max(), spins[:2] + field)


jitted = partial(jax.jit, static_argnames=("n_spins", "rule"))
batched = jitted(draw)


def serial(
    rng: np.random.Generator,
    temperature: Heat,
    field: Field = 0.0,
    *,
    n_spins: Spins,
    rule: str = "plain",
) -> Measured:
    """The same law, called replica by replica."""
    spins = rng.normal(size=n_spins)
    for _ in range(3):
        spins = np.tanh(couplings(n_spins) @ spins / temperature)
    return Measured(spins.sum() if rule == "plain" else spins.max(), spins[:2] + field)


class One(NamedTuple):
    value: Array


@jax.jit
def coin(key: Array) -> One:
    return One(jax.random.normal(key))


@jax.jit
def counted(key: Array, chance: Heat) -> One:
    return One(jax.random.bernoulli(key, chance, (20,)).sum())


@jax.jit
def echo(key: Array, temperature: Heat) -> One:
    return One(jnp.asarray(temperature))


@jax.jit
def formula(temperature: Heat) -> One:
    return One(jnp.asarray(temperature))


either = pytest.mark.parametrize("simulate", [batched, serial], ids=["jitted", "serial"])
run = partial(sweep, seed=3, replicas=3)


@either
def test_a_subset_in_another_order_has_the_numbers_of_the_whole_grid(simulate):
    whole = run(simulate, temperature=[0.5, 1.0, 1.5, 2.0], field=[0.0, -0.2], n_spins=[4, 9])
    part = run(simulate, field=[-0.2], n_spins=[9], temperature=[2.0, 0.5])
    chosen = whole.sel(temperature=[2.0, 0.5], field=[-0.2], n_spins=[9])
    xr.testing.assert_identical(part.transpose(*chosen.dims), chosen)


@either
def test_a_point_keeps_its_numbers_when_the_grid_is_refined(simulate):
    coarse = run(simulate, temperature=np.linspace(1, 2, 3), n_spins=4)
    fine = run(simulate, temperature=np.linspace(1, 2, 41), n_spins=4)
    xr.testing.assert_identical(coarse, fine.sel(temperature=coarse["temperature"]))


@either
def test_the_first_replicas_stay_when_more_are_added(simulate):
    few = sweep(simulate, seed=3, replicas=2, temperature=[0.5, 1.0], n_spins=4)
    many = sweep(simulate, seed=3, replicas=19, temperature=[0.5, 1.0], n_spins=4)
    xr.testing.assert_identical(few, many.isel(replica=slice(2)))


@either
def test_points_on_a_line_have_the_numbers_of_the_grid(simulate):
    heat = xr.DataArray([0.5, 1.0, 1.5], dims="point")
    field = xr.DataArray([0.2, 0.1, 0.0], dims="point")
    line = run(simulate, temperature=heat, field=field, n_spins=4)
    grid = run(simulate, temperature=heat.values, field=field.values, n_spins=4)
    assert line["level"].dims == ("point", "replica")
    xr.testing.assert_equal(line, grid.sel(temperature=heat, field=field))


@either
@pytest.mark.parametrize("spelled", [[1.0], (1,), np.array([1.0]), xr.DataArray([1.0], dims="p")])
def test_a_number_and_a_list_of_one_give_the_same_numbers(simulate, spelled):
    number = run(simulate, temperature=1.0, n_spins=4)
    single = run(simulate, temperature=spelled, n_spins=[4])
    assert "temperature" not in number.dims
    np.testing.assert_array_equal(number["profile"], single["profile"].squeeze())


@either
def test_a_default_given_explicitly_changes_nothing(simulate):
    silent = run(simulate, temperature=[0.5, 1.0], n_spins=4)
    spoken = run(simulate, temperature=[0.5, 1.0], n_spins=4, field=0, rule="plain")
    xr.testing.assert_identical(silent, spoken)


@either
def test_zero_has_no_sign(simulate):
    plus, minus = (run(simulate, temperature=1.0, n_spins=4, field=zero) for zero in (0.0, -0.0))
    xr.testing.assert_equal(plus, minus)


@either
def test_seeds_points_and_replicas_draw_different_numbers(simulate):
    grid = {"temperature": [1.0, 1.1], "n_spins": 4}
    drawn = [sweep(simulate, seed=seed, replicas=2, **grid)["profile"].values for seed in (1, 2)]
    assert np.unique(drawn).size == 2 * 2 * 2 * 2


def test_the_grid_of_record_times_does_not_change_the_run():
    relax = partial(sweep, curie_weiss.relax, seed=3, replicas=2, temperature=[0.8, 1.2])
    few = relax(field=0.1, n_spins=10, step=[4, 9])
    many = relax(field=0.1, n_spins=10, step=[0, 1, 4, 5, 9, 12])
    assert few["magnetization"].dims == ("temperature", "replica", "step")
    xr.testing.assert_identical(few, many.sel(step=[4, 9]))


numbers = st.lists(
    st.integers(1, 3000).map(lambda n: n / 1000), min_size=1, max_size=3, unique=True
)


@either
@hypothesis.settings(max_examples=8, deadline=None, derandomize=True)
@hypothesis.given(
    temperature=numbers,
    field=numbers,
    n_spins=st.lists(st.sampled_from([2, 5]), min_size=1, unique=True),
    replicas=st.integers(1, 3),
    seed=st.integers(0, 2**40),
)
def test_a_sweep_equals_a_loop_over_its_points(
    simulate, temperature, field, n_spins, replicas, seed
):
    at = partial(sweep, simulate, seed=seed, replicas=replicas)
    whole = at(temperature=temperature, field=field, n_spins=n_spins)
    for T, h, n in itertools.product(temperature, field, n_spins):
        point = {"temperature": T, "field": h, "n_spins": n}
        xr.testing.assert_identical(at(**point), whole.sel(point))


class Uniform(NamedTuple):
    uniform: float


class Words(NamedTuple):
    high: Array
    low: Array
    uniform: Array


@partial(jax.jit, static_argnames="n_spins")
def reveal(key: Array, temperature: Heat, field: Field = 0.0, *, n_spins: Spins) -> Words:
    high, low = jax.random.key_data(key).astype(float)
    return Words(high, low, jax.random.uniform(key, dtype=jnp.float32).astype(float))


def reveal_serial(rng: np.random.Generator, temperature: Heat, *, n_spins: Spins) -> Uniform:
    return Uniform(rng.random())


def threefry(key: tuple[int, int], counter: tuple[int, int]) -> tuple[int, int]:
    """Threefry-2x32 with 20 rounds (Salmon et al., SC 2011)."""
    mask = 2**32 - 1
    keys = (*key, 0x1BD11BDA ^ key[0] ^ key[1])
    x, y = (counter[0] + keys[0]) & mask, (counter[1] + keys[1]) & mask
    for block in range(5):
        for rotation in ((13, 15, 26, 6), (17, 29, 16, 24))[block % 2]:
            x = (x + y) & mask
            y = ((y << rotation) | (y >> (32 - rotation))) & mask ^ x
        x = (x + keys[(block + 1) % 3]) & mask
        y = (y + keys[(block + 2) % 3] + block + 1) & mask
    return x, y


@pytest.mark.parametrize(
    "key, counter, drawn",  # known answers of the Random123 library
    [
        ((0, 0), (0, 0), (0x6B200159, 0x99BA4EFE)),
        ((2**32 - 1,) * 2, (2**32 - 1,) * 2, (0x1CB996FC, 0xBB002BE7)),
        ((0x13198A2E, 0x03707344), (0x243F6A88, 0x85A308D3), (0xC4923A9C, 0x483DF7A0)),
    ],
)
def test_threefry_of_these_tests_gives_the_published_answers(key, counter, drawn):
    assert threefry(key, counter) == drawn


def hashed(text: str) -> tuple[int, int]:
    digest = hashlib.sha256(text.encode()).digest()
    return int.from_bytes(digest[:4], "big"), int.from_bytes(digest[4:8], "big")


def test_a_key_is_the_hash_of_seed_and_sorted_coordinates_folded_with_the_replica():
    data = sweep(reveal, seed=7, replicas=6, temperature=[0.3, 1 / 3], n_spins=100, precision=64)
    third = data.sel(temperature=1 / 3, replica=5)
    point = hashed("seed=7\nfield=0\nn_spins=100\ntemperature=0.333333333333")
    key = threefry(point, (0, 5))
    assert (third["high"], third["low"]) == key
    high, low = threefry(key, (0, 0))
    assert third["uniform"] == ((high ^ low) >> 9) / 2**23  # 23 bits make a float32 in [0, 1)


def test_a_generator_is_seeded_with_the_hash_and_the_replica():
    data = sweep(reveal_serial, seed=7, replicas=6, temperature=0.3, n_spins=100)
    words = hashed("seed=7\nn_spins=100\ntemperature=0.3")
    expected = np.random.default_rng([*words, 5]).random()
    assert data["uniform"].sel(replica=5) == expected


@pytest.mark.parametrize("simulate", [reveal, reveal_serial])
def test_coordinates_are_told_apart_at_twelve_digits(simulate):
    coarse, fine = np.linspace(0, 1, 11)[3], np.linspace(0, 1, 101)[30]
    assert coarse != fine
    drawn, same, other = (
        run(simulate, temperature=temperature, n_spins=4)["uniform"].values
        for temperature in (coarse, fine, 0.300000000001)
    )
    assert (drawn == same).all() and (drawn != other).all()


@pytest.fixture(
    params=[
        ("jax_enable_x64", True),
        ("jax_default_prng_impl", "rbg"),
        ("jax_threefry_partitionable", False),
    ],
    ids=lambda setting: setting[0],
)
def user_setting(request):
    name, value = request.param
    before = getattr(jax.config, name)
    jax.config.update(name, value)
    yield name, value, before
    jax.config.update(name, before)


def test_settings_of_the_user_neither_change_the_numbers_nor_are_changed(user_setting):
    name, value, before = user_setting
    at = {"temperature": [0.5, 1.0], "n_spins": 4}
    found = run(jitted(draw), **at)
    assert getattr(jax.config, name) == value
    jax.config.update(name, before)
    xr.testing.assert_identical(found, run(jitted(draw), **at))


@pytest.mark.parametrize("bits, dtype", [(32, np.float32), (64, np.float64)])
def test_a_jitted_simulation_runs_in_the_precision_asked_for(bits, dtype):
    data = run(echo, temperature=0.1, precision=bits)
    assert data["value"].dtype == dtype
    assert (data["value"] == dtype(0.1)).all()
    assert data.attrs["precision"] == str(bits)


def test_single_precision_is_the_default():
    xr.testing.assert_identical(
        run(echo, temperature=0.1), run(echo, temperature=0.1, precision=32)
    )


@jax.jit
def infected(key: Array, poison: Array) -> Measured:
    ill = jax.random.bernoulli(key)
    bad = jnp.where(poison > 0, jnp.inf, jnp.nan)
    return Measured(jnp.ones(()), jnp.where(jnp.arange(3) == 1, jnp.where(ill, bad, 1.0), 1.0))


def test_a_replica_with_any_value_that_is_not_finite_says_so():
    data = sweep(infected, seed=3, replicas=40, poison=[0.0, 1.0])
    ill = ~np.isfinite(data["profile"].values).all(axis=-1)
    assert ill.any(axis=-1).all() and (~ill).any(axis=-1).all()
    expected = np.where(ill, Status.NOT_FINITE, Status.OK)
    np.testing.assert_array_equal(data["status"], expected)


def test_a_simulation_without_parameters_is_one_point():
    data = run(coin)
    assert data["value"].dims == ("replica",)
    assert np.unique(data["value"]).size == 3


def test_what_is_counted_stays_a_whole_number():
    data = run(counted, chance=[0.1, 0.9])
    assert data["value"].dtype.kind == "i"
    assert ((data["value"] >= 0) & (data["value"] <= 20)).all()


def rounded(rng: np.random.Generator, *, n_spins: Spins) -> Uniform:
    return Uniform(0 if n_spins == 2 else 0.5)


def test_a_whole_number_at_one_shape_does_not_round_those_at_another():
    assert run(rounded, n_spins=[2, 4])["uniform"].isel(replica=0).values.tolist() == [0.0, 0.5]


WRONG = {
    "unknown": (TypeError, {"temprature": 1.0}, "'temprature'; did you mean 'temperature'"),
    "missing": (TypeError, {}, "missing argument temperature"),
    "no replicas": (ValueError, {"replicas": 0, "temperature": 1.0}, "replicas = 0"),
    "precision": (ValueError, {"precision": 16, "temperature": 1.0}, "precision = 16"),
    "NaN": (ValueError, {"temperature": [1.0, np.nan]}, "temperature = nan is not a finite"),
    "infinite": (ValueError, {"temperature": np.inf}, "temperature = inf is not a finite"),
    "empty": (ValueError, {"temperature": []}, "temperature is empty"),
    "empty array": (
        ValueError,
        {"temperature": xr.DataArray(np.zeros(0), dims="p")},
        "temperature is empty",
    ),
    "repeated": (ValueError, {"temperature": [1.0, 2.0, 1.0]}, "temperature has repeated values"),
    "table": (ValueError, {"temperature": [[1.0, 2.0]]}, "temperature has 2 dimensions"),
    "word": (ValueError, {"temperature": "hot"}, "temperature = 'hot'"),
    "outside": (ValueError, {"temperature": [1.0, -2.0]}, r"temperature = -2 .* \(0, inf\)"),
    "open end": (ValueError, {"temperature": 0.0}, r"temperature = 0 .* \(0, inf\)"),
    "too small": (ValueError, {"temperature": 1.0, "n_spins": 1}, r"n_spins = 1 .* \[2, inf\)"),
    "not whole": (ValueError, {"temperature": 1.0, "n_spins": 2.5}, "n_spins = 2.5 is not a whole"),
}


@pytest.mark.parametrize("error, wrong, said", WRONG.values(), ids=WRONG.keys())
def test_a_wrong_request_is_refused_in_one_sentence(error, wrong, said):
    with pytest.raises(error, match=said) as caught:
        sweep(batched, **({"seed": 3, "replicas": 2, "n_spins": 4} | wrong))
    assert "\n" not in str(caught.value)


def test_a_formula_is_no_simulation():
    with pytest.raises(TypeError, match="formula takes neither key nor rng"):
        run(formula, temperature=1.0)


both = Engines(numba=serial, jax=batched)


@pytest.mark.parametrize("backend, chosen", [("cpu", serial), ("gpu", batched)])
def test_numba_is_chosen_on_a_cpu_and_jax_on_an_accelerator(monkeypatch, backend, chosen):
    monkeypatch.setattr(jax, "default_backend", lambda: backend)
    assert both.choose() is chosen


@pytest.mark.parametrize("engine, simulate", [("numba", serial), ("jax", batched)])
def test_an_engine_runs_the_program_of_its_name(engine, simulate):
    at = {"temperature": [0.5, 1.0], "n_spins": 4}
    xr.testing.assert_identical(run(both, engine=engine, **at), run(simulate, **at))


def test_an_unknown_engine_is_refused():
    with pytest.raises(ValueError, match="engine = 'cuda' is neither 'numba' nor 'jax'"):
        run(both, engine="cuda", temperature=1.0, n_spins=4)


@either
def test_dimensions_are_shapes_then_numbers_then_replica_then_the_leafs_own(simulate):
    data = run(simulate, field=[0.0, 0.1], n_spins=[3, 4], temperature=[1.0], rule="plain")
    assert data["profile"].dims == ("n_spins", "field", "temperature", "replica", "layer")
    assert data["level"].dims == data["status"].dims == data["profile"].dims[:-1]


@either
def test_every_argument_is_a_coordinate(simulate):
    data = run(simulate, temperature=[1.0, 2.0], n_spins=4)
    assert data["temperature"].values.tolist() == [1.0, 2.0]
    scalars = {name: data[name].item() for name in ("n_spins", "field", "rule")}
    assert scalars == {"n_spins": 4, "field": 0.0, "rule": "plain"}
    assert data["replica"].values.tolist() == [0, 1, 2]


def test_a_dataset_says_what_it_holds_and_how_it_was_made():
    data = run(batched, temperature=1.0, n_spins=4)
    assert data["level"].attrs["long_name"] == "level, $l$"
    assert data["temperature"].attrs["long_name"] == "temperature, $T$"
    assert data.attrs["simulation"].endswith(".draw")
    assert data.attrs["seed"] == "3"
    assert data["status"].attrs["flag_meanings"].split()[Status.NOT_FINITE] == "not_finite"


@pytest.mark.parametrize("steps", [[0, 5, 3], 5, [1, 1]])
def test_record_times_must_be_an_increasing_sequence(steps):
    with pytest.raises(ValueError, match="step"):
        run(curie_weiss.relax, temperature=1.0, field=0.0, n_spins=4, step=steps)


def test_a_simulation_with_one_program_has_no_engine_to_choose():
    with pytest.raises(ValueError, match="engine = 'jax', but .* has only one"):
        sweep(coin, seed=1, replicas=1, engine="jax")
