"""The page of `rmtspec explore` in a real browser: what it shows is what Python gives."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import rmtspec as rs
from rmtspec.cli.explore.scene import Scene
from rmtspec.cli.explore.state import ACTIVATIONS, POPULATIONS, QUANTITIES, State

from .conftest import Server, serving
from .window import Window, shows

pytestmark = pytest.mark.browser

START = State()


@pytest.fixture
def window(browser: Any, server: Server) -> Iterator[Window]:
    made = Window(browser, server.url)
    yield made
    made.close()


def test_the_page_loads_from_this_machine_alone_and_without_a_complaint(window: Window) -> None:
    assert shows(window.data(), Scene.of(START, None))
    window.page.wait_for_timeout(500)
    assert window.messages == []
    outside = [
        url for url in window.requests
        if not url.startswith((window.page.url, "data:", "blob:", "ws://127.0.0.1:"))
    ]  # fmt: skip
    assert outside == []
    assert len(window.requests) > 3


SLID = [
    ("psi_p", 300, {}),
    ("psi_n", 250, {}),
    ("t", 300, {}),
    ("step", 200, {}),
    ("ridge", 250, {}),
    ("momentum", 100, {"step": 0.05}),
    ("low", 150, {"population": "two"}),
    ("high", 300, {"population": "two"}),
    ("share", 100, {"population": "two"}),
    ("exponent", 200, {"population": "power", "dimension": 40}),
    ("dimension", 120, {"population": "power"}),
    ("psi_n", 250, {"population": "two_classes"}),
    ("weight_0", 100, {"population": "two_classes"}),
    ("variance_1", 150, {"population": "two_classes"}),
    ("weight_2", 40, {"population": "three_classes"}),
    ("variance_2", 250, {"population": "three_classes"}),
]


@pytest.mark.parametrize(
    ("name", "place", "before"), SLID, ids=[f"{name}-{before}" for name, _, before in SLID]
)
def test_a_slider_changes_the_data_to_what_python_gives(
    browser: Any, server: Server, name: str, place: int, before: dict[str, Any]
) -> None:
    state = replace(START, **before)
    window = Window(browser, f"{server.url}?{state.query(START)}")
    window.slide(name, place)
    window.settle()
    kind = int if QUANTITIES[name].whole else float
    state = replace(state, **{name: kind(window.page.input_value(f"#{name}"))})
    assert getattr(state, name) != getattr(START, name)
    assert shows(window.data(), Scene.of(state, None))
    assert window.page.url == f"{server.url}?{state.query(START)}"
    assert window.messages == []
    window.close()


def test_fields_and_menus_change_the_data_to_what_python_gives(window: Window) -> None:
    state = START
    for name, text, value in (
        ("psi_p", "12.5", 12.5),
        ("t", "0.25", 0.25),
        ("activation", "relu", "relu"),
        ("population", "spikes", "spikes"),
        ("spikes", "4, 30", (4.0, 30.0)),
        ("population", "two", "two"),
        ("high", "2.5", 2.5),
        ("ridge", "1e-3", 1e-3),
    ):
        (window.choose if name in ("activation", "population") else window.type)(name, text)
        state = replace(state, **{name: value})
        assert shows(window.data(), Scene.of(state, None)), name
    assert window.page.url.endswith("?" + state.query(START))
    window.page.reload()
    window.settle()
    assert shows(window.data(), Scene.of(state, None))
    window.page.click("#reset")
    window.settle()
    assert shows(window.data(), Scene.of(START, None))
    assert "?" not in window.page.url
    assert window.messages == []


def test_the_page_can_be_used_by_keys_alone(window: Window) -> None:
    page = window.page
    focused = set()
    for _ in range(40):
        page.keyboard.press("Tab")
        focused.add(
            page.evaluate("document.activeElement.id || document.activeElement.textContent")
        )
    assert {"copy", "observed", "psi_p-slider", "psi_p", "activation", "population"} <= focused
    assert {"step", "ridge-slider", "CSV", "PNG", "snippet"} <= focused
    page.focus("#psi_n-slider")
    before = float(page.input_value("#psi_n"))
    for key, grows in (("ArrowRight", True), ("ArrowLeft", False), ("PageUp", True)):
        page.keyboard.press(key)
        window.settle()
        now = float(page.input_value("#psi_n"))
        assert (now > before) == grows
        assert shows(window.data(), Scene.of(replace(START, psi_n=now), None))
        before = now


def test_a_second_window_does_not_disturb_the_first(
    browser: Any, server: Server, window: Window
) -> None:
    window.type("psi_p", "20")
    second = Window(browser, f"{server.url}?psi_n=3&activation=erf")
    first_data = window.data()
    for place in range(100, 140, 4):
        second.slide("psi_p", place)
    second.settle()
    other = float(second.page.input_value("#psi_p"))
    assert shows(second.data(), Scene.of(State(other, 3.0, activation="erf"), None))
    second.close()
    assert window.data() == first_data
    window.type("psi_n", "4")
    assert shows(window.data(), Scene.of(State(20.0, 4.0), None))
    assert window.messages == []


def test_an_address_that_cannot_be_is_refused_in_words(browser: Any, server: Server) -> None:
    query = "psi_p=20&psi_n=-3&activation=tan&t=%3Cimg%20src=x%20onerror=alert(1)%3E&foo=1"
    window = Window(browser, f"{server.url}?{query}")
    said = window.text("#refused")
    assert "psi_n must be a number in [0.1, 1000], got '-3'" in said
    assert "did you mean 'tanh'?" in said
    assert "t must be a number in [0.001, 3], got '<img src=x onerror=alert(1)>'" in said
    assert "'foo' is none of psi_p, psi_n" in said
    assert shows(window.data(), Scene.of(State(psi_p=20.0), None))
    assert window.page.get_attribute("#psi_n", "aria-invalid") == "true"
    assert window.messages == []
    window.type("psi_n", "5")
    assert window.text("#refused") == ""
    assert shows(window.data(), Scene.of(State(20.0, 5.0), None))
    window.close()


def test_a_setting_without_an_answer_says_why_and_leaves_the_last_picture(
    browser: Any, server: Server, window: Window
) -> None:
    before = window.data()
    window.type("step", "100")
    assert "step must be below the stability limit" in window.text("#refused")
    assert "last setting that has an answer" in window.text("#refused")
    assert window.data() == before
    window.type("step", "0.5")
    assert window.text("#refused") == ""
    assert shows(window.data(), Scene.of(State(step=0.5), None))
    at_once = Window(browser, f"{server.url}?step=100")
    assert "step must be below the stability limit" in at_once.text("#refused")
    assert shows(at_once.data(), Scene.of(START, None))
    at_once.close()


def test_the_python_is_copied_and_pictures_and_tables_are_saved(
    browser: Any, server: Server, tmp_path: Path
) -> None:
    allowed = ["clipboard-read", "clipboard-write"]
    window = Window(browser, server.url, permissions=allowed)
    window.page.click("#copy")
    window.page.wait_for_function("document.getElementById('status').textContent.includes('clip')")
    copied = window.page.evaluate("navigator.clipboard.readText()")
    assert copied == window.page.locator("#snippet").text_content()
    assert "rs.RandomFeatureModel(\n    psi_p=64, psi_n=8, t=0.01, activation='tanh'\n)" in copied
    saved = {}
    for kind in ("csv", "png"):
        for button in window.page.locator(f"[data-{kind}]").all():
            with window.page.expect_download() as download:
                button.click()
            name = download.value.suggested_filename
            download.value.save_as(tmp_path / name)
            saved[name] = (tmp_path / name).read_bytes()
    pictures = [content for name, content in saved.items() if name.endswith(".png")]
    assert len(pictures) == 3
    assert all(content.startswith(b"\x89PNG") and len(content) > 5000 for content in pictures)
    curves = np.genfromtxt(tmp_path / "rmtspec-curves.csv", delimiter=",", names=True)
    scene = Scene.of(START, None)
    for name in ("tau", "train", "test", "score_error"):
        assert np.array_equal(curves[name], getattr(scene.curves, name), equal_nan=True)
    bulks = saved["rmtspec-bulks.csv"].decode().splitlines()
    assert bulks[0] == "bulk,distance,density"
    assert len(bulks) == 1 + sum(bulk.line.distance.size for bulk in scene.bulks)
    assert saved["rmtspec-map.csv"].startswith(b"psi_n,psi_p,ratio\n")
    window.close()


def test_own_files_are_laid_over(window: Window, tmp_path: Path) -> None:
    model = rs.RandomFeatureModel(64.0, 8.0, 0.01)
    np.save(tmp_path / "own.npy", model.spectrum().sample(4000, np.random.default_rng(0)))
    (tmp_path / "own.csv").write_text("tau,train,test\n1,1,1\n100,0.5,0.75\n")
    (tmp_path / "bad.csv").write_text("tau,train\n1,x\n")
    window.page.set_input_files("#observed", tmp_path / "own.npy")
    window.page.wait_for_selector("#remove", state="visible")
    assert len(window.data()["own_law"]["x"]) > 10
    window.page.set_input_files("#observed", tmp_path / "own.csv")
    window.page.wait_for_function(
        "Bokeh.documents[0].get_model_by_name('own_test').data.tau.length == 2"
    )
    data = window.data()
    assert data["own_test"]["loss"] == [1.0, 0.75]
    assert data["own_law"]["x"] == []
    window.page.set_input_files("#observed", tmp_path / "bad.csv")
    window.page.wait_for_selector("#refused", state="visible")
    assert "is no number" in window.text("#refused")
    window.page.click("#remove")
    window.page.wait_for_selector("#remove", state="hidden")
    assert window.data()["own_test"]["loss"] == []
    assert window.messages == []


def test_a_click_on_the_map_moves_there(window: Window) -> None:
    box = window.page.locator("#map canvas").first.bounding_box()
    window.page.mouse.click(box["x"] + 0.55 * box["width"], box["y"] + 0.4 * box["height"])
    window.page.wait_for_function("document.getElementById('psi_p').value != '64'")
    window.settle()
    state = State(*(float(window.page.input_value(f"#{name}")) for name in ("psi_p", "psi_n")))
    assert 1.0 < state.psi_p < 1000.0
    assert shows(window.data(), Scene.of(state, None))


def test_the_map_is_filled_to_the_end(window: Window) -> None:
    window.page.wait_for_function(
        "Bokeh.documents[0].get_model_by_name('map').data.ratio.length == 33 * 33", timeout=60e3
    )


def test_no_random_walk_freezes_the_page(window: Window) -> None:
    rng = np.random.default_rng(0)
    walk(window, 60, rng)
    window.page.click("#reset")
    window.settle()
    assert shows(window.data(), Scene.of(START, None))
    assert window.messages == []


def walk(window: Window, steps: int, rng: np.random.Generator) -> list[float]:
    """Move controls at random, now and then without waiting; seconds that answers took."""
    taken = []
    for _ in range(steps):
        name = str(rng.choice([*QUANTITIES, "activation", "population"]))
        page = window.page
        begun = page.evaluate("performance.now()")
        if name in QUANTITIES:
            if not page.is_visible(f"#{name}") or page.is_disabled(f"#{name}"):
                continue
            for _ in range(int(rng.integers(1, 4))):
                window.slide(name, int(rng.integers(0, 401)))
        else:
            names = ACTIVATIONS if name == "activation" else list(POPULATIONS)
            page.select_option(f"#{name}", str(rng.choice(names)))
        if rng.random() < 0.8:
            window.settle(30.0)
            taken.append((page.evaluate("performance.now()") - begun) / 1e3)
    window.settle(30.0)
    return taken


_SLOW = """
import itertools, sys
from rmtspec.cli import main
from rmtspec.cli.explore import scene, session

session._PATIENCE = 1.0
model_of = scene.model_of

def endless(state, rows):
    if state.psi_p == 32.0:
        for _ in itertools.count():
            pass
    return model_of(state, rows)

scene.model_of = endless
sys.exit(main.main())
"""


def test_a_setting_without_an_answer_keeps_the_last_picture_and_stops_no_other(
    browser: Any,
) -> None:
    with serving(program=("-c", _SLOW)) as server:
        window = Window(browser, server.url)
        for number, psi_p in enumerate((48.0, 50.0, 52.0)):
            shown = window.data()
            window.type("psi_p", "32")
            assert "no answer within 1 s" in window.text("#refused"), number
            assert "The pictures are those of the last setting" in window.text("#refused")
            assert window.data() == shown
            window.type("psi_p", str(psi_p))
            assert window.text("#refused") == ""
            assert shows(window.data(), Scene.of(State(psi_p=psi_p), None))
        assert window.messages == []
        status, said = server.interrupt()
        assert status == 0
        assert "Traceback" not in said
        window.close()


@pytest.mark.parametrize("width", [390, 768, 1280])
def test_nothing_sticks_out_and_everything_has_a_name(
    browser: Any, server: Server, width: int
) -> None:
    window = Window(browser, server.url, width)
    assert window.page.evaluate("document.documentElement.scrollWidth") <= width
    nameless = window.page.evaluate(
        """() => [...document.querySelectorAll("input, select, button")].filter((one) =>
          !(one.labels?.length || one.getAttribute("aria-label") || one.textContent.trim()))
          .map((one) => one.outerHTML)"""
    )
    assert nameless == []
    levels = window.page.evaluate(
        "() => [...document.querySelectorAll('h1, h2, h3')].map((one) => one.tagName)"
    )
    assert levels == ["H1"] + ["H2"] * 5
    window.close()


@pytest.fixture(scope="module")
def own_rows(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("own") / "rows.npy"
    np.save(path, np.random.default_rng(0).standard_normal((120, 12)) * np.linspace(0.6, 1.4, 12))
    return path


@pytest.mark.filterwarnings("ignore::rmtspec.FewDimensionsWarning")
@pytest.mark.filterwarnings("ignore::rmtspec.DataWarning")
def test_own_rows_are_shown_and_interrupting_the_server_leaves_no_traceback(
    browser: Any, own_rows: Path
) -> None:
    from rmtspec.cli.data import load
    from rmtspec.cli.explore.scene import Rows

    with serving("--data", str(own_rows)) as server:
        window = Window(browser, server.url)
        rows = Rows(load(str(own_rows)))
        state = State(population="rows", psi_n=10.0)
        assert shows(window.data(), Scene.of(state, rows))
        assert window.page.is_disabled("#psi_n-slider")
        assert "participation ratio" in window.text("#warnings")
        for name in ("equivalent", "fresh"):
            window.choose("population", name)
            assert shows(window.data(), Scene.of(replace(state, population=name), rows)), name
        assert not window.page.is_disabled("#psi_n-slider")
        status, said = server.interrupt()
        assert status == 0
        assert "Traceback" not in said
        assert "ERROR" not in said
        window.page.wait_for_selector("#refused", state="visible", timeout=20e3)
        assert "The server has ended" in window.text("#refused")
        window.close()
