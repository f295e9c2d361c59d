"""What is made before the pages are read: pictures, the gallery, the command line, the report.

Everything goes to ``docs/made``, which is written anew by each build and not kept.
"""

from __future__ import annotations

import base64
import contextlib
import io
import json
import os
import pathlib
import shutil
import textwrap

import jupyter_server_mathjax

GALLERY = {
    "quickstart": "Your own data, from a file to a stopping time",
    "spectrum_of_u": "The bulks of U and its atom beside sampled matrices",
    "learning_curves": "Losses over training time, and their collapse",
    "phase_diagrams": "Sweeps: gaps, training times, memorisation",
    "linear_denoisers": "How much data a linear denoiser needs",
    "gaussian_mixtures": "When clusters leave the bulk",
    "what_could_not_be_computed": "One network for all times, and classes that learn apart",
    "which_target": "Noise, data, v, velocity: which is best where, and when it memorises",
    "is_my_simulation_right": "A planted bug found at 112 sigma",
    "how_far_to_trust": "Where theory meets simulation, and where it does not",
}
"""Notebooks in the order of reading, with what each shows."""


def write(here: pathlib.Path) -> None:
    """Make everything under ``here / "made"``."""
    made = here / "made"
    shutil.rmtree(made, ignore_errors=True)
    for folder in ("static", "extra", "gallery", "pictures"):
        (made / folder).mkdir(parents=True)
    _copy_mathjax(made / "static" / "mathjax")
    shutil.copy(here.parent / "validation" / "results" / "report.html", made / "extra")
    _write_commands(made / "command-line.md")
    _write_gallery(here.parent / "notebooks", made)
    _draw(made / "pictures")


def _copy_mathjax(target: pathlib.Path) -> None:
    """Copy what TeX input with web fonts needs, and leave translations and speech behind."""
    source = pathlib.Path(jupyter_server_mathjax.__file__).parent / "static"
    shutil.copytree(source, target, ignore=shutil.ignore_patterns("localization", "a11y"))


def _write_commands(target: pathlib.Path) -> None:
    """Write the help of every command, as the parsers print it."""
    from rmtspec.cli.main import COMMANDS, main

    os.environ["COLUMNS"] = "84"  # so many fit beside the list of pages
    sections = [("rmtspec", ["--help"])]
    sections += [(f"rmtspec {name}", [name, "--help"]) for name in COMMANDS]
    text = "# Command line\n\nEach page below is what `--help` prints.\n"
    for title, arguments in sections:
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed), contextlib.suppress(SystemExit):
            main(arguments)
        text += f"\n## {title}\n\n```text\n{printed.getvalue().rstrip()}\n```\n"
    target.write_text(text)


def _write_gallery(source: pathlib.Path, made: pathlib.Path) -> None:
    """Copy the executed notebooks without widgets (which need the network), with a card each."""
    missing = sorted({path.stem for path in source.glob("*.ipynb")} ^ set(GALLERY))
    if missing:
        raise ValueError(f"GALLERY in docs/pages.py and notebooks/ differ in {missing}")
    cards = ""
    for name, what in GALLERY.items():
        notebook = json.loads((source / f"{name}.ipynb").read_text())
        notebook["metadata"].pop("widgets", None)
        title, thumbnail = name, None
        for cell in notebook["cells"]:
            if cell["cell_type"] != "code":
                heading = "".join(cell["source"]).partition("\n")[0]
                title = heading.lstrip("# ") if title == name else title
                continue
            cell["outputs"] = [out for out in cell["outputs"] if not _is_widget(out)]
            images = [out["data"]["image/png"] for out in cell["outputs"] if _is_image(out)]
            if images:
                if "alt" not in cell["metadata"]:
                    raise ValueError(f"notebooks/{name}: a picture has no alt in its cell's head")
                cell["metadata"]["mystnb"] = {"image": {"alt": cell["metadata"]["alt"]}}
                thumbnail = thumbnail or (images[0], cell["metadata"]["alt"])
        (made / "gallery" / f"{name}.ipynb").write_text(json.dumps(notebook))
        if thumbnail is None:
            raise ValueError(f"notebooks/{name}.ipynb holds no picture")
        (made / "gallery" / f"{name}.png").write_bytes(base64.b64decode(thumbnail[0]))
        cards += textwrap.dedent(
            f"""
            :::{{grid-item-card}} {title}
            :link: gallery/{name}
            :link-type: doc
            :img-bottom: gallery/{name}.png
            :img-alt: {thumbnail[1]}

            {what}
            :::
            """
        )
    names = "\n".join(f"gallery/{name}" for name in GALLERY)
    (made / "gallery.md").write_text(
        "# Gallery\n\nNotebooks of the repository with their outputs; each takes a minute.\n\n"
        f"::::{{grid}} 1 1 2 2\n:gutter: 3\n{cards}\n::::\n\n"
        f"```{{toctree}}\n:hidden:\n\n{names}\n```\n"
    )


def _is_widget(output: dict) -> bool:
    return any("widget" in kind for kind in output.get("data", {}))


def _is_image(output: dict) -> bool:
    return "image/png" in output.get("data", {})


def _draw(target: pathlib.Path) -> None:
    """Draw the pictures of the guide, each by the call that stands beside it."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt
    import numpy as np
    from sklearn.datasets import load_digits

    import rmtspec as rs
    from rmtspec.inputs.samples import standardise

    def save(name: str) -> None:
        plt.gcf().savefig(target / f"{name}.png", dpi=110, bbox_inches="tight")
        plt.close("all")

    model = rs.RandomFeatureModel(psi_p=64, psi_n=8, t=0.1)
    training = model.training()
    tau = np.geomspace(0.1, 1e6, 200)
    law = model.spectrum()
    law.plot(model=model)
    save("spectrum")
    training.learning_curves(tau).plot(training=training)
    save("curves")
    classes = [rs.DataClass(0.7, 1.5, mean=1.0), rs.DataClass(0.3, 0.4, mean=-1.0)]
    learning = rs.MixtureModel(6, 3, 0.1, classes).training()
    learning.learning_curves(np.geomspace(0.1, 1e4, 120)).plot(training=learning)
    save("mixture")
    wide = rs.RandomFeatureModel(psi_p=8, psi_n=4, t=0.1)
    rs.compare(rs.simulate(wide, 60, rng=1, size=4), wide).plot()
    save("compare")
    linear = rs.LinearDenoiser(rs.PopulationSpectrum.power_law(1, 200), np.geomspace(0.2, 50, 40))
    linear.plot(0.9)
    save("linear")
    digits = standardise(load_digits().data)[::7]
    rs.stopping_report(digits, psi_p=6, t=0.1).plot()
    save("stop")
    ratios = np.geomspace(1, 100, 24)
    diagram = rs.sweep("timescales", {"psi_p": ratios, "psi_n": ratios, "t": 0.01}, progress=False)
    from rmtspec.plots.sweeps import plot_map

    plot_map(diagram.tau_mem / diagram.tau_gen, label=r"$\tau_\mathrm{mem}/\tau_\mathrm{gen}$")
    save("sweep")
