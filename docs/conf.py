"""How the pages are built: python -m sphinx -E -W --keep-going -b html docs docs/_build/html.

Nothing is loaded from the network when a page is read: MathJax is copied from a package of the
build, pictures are drawn and help pages and gallery written by ``pages.py`` before Sphinx reads.
"""

from __future__ import annotations

import importlib.metadata
import pathlib
import re
import sys
import typing
import warnings

import matplotlib.figure  # noqa: F401

import rmtspec
import rmtspec.plots.titles
import rmtspec.structured.mixture

# Signatures of pictures name classes of Matplotlib, which the package does not import by itself.
# What else they stand on is imported above, where names for annotations make no circle.
typing.TYPE_CHECKING = True
from rmtspec.plots import curves, linear, spectra  # noqa: E402, F401

typing.TYPE_CHECKING = False

# numpydoc leaves out a section whose name it does not know.
warnings.filterwarnings("error", "Unknown section")

project = "rmtspec"
author = "rmtspec contributors"
copyright = f"2026, {author}"
release = importlib.metadata.version("rmtspec")

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.mathjax",
    "sphinx.ext.viewcode",
    "numpydoc",
    "myst_nb",
    "sphinx_design",
    "sphinx_copybutton",
]
templates_path = ["_templates"]
exclude_patterns = ["_build"]
default_role = "py:obj"
highlight_language = "none"  # literal blocks are formulas; examples are highlighted all the same

myst_enable_extensions = ["dollarmath", "colon_fence"]
myst_heading_anchors = 3
nb_execution_mode = "off"  # the outputs kept in the notebooks are shown; .ci/run executes them
nb_merge_streams = True  # lines that were printed one by one are one block
suppress_warnings = ["mystnb.unknown_mime_type"]
copybutton_prompt_text = r">>> |\.\.\. |\$ "
copybutton_prompt_is_regexp = True

_here = pathlib.Path(__file__).parent
sys.path.insert(0, str(_here))
import pages  # noqa: E402

pages.write(_here)
html_static_path = ["_static", "made/static"]
html_extra_path = ["made/extra"]
html_css_files = ["rmtspec.css"]
mathjax_path = "mathjax/MathJax.js?config=TeX-AMS-MML_HTMLorMML-full"
mathjax2_config = {
    "messageStyle": "none",
    "showMathMenu": False,
    "tex2jax": {"processClass": "math|output_area"},
    "HTML-CSS": {
        "availableFonts": [],
        "webFont": "STIX-Web",
        "linebreaks": {"automatic": True},
        # The font that stands for none is asked of about:blank, which browsers refuse aloud.
        "styles": {"@font-face": {"font-family": "MathJax_Blank", "src": "local('')"}},
    },
}

html_theme = "furo"
html_title = f"rmtspec {release}"

# A class is documented with all its members on one page, so numpydoc need not list them again.
numpydoc_show_class_members = False
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_type_aliases = {
    name: name for name in ("ArrayLike", "ActivationLike", "FloatArray", "ComplexArray")
}
python_use_unqualified_type_names = True
toc_object_entries_show_parents = "hide"

# What the top of the package names is documented there, not a second time in its module.
autosummary_context = {"public": rmtspec.__all__}


_NAME = re.compile(r"[A-Za-z_][\w.]*")
_ALIAS = re.compile(r"TypeAliasForwardRef\('(\w+)'\)")


def keep_displayed_lines(app, what, name, obj, options, lines):
    """Show indented equations in the text of a module as they stand there."""
    if what != "module":
        return
    for i in range(len(lines) - 1, 1, -1):
        above = next((line for line in reversed(lines[:i]) if line.strip()), "")
        starts = lines[i].startswith("    ") and not lines[i - 1].strip()
        if starts and not above.startswith((" ", ".. ", "* ")):
            lines[i:i] = ["::", ""]


def skip_fields(app, what, name, obj, skip, options):
    """Leave out fields of named tuples, of which there is nothing to say but their number."""
    return True if (obj.__doc__ or "").startswith("Alias for field number") else None


def name_aliases(app, what, name, obj, options, signature, returns):
    """Print an alias that stands in a union by its name, as those on their own are printed."""
    return tuple(text and _ALIAS.sub(r"\1", text) for text in (signature, returns))


def link_imported_names(app, env, node, contnode):
    """Resolve a name as Python would where it is written, or else within the package."""
    target = node.get("reftarget", "")
    if node.get("refdomain") != "py" or not _NAME.fullmatch(target):
        return None
    first, dot, rest = target.partition(".")
    scope = sys.modules.get(node.get("py:module") or "rmtspec", rmtspec)
    found = getattr(scope, first, getattr(rmtspec, first, None))
    home, name = getattr(found, "__module__", None), getattr(found, "__qualname__", None)
    full = f"rmtspec.{name}" if name in rmtspec.__all__ else f"{home}.{name}"
    documented = env.domains["py"].objects
    candidates = [full + dot + rest, f"{scope.__package__}.{target}", f"rmtspec.{target}"]
    if first[0].isupper():  # a class that is not imported there, if only one has that name
        namesakes = [known for known in documented if known.endswith(f".{target}")]
        candidates += namesakes if len(namesakes) == 1 else []
    for candidate in candidates:
        if candidate in documented:
            return env.domains["py"].resolve_xref(
                env, node["refdoc"], app.builder, "obj", candidate, node, contnode
            )
    return None


def setup(app):
    app.connect("autodoc-process-docstring", keep_displayed_lines)
    app.connect("autodoc-skip-member", skip_fields)
    app.connect("autodoc-process-signature", name_aliases, priority=600)
    app.connect("missing-reference", link_imported_names)
