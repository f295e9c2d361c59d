"""Every example in a docstring runs and prints what it says."""

from __future__ import annotations

import doctest
import importlib
import pkgutil

import pytest

import rmtspec

MODULES = sorted(
    module.name for module in pkgutil.walk_packages(rmtspec.__path__, prefix="rmtspec.")
)


@pytest.mark.parametrize("name", MODULES)
def test_examples_print_what_they_say(name):
    if name.startswith("rmtspec.cli.explore."):
        pytest.importorskip("bokeh", reason="the page needs the extra explore")
    assert doctest.testmod(importlib.import_module(name)).failed == 0


@pytest.mark.parametrize("name", rmtspec.__all__)
def test_every_public_class_has_an_example(name):
    public = getattr(rmtspec, name)
    if name not in ("ConvergenceWarning", "DataWarning", "FewDimensionsWarning", "Status"):
        assert ">>>" in public.__doc__
