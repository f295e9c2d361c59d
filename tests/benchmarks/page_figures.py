"""Print how fast the page of `rmtspec explore` reacts: python -m tests.benchmarks.page_figures

Measured in Chromium, from the moved slider to the second frame after its law and curves are in the
document. The page is the default one; the walk moves controls at random.
"""

from __future__ import annotations

import shutil
import time

import numpy as np
from playwright.sync_api import sync_playwright

from tests.browser.conftest import serving
from tests.browser.test_explore import walk
from tests.browser.window import Window

_STEPS, _WALK = 50, 500

_STEP = """([name, place]) => new Promise((done) => {
  const shown = Bokeh.documents[0].get_model_by_name("shown");
  const slider = document.getElementById(`${name}-slider`);
  const begun = performance.now();
  const heard = () => {
    const said = JSON.parse(shown.data.json[0]);
    if (said.values[name] !== document.getElementById(name).value) return;
    shown.properties.data.change.disconnect(heard);
    requestAnimationFrame(() => requestAnimationFrame(() => done(performance.now() - begun)));
  };
  shown.properties.data.change.connect(heard);
  slider.value = place;
  slider.dispatchEvent(new Event("input", { bubbles: true }));
})"""


def main() -> None:
    """Print one line a figure."""
    path = shutil.which("chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        for start in ("first", "second"):
            begun = time.perf_counter()
            with serving() as server:
                listening = time.perf_counter() - begun
                window = Window(browser, server.url)
                window.slide("psi_p", 300)
                window.settle()
                reacting = time.perf_counter() - begun
                print(f"{start} start: listening {listening:.2f} s, reacting {reacting:.2f} s")
                if start == "first":
                    window.close()
                    continue
                window.page.click("#reset")
                window.page.wait_for_timeout(6000)  # the map is finished
                for population, name, places in (
                    ("isotropic", "psi_p", (270, 330)),
                    ("isotropic", "psi_n", (160, 220)),
                    ("isotropic", "t", (80, 140)),
                    ("two_classes", "psi_p", (270, 330)),
                    ("two_classes", "variance_0", (200, 260)),
                ):
                    window.choose("population", population)
                    steps = np.linspace(*places, _STEPS).astype(int)
                    taken = []
                    for place in steps:
                        taken.append(window.page.evaluate(_STEP, [name, int(place)]))
                        window.settle()
                    print(
                        f"{population}, step of {name}: median {np.median(taken):.0f} ms, "
                        f"90 % {np.quantile(taken, 0.9):.0f} ms, worst {max(taken):.0f} ms"
                    )
                walked = walk(window, _WALK, np.random.default_rng(1))
                print(
                    f"random walk of {_WALK} steps: median {1e3 * np.median(walked):.0f} ms, "
                    f"worst {max(walked):.2f} s, complaints {window.messages}"
                )
        browser.close()


if __name__ == "__main__":
    main()
