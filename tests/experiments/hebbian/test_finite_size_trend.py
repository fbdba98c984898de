"""The study compares the networks it names, and fits what they miss of their limit."""

import numpy as np
import pytest
import xarray as xr

from thermolimit.experiments.hebbian import finite_size_trend as study
from thermolimit.solvers import Status

SMALL = study.Grid(
    pairs=(60, 80, 100), triples=(100, 102, 104), quadruples=(64, 65, 66), sweeps=2, burn_in=0,
    replicas=2,
)  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize(
    "name, order, expected",  # n, m, q
    [
        ("supervised", 3, (0.98812177788, 0.972297400246, 0.960491685708)),
        ("unsupervised", 2, (0.977839270426, 0.946016551957, 0.932185454451)),
    ],
)
def test_the_predicted_states_have_their_known_values(name, order, expected):
    state = study._state(name, order)
    found = [state[x].item() for x in ("class_overlap", "overlap", "self_overlap")]
    assert found == pytest.approx(expected, abs=1e-10)


@pytest.mark.slow
def test_every_network_runs_at_the_sizes_of_its_order_only():
    data = study.measure(SMALL)
    assert data.sizes["network"] == 3
    ran = (data["status"] != Status.MISSING).any(["network", "replica"])
    for order, sizes in ((2, SMALL.pairs), (3, SMALL.triples), (4, SMALL.quadruples)):
        here = ran.sel(interaction_order=order)
        assert here["n_spins"][here].values.tolist() == list(sizes)
    lost = data["retrieved"] < 1
    assert (data["status"].where(lost, Status.MISSING) == Status.MISSING).all()
    assert (data["retrieval_fraction"].dropna("n_spins", how="all").max() <= 1).item()


def test_deviations_that_fall_like_one_over_n_have_no_limit():
    orders, sizes = [2, 3], [100, 200, 400, 1000, 2000, 4000]
    measured = np.array([[0, 0, 0, 1, 1, 1], [1, 1, 1, 0, 0, 0]], bool)  # at sizes of their own
    dims = ("interaction_order", "n_spins")
    difference = np.where(measured, np.array([[3.0], [-5.0]]) / sizes, np.nan)
    comparison = xr.Dataset(
        {
            "overlap_difference": (dims, difference),
            "overlap_error": (dims, np.where(measured, 1e-3, np.nan)),
        },
        coords={"interaction_order": orders, "n_spins": sizes},
    )
    fit = study.trend(comparison)
    assert fit["coefficient"].squeeze().values == pytest.approx([3.0, -5.0], abs=1e-9)
    assert fit["limit"].values == pytest.approx(0.0, abs=1e-12)


def test_two_sizes_do_not_make_a_line():
    with pytest.raises(ValueError, match=r"triples = \(100, 200\) are too few sizes"):
        study.Grid(triples=(100, 200))
