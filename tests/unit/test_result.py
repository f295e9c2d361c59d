"""Summaries: plain values out, tables in sight, and JSON that any reader takes."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass

import numpy as np
import pytest

import rmtspec as rs
from rmtspec.result import Summary, Table, rounded


@dataclass(frozen=True, eq=False, repr=False)
class Said(Summary):
    def blocks(self):
        yield "a < b"
        yield Table([("name", "x"), ("long name", "1"), ("n", "22")], ["", "<first>", ""])


def refuse_constant(name):
    raise AssertionError(f"{name} is not JSON")


def test_columns_are_flush_and_remarks_follow_their_row():
    table = Table([("name", "x"), ("long name", "1"), ("n", "22")], ["", "why", ""])
    assert str(table).splitlines() == ["name        x", "long name   1  why", "n          22"]


def test_a_summary_is_text_and_html_of_the_same_blocks():
    said = Said({"x": 1.0})
    assert str(said) == repr(said)
    assert repr(said).startswith("a < b\n\nname")
    shown = said._repr_html_()
    assert "<pre>a &lt; b</pre>" in shown
    assert "<td>&lt;first&gt;</td>" in shown
    assert shown.count("<tr>") == 3


def test_infinity_has_a_word_in_json_and_no_value_is_null():
    said = Said({"x": math.inf, "y": [-math.inf, math.nan, 1.5], "z": {"n": None, "b": True}})
    read = json.loads(said.to_json(more=("a",)), parse_constant=refuse_constant)
    assert read == {
        "x": "inf",
        "y": ["-inf", None, 1.5],
        "z": {"n": None, "b": True},
        "more": ["a"],
    }


def test_values_of_a_summary_cannot_be_changed_through_their_copy():
    said = Said({"x": [1.0]})
    said.to_dict()["x"].append(2.0)
    assert said["x"] == [1.0]


@pytest.mark.parametrize(
    ("value", "shown"), [(math.inf, "inf"), (math.nan, "-"), (1234567.0, "1.23457e+06"), (7, "7")]
)
def test_numbers_are_rounded_to_six_digits(value, shown):
    assert rounded(value) == shown


@pytest.mark.parametrize("rows", [2, 20, 60])
def test_every_family_that_a_model_can_have_says_what_it_means(rows):
    """Few rows, as many as columns, and more: centring leaves an empty direction in the first."""
    x = np.random.default_rng(7).normal(size=(rows, 20))
    with pytest.warns(rs.FewDimensionsWarning):
        model = rs.RandomFeatureModel.from_data(x, 8.0, 0.1)
    for family in model.families:
        assert family.meaning in str(model.summary(brief=True))
