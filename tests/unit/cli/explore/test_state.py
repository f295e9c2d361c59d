"""The address of the page: what it can hold, and how it refuses what it cannot."""

from __future__ import annotations

from dataclasses import fields, replace
from urllib.parse import quote

import pytest

from rmtspec.cli.explore.state import (
    ACTIVATIONS,
    OF_ROWS,
    POPULATIONS,
    QUANTITIES,
    State,
    read,
    written,
)

START = State()


def asked(query: str, **before: object) -> State:
    found = read(query, replace(START, **before), POPULATIONS)
    assert found.refused == {}
    return found.state


def test_the_start_needs_no_address() -> None:
    assert START.query(START) == ""
    assert asked("") == START


@pytest.mark.parametrize(
    "state",
    [
        State(psi_p=0.1, psi_n=1000.0, t=0.0123, activation="erf"),
        State(population="two", low=0.001, high=3.25, share=0.99),
        State(population="power", exponent=0.0, dimension=1000),
        State(population="spikes", spikes=(0.5, 20.0, 20.0)),
        State(step=1e-4, momentum=0.99, ridge=1e-8),
    ],
)
def test_an_address_gives_back_the_state_it_was_made_of(state: State) -> None:
    assert asked(state.query(START)) == state
    values = "&".join(f"{name}={quote(text)}" for name, text in state.values().items())
    assert asked(values, psi_p=3.0, population="two") == state


@pytest.mark.parametrize("name", QUANTITIES)
def test_both_ends_of_a_range_are_allowed_and_what_lies_beyond_is_refused(name: str) -> None:
    low, high = QUANTITIES[name].low, QUANTITIES[name].high
    for inside in (low, high):
        assert getattr(asked(f"{name}={written(inside).removesuffix('.0')}"), name) == inside
    for outside in (low - 0.01 * high, high * 1.01):
        found = read(f"{name}={outside}", START, POPULATIONS)
        assert found.state == START
        assert QUANTITIES[name].allowed in found.refused[name]
        assert found.refused[name].startswith(f"{name} must be ")


def test_zero_is_allowed_where_it_has_a_meaning_only() -> None:
    assert asked("step=0&ridge=0", step=1.0, ridge=1.0) == START
    assert set(read("psi_p=0&t=0&low=0", START, POPULATIONS).refused) == {"psi_p", "t", "low"}


@pytest.mark.parametrize(
    ("query", "name", "words"),
    [
        ("psi_p=", "psi_p", "must be a number in [0.1, 1000], got ''"),
        ("psi_p=nan", "psi_p", "got 'nan'"),
        ("psi_p=inf", "psi_p", "got 'inf'"),
        ("psi_p=1_0", "psi_p", "got '1_0'"),
        ("psi_p=" + quote("٣"), "psi_p", "got '٣'"),
        ("dimension=3.5", "dimension", "an integer in [2, 1000]"),
        ("activation=tan", "activation", "did you mean 'tanh'?"),
        ("population=rows", "population", "start with rmtspec explore --data FILE"),
        ("population=cauchy", "population", "isotropic, two, power, spikes"),
        ("spikes=", "spikes", "1 to 8 numbers, got 0"),
        ("spikes=" + ",".join("2" * 9), "spikes", "1 to 8 numbers, got 9"),
        ("spikes=2,-1", "spikes", "got '-1'"),
        ("psi_q=3", "", "did you mean 'psi_"),
        ("t=1&t=2", "t", "given once"),
        ("x=" + "9" * 3000, "", "at most"),
    ],
)
def test_what_cannot_be_is_refused_in_words_and_leaves_what_was(
    query: str, name: str, words: str
) -> None:
    before = replace(START, psi_p=3.0, t=0.5, spikes=(7.0,))
    found = read(query, before, POPULATIONS)
    assert list(found.refused) == [name]
    assert words in found.refused[name]
    assert found.state == before


def test_what_is_right_beside_what_is_wrong_is_taken() -> None:
    found = read("psi_p=3&t=-1&whatever=1&ridge=0.5", START, POPULATIONS)
    assert found.state == replace(START, psi_p=3.0, ridge=0.5)
    assert set(found.refused) == {"t", ""}


def test_all_unknown_names_are_said() -> None:
    found = read("whatever=1&else=2", START, POPULATIONS)
    assert "'whatever'" in found.refused[""]
    assert "'else'" in found.refused[""]


def test_rows_make_their_populations_known() -> None:
    known = {**OF_ROWS, **POPULATIONS}
    for name in known:
        assert read(f"population={name}", START, known).state.population == name


def test_every_value_is_a_quantity_or_a_choice() -> None:
    others = {"activation", "population", "spikes"}
    assert {each.name for each in fields(State)} == {*QUANTITIES, *others}
    asks = {name for _, names in POPULATIONS.values() for name in names}
    assert asks <= {each.name for each in fields(State)}
    assert START.activation in ACTIVATIONS
    assert START.population in POPULATIONS
