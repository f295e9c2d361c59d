"""Checks of arguments and the one warning of a solve."""

from __future__ import annotations

import re
import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rmtspec import _checks
from rmtspec.result import ConvergenceWarning, Status, warn_unconverged


@given(st.floats(allow_nan=False, allow_infinity=False), st.booleans(), st.booleans())
def test_real_accepts_exactly_the_numbers_of_its_interval(value, low_open, high_open):
    inside = (value > -1 or (value == -1 and not low_open)) and (
        value < 2 or (value == 2 and not high_open)
    )
    if inside:
        assert _checks.real("x", value, -1, 2, low_open=low_open, high_open=high_open) == value
        return
    left, right = "(" if low_open else "[", ")" if high_open else "]"
    message = f"x must be a finite number in {left}-1, 2{right}, got {value!r}"
    with pytest.raises(ValueError, match=re.escape(message)):
        _checks.real("x", value, -1, 2, low_open=low_open, high_open=high_open)


@pytest.mark.parametrize("value", [3, np.int8(3), np.float32(3), np.array(3.0)])
def test_real_returns_a_float_for_every_kind_of_number(value):
    result = _checks.real("x", value)
    assert type(result) is float
    assert result == 3.0


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (np.float64(1e-101), "1e-101"),
        ([np.int8(-3), (np.float32(0.5),)], "[-3, (0.5,)]"),
        ({"a": np.complex128(1 - 2j)}, "{'a': 1-2j}"),
        ("np.str_('a')", "\"np.str_('a')\""),
    ],
)
def test_numbers_of_numpy_are_shown_as_plain_ones(value, text):
    assert _checks.shown(value) == text


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 10**400])
def test_real_refuses_what_is_not_finite(value):
    with pytest.raises(ValueError, match="x must be a finite number"):
        _checks.real("x", value)


@pytest.mark.parametrize("value", ["1", None, 1j, True, np.bool_(True), [1.0], np.array([1.0])])
def test_real_refuses_other_types(value):
    with pytest.raises(TypeError, match="x must be a real number"):
        _checks.real("x", value)


def test_positive_excludes_zero_and_includes_a_finite_upper_end():
    assert _checks.positive("x", 2, 2) == 2.0
    assert _checks.positive("x", 5e-324) > 0
    for value in (0, -0.0, -1):
        with pytest.raises(ValueError, match=r"\(0, inf\)"):
            _checks.positive("x", value)


def test_integer_keeps_its_bounds_and_refuses_fractions():
    assert _checks.integer("k", np.int32(4), 1, 4) == 4
    with pytest.raises(ValueError, match=r"k must be an integer in \[1, 4\], got 5"):
        _checks.integer("k", 5, 1, 4)
    with pytest.raises(ValueError, match="k must be an integer >= 1, got 0"):
        _checks.integer("k", 0, 1)
    for value in (4.0, True, "4", None):
        with pytest.raises(TypeError, match="k must be an integer"):
            _checks.integer("k", value, 1)


@pytest.mark.parametrize(
    "value",
    [3, [1, 2], (1.0,), np.float32([1, 2]), [], np.zeros((2, 0)), np.arange(6).reshape(2, 3)],
)
def test_real_array_keeps_shape_and_returns_doubles(value):
    array = _checks.real_array("x", value)
    assert array.dtype == np.float64
    assert array.shape == np.shape(value)
    np.testing.assert_array_equal(array, value)


def test_real_array_does_not_alias_its_input():
    source = np.ones(3)
    _checks.real_array("x", source)[0] = 5.0
    assert source[0] == 1.0


def test_real_array_names_the_first_entry_out_of_range():
    with pytest.raises(ValueError, match=r"x must hold finite numbers in \[0, 1\], got .*-2"):
        _checks.real_array("x", [0.5, -2, 7], 0, 1)
    with pytest.raises(ValueError, match=r"x .* got .*nan"):
        _checks.real_array("x", [np.nan])
    with pytest.raises(ValueError, match="rectangular"):
        _checks.real_array("x", [[1, 2], [3]])


def test_infinite_entries_are_allowed_only_on_request():
    np.testing.assert_array_equal(_checks.real_array("x", [np.inf, 1], infinite=True), [np.inf, 1])
    with pytest.raises(ValueError, match="inf"):
        _checks.real_array("x", [np.inf, 1])
    with pytest.raises(ValueError, match="nan"):
        _checks.real_array("x", [np.nan, 1], infinite=True)


@pytest.mark.parametrize("value", ["abc", [1, None], [1j], [True], {"a": 1}])
def test_real_array_refuses_other_types(value):
    with pytest.raises(TypeError, match="x must"):
        _checks.real_array("x", value)


def test_a_flag_is_true_or_false_and_nothing_else():
    assert _checks.flag("x", np.True_) is True
    assert _checks.flag("x", False) is False
    for value in (1, 0, None, "yes", [], np.ones(2)):
        with pytest.raises(TypeError, match="x must be True or False"):
            _checks.flag("x", value)


def test_a_choice_is_one_of_its_words():
    _checks.choice("x", "b", ("a", "b", "c"))
    for value in ("d", "", None, 1, ["a"], np.array(["a", "b"])):
        with pytest.raises(ValueError, match="x must be 'a', 'b' or 'c', got"):
            _checks.choice("x", value, ("a", "b", "c"))


def test_complex_array_accepts_real_numbers_and_refuses_what_is_not_finite():
    array = _checks.complex_array("z", [1, 2j])
    assert array.dtype == np.complex128
    for value in (complex(np.nan, 1), complex(1, np.inf)):
        with pytest.raises(ValueError, match="z must hold finite numbers"):
            _checks.complex_array("z", [1, value])


def test_one_warning_a_call_says_how_many_where_and_why():
    status = np.array([0, 1, 0, 4])
    with pytest.warns(ConvergenceWarning) as caught:
        warn_unconverged("resolvent", np.array([1j, 2j, 3j, 4j]), status)
    assert len(caught) == 1
    message = str(caught[0].message)
    assert message.startswith("resolvent: 2 of 4 points did not converge")
    assert "2j" in message
    assert Status.STEP_LIMIT.sentence in message


def test_nothing_is_said_when_all_points_converged():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warn_unconverged("resolvent", np.array([1j]), np.array([0]))
        warn_unconverged("resolvent", np.array([]), np.array([], dtype=int))


def test_every_status_has_a_sentence():
    assert len({status.sentence for status in Status}) == len(Status)
