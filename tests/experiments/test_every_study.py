"""The quick profile of every study: theory and simulation agree, and the figure is drawn."""

import pytest

from thermolimit.__main__ import main
from thermolimit.experiments import catalogue


@pytest.mark.slow
@pytest.mark.parametrize("study", catalogue.studies())
def test_the_quick_profile_agrees_and_is_drawn(study, tmp_path):
    assert main(["run", study, "--out", str(tmp_path)]) == 0
    assert (tmp_path / "quick.png").stat().st_size > 10_000
