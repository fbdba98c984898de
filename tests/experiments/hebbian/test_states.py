"""Which states of a search are kept."""

import numpy as np
import xarray as xr

from thermolimit.experiments.hebbian._states import fallen, stable, without
from thermolimit.solvers import Status


def test_states_that_have_lost_the_pattern_are_missing_and_failures_stay_what_they_are():
    overlap = [0.9, 1e-9, -0.5, np.nan, 1e-9]
    status = [Status.OK, Status.OK, Status.OK, Status.NOT_FINITE, Status.NOT_CONVERGED]
    codes = np.array(status, np.int8)
    data = xr.Dataset({"overlap": ("point", overlap), "status": ("point", codes)})
    kept = without(data, fallen(data))
    assert kept["status"].values.tolist() == [
        Status.OK, Status.MISSING, Status.MISSING, Status.NOT_FINITE, Status.NOT_CONVERGED,
    ]  # fmt: skip
    xr.testing.assert_identical(kept["overlap"], data["overlap"])


def test_a_line_is_kept_where_its_state_is_stable():
    line = xr.Dataset({"temperature": ("point", [3, 2, 1]), "growth_rate": ("point", [-1, -1, 1])})
    assert stable(line)["temperature"].values.tolist() == [3, 2]
