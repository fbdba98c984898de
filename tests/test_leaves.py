"""What arguments say of themselves."""

from typing import Literal

import pytest

from thermolimit.leaves import check_word


@pytest.mark.parametrize("allowed", [Literal["up", "down"], ["up", "down"], {"up": 1, "down": -1}])
def test_a_word_is_one_of_those_allowed_or_refused_in_one_sentence(allowed):
    check_word("spin", "up", allowed)
    with pytest.raises(ValueError, match=r"spin = 'left' is not one of \('up', 'down'\)"):
        check_word("spin", "left", allowed)
