"""Findings, their worst points, and what is raised."""

from __future__ import annotations

import numpy as np
import pytest

from rmtspec.testing import invariants
from rmtspec.testing.findings import at_most, equal


def test_finding_is_that_of_the_point_with_least_room():
    (found,) = at_most("a", [1.0, 5.0, 2.0], [2.0, 4.0, 2.5], 1.5, at=[10.0, 11.0, 12.0])
    assert (found.left, found.right, found.at, found.ok) == (5.0, 4.0, 11.0, True)
    (found,) = equal("a", [1.0, 1.0 + 1j], [1.0, 1.0], [0.0, 0.5])
    assert (found.left, found.ok) == (1.0 + 1j, False)


def test_a_point_that_fails_is_shown_before_one_with_a_tighter_tolerance():
    (found,) = at_most("a", [1.0, 2.0], [1.0, 1.0], [0.0, 0.9], at=[0, 1], note="hint")
    assert (found.at, found.ok, found.note) == (1, False, "hint")


@pytest.mark.parametrize("bad", ["left", "right", "tolerance"])
def test_not_a_number_fails(bad):
    sides = {"left": 0.0, "right": 1.0, "tolerance": 1.0, bad: np.nan}
    for compare in (at_most, equal):
        (found,) = compare("a", **sides)
        assert not found.ok


def test_no_points_are_no_finding():
    assert at_most("a", [], [], []) == []


def test_what_fails_is_raised_with_a_line_each_and_what_holds_is_returned():
    good, bad = at_most("a", 0.0, 1.0), equal("b", 0.0, 1.0, at=2j) + equal("c", 1.0, 2.0)
    assert invariants.raise_on(good) == good
    assert invariants.failed(good + bad) == bad
    with pytest.raises(invariants.InvariantError, match="FAILS: b at 0\\+2j: 0 against 1") as error:
        invariants.raise_on(good + bad)
    assert error.value.findings == bad
    assert str(error.value).count("\n") == 1
    assert str(good[0]).startswith("holds: a")
