"""Summaries: plain values out, tables in sight, and JSON that any reader takes."""

from __future__ import annotations

import io
import json
import math
import sys
from dataclasses import dataclass

import numpy as np
import pytest

import rmtspec as rs
from rmtspec.result import ProgressBar, Summary, Table, rounded


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


class Terminal(io.StringIO):
    """What is written to a terminal."""

    def isatty(self):
        return True


def _shown(stream, monkeypatch, **settings):
    monkeypatch.setattr(sys, "stderr", stream)
    with ProgressBar(3, unit="work", **settings) as bar:
        for _ in range(3):
            bar()
    return "work" in stream.getvalue()


def test_a_bar_shows_on_a_terminal_or_where_it_is_asked_for(monkeypatch):
    assert _shown(Terminal(), monkeypatch, wanted=None)
    assert _shown(io.StringIO(), monkeypatch, wanted=True)
    assert not _shown(io.StringIO(), monkeypatch, wanted=None)


@pytest.mark.parametrize("settings", [{"wanted": False}, {"wanted": None, "patience": 10.0}])
def test_a_bar_that_is_not_asked_for_or_not_needed_is_silent(settings, monkeypatch):
    assert not _shown(Terminal(), monkeypatch, **settings)


def test_a_bar_does_without_a_terminal_and_without_tqdm(monkeypatch):
    monkeypatch.setattr(sys, "stderr", None)
    for wanted in (None, True):
        with ProgressBar(1, wanted, "work") as bar:
            bar()
    monkeypatch.setitem(sys.modules, "tqdm", None)
    assert not _shown(Terminal(), monkeypatch, wanted=None)


KEPT = """
import functools, warnings
from rmtspec.result import caller_level

class Kept:
    @functools.cached_property
    def value(self):
        warnings.warn("found on the way", stacklevel=caller_level())
        return 1
"""


def test_a_warning_of_a_kept_value_names_the_line_that_asked():
    namespace = {"__name__": "rmtspec.made_up"}
    exec(KEPT, namespace)
    with pytest.warns(UserWarning, match="found on the way") as caught:
        assert namespace["Kept"]().value == 1
    assert caught[0].filename == __file__
