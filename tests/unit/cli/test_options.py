"""Numbers as one writes them on a command line, and nothing else that Python would read."""

from __future__ import annotations

import argparse

import numpy as np
import pytest

from rmtspec.cli import options

NUMBERS = {"1": 1.0, "-2.5": -2.5, "+.5": 0.5, "3.": 3.0, "1e-3": 1e-3, "1E+3": 1e3}
ODD = ["", " 1", "1 ", "1_0", "١", "1e", "nan", "-inf", "0x10", "1,", "1e999", "1\n", "True"]


@pytest.mark.parametrize(("text", "value"), NUMBERS.items())
def test_number_is_read_as_written(text, value):
    assert options.number(text) == value
    np.testing.assert_array_equal(options._listed(text, "numbers"), [value])


@pytest.mark.parametrize("text", [*ODD, "inf"])
def test_odd_number_is_refused_with_its_text(text):
    for read in (options.number, options.integer, options.population):
        with pytest.raises(argparse.ArgumentTypeError, match=r"^must be "):
            read(text)


@pytest.mark.parametrize("text", [text for text in ODD if "," not in text])
def test_odd_entry_of_a_list_is_refused(text):
    for whole in (text, f"2,{text}", f"{text}:2:3", f"1:{text}:3", f"1:2:{text}"):
        with pytest.raises(argparse.ArgumentTypeError, match=r"^must be numbers, got"):
            options._listed(whole, "numbers")
    for whole in (f"{text}:3", f"1.5:{text}"):
        with pytest.raises(argparse.ArgumentTypeError, match=r"^must be EXPONENT:DIMENSION"):
            options.power_law(whole)


def test_integer_has_no_fraction():
    assert options.integer("-12") == -12
    for text in ("1.0", "1e3", "9" * 30):
        with pytest.raises(argparse.ArgumentTypeError, match="must be an integer"):
            options.integer(text)


def test_infinite_times_are_allowed():
    np.testing.assert_array_equal(options.times("0,inf"), [0.0, np.inf])
