"""One window of the page, moved as its user moves it, and read through the document's data."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np

from rmtspec.cli.explore.scene import Scene, Stopping

_READ = """() => {
  const plain = (value) => ArrayBuffer.isView(value) || Array.isArray(value)
    ? Array.from(value, plain) : value;
  const found = {};
  for (const name of %s) {
    const data = Bokeh.documents[0].get_model_by_name(name).data;
    found[name] = Object.fromEntries(Object.entries(data).map(([k, v]) => [k, plain(v)]));
  }
  return found;
}"""
SOURCES = (
    "bulks", "curves", "classes", "times", "marks", "outliers", "best", "here", "own_law",
    "own_test",
)  # fmt: skip
_LOSSES = ("tau", "train", "test", "generalization", "score_error")


class Window:
    """A tab with the page, whose messages and requests are kept."""

    def __init__(self, browser: Any, url: str, width: int = 1280, **settings: Any) -> None:
        settings.setdefault("viewport", {"width": width, "height": 900})
        self.context = browser.new_context(accept_downloads=True, **settings)
        self.page = self.context.new_page()
        self.messages: list[str] = []
        self.requests: list[str] = []
        self.page.on("console", self._hear)
        self.page.on("pageerror", lambda problem: self.messages.append(str(problem)))
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.goto(url)
        self.settle()

    def _hear(self, message: Any) -> None:
        if message.type in ("error", "warning"):
            self.messages.append(message.text)

    def settle(self, seconds: float = 60.0) -> None:
        """Wait for the answer to all that was asked."""
        self.page.wait_for_selector('#panels[aria-busy="false"]', timeout=1e3 * seconds)

    def slide(self, name: str, place: int) -> None:
        """Move a slider as a drag does."""
        self.page.evaluate(
            """([name, place]) => {
              const slider = document.getElementById(`${name}-slider`);
              slider.value = place;
              slider.dispatchEvent(new Event("input", { bubbles: true }));
            }""",
            [name, place],
        )

    def type(self, name: str, text: str) -> None:
        """Type into a field and press Enter."""
        self.page.fill(f"#{name}", text)
        self.page.press(f"#{name}", "Enter")
        self.page.evaluate("document.activeElement.blur()")
        self.settle()

    def choose(self, name: str, value: str) -> None:
        """Take an entry of a menu."""
        self.page.select_option(f"#{name}", value)
        self.settle()

    def data(self) -> dict[str, Any]:
        """The data of the document, as lists."""
        found: dict[str, Any] = self.page.evaluate(_READ % list(SOURCES))
        return found

    def text(self, selector: str) -> str:
        """What stands somewhere, or nothing where it is hidden."""
        place = self.page.locator(selector)
        return str(place.inner_text()) if place.is_visible() else ""

    def close(self) -> None:
        """Close the tab."""
        self.context.close()


def shows(data: dict[str, Any], scene: Scene) -> bool:
    """Whether the document's data are those of a state, to the last bit."""
    law, found = scene.model.spectrum(), Stopping.of(scene)
    assert found is not None
    curves = data["curves"]
    same = [
        np.array_equal(_numbers(curves[name]), getattr(scene.curves, name), equal_nan=True)
        for name in _LOSSES
    ]
    bulks, names = data["bulks"], np.array(scene.model.bulk_names())
    ends = np.cumsum([bulk.centres.size for bulk in scene.bulks])  # of crowds of thin bulks
    members = [slice(*pair) for pair in pairwise([0, *ends.tolist()])]
    same += [
        len(names) == ends[-1],
        bulks["name"] == [name for m in members for name in sorted(set(names[m]))],
        np.array_equal(bulks["mass"], [law.masses[m].sum() for m in members]),
        np.array_equal(bulks["low"], [law.support[m][0, 0] for m in members]),
        np.array_equal(bulks["high"], [law.support[m][-1, 1] for m in members]),
        data["best"]["tau"] == [found.best.tau],
        data["here"] == {"psi_n": [scene.model.psi_n], "psi_p": [scene.model.psi_p]},
        len(data["outliers"]["x"]) == len(law.outliers[law.outliers > law.origin]),
    ]
    for xs, ys, bulk in zip(bulks["xs"], bulks["ys"], scene.bulks, strict=True):
        inside = bulk.line.height > scene.limits[1][0]
        same.append(np.array_equal(xs[1:-1], bulk.line.distance))
        same.append(np.array_equal(np.array(ys[1:-1])[inside], bulk.line.height[inside]))
    of_classes = {
        f"{split}_{number}": row
        for split in ("train", "test")
        for number, row in enumerate(getattr(scene.curves, f"class_{split}", ()))
    }
    same.append(set(data["classes"]["name"]) == set(of_classes))
    for name, ys in zip(data["classes"]["name"], data["classes"]["ys"], strict=True):
        same.append(np.array_equal(_numbers(ys), of_classes[name], equal_nan=True))
    times = [family["tau"] for family in scene.families]
    same.append(set(data["times"]["x"]) <= set(times))
    return all(same)


def _numbers(values: list[Any]) -> Any:
    return np.array([np.nan if value is None else value for value in values], dtype=float)
