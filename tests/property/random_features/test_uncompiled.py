"""Kernels that run as Python give what compiled ones do, within the errors that both state."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

import rmtspec as rs
from rmtspec.solve.kernel import interpreted

ratios = st.floats(1e-2, 1e3)


def _numbers(model: rs.RandomFeatureModel) -> dict[str, Any]:
    law, times = model.spectrum(), model.timescales()
    found = model.resolvent(np.geomspace(1e-3, 1e3, 7) * (1.0 + 0.1j))
    curves = model.training().learning_curves(np.geomspace(1e-2, 1e6, 9))
    return {
        "edges": law.edges,
        "times": (times.tau_gen, times.tau_mem, times.tau_slow),
        "masses": law.masses,
        "q": (found.q, found.error * np.abs(found.q)),
        "train": (curves.train, curves.error),
        "test": (curves.test, curves.error),
    }


@given(
    psi_p=ratios,
    psi_n=ratios,
    t=st.floats(1e-3, 2.0),
    activation=st.sampled_from(["tanh", "relu", "erf", "sign"]),
    atoms=st.lists(st.floats(0.05, 20.0), min_size=1, max_size=3, unique=True),
)
@settings(max_examples=25)
def test_values_are_those_of_compiled_kernels(
    psi_p: float, psi_n: float, t: float, activation: str, atoms: list[float]
) -> None:
    def numbers() -> dict[str, Any]:
        population = rs.PopulationSpectrum(sorted(atoms))
        return _numbers(rs.RandomFeatureModel(psi_p, psi_n, t, activation, population))

    compiled = numbers()
    with interpreted():
        plain = numbers()
    for name in ("edges", "times", "masses"):
        # An edge next to a merger is the square root of its equation's rounding.
        np.testing.assert_allclose(plain[name], compiled[name], rtol=1e-7)
    for name in ("q", "train", "test"):
        (value, error), (other, other_error) = plain[name], compiled[name]
        assert np.all(np.abs(value - other) <= error + other_error)
