"""Own eigenvalues and curves beside those of theory."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import rmtspec as rs
from rmtspec.cli.explore import overlay
from rmtspec.cli.explore.overlay import Overlay

CURVES = "tau,train,test\n0,1,1\n1,0.5,0.75\n10,0.25,0.5\n"


def test_the_steps_hold_the_share_of_eigenvalues_above_the_floor(tmp_path: Path) -> None:
    values = np.concatenate([np.full(30, 2.0), 2.0 + np.geomspace(1e-3, 10.0, 70)])
    np.save(tmp_path / "own.npy", values)
    x, height = Overlay.read(tmp_path / "own.npy").histogram(2.0)
    assert x.shape == height.shape
    assert np.all(np.diff(x) >= 0.0)
    # A step has two corners: the area is the sum over every second interval.
    assert np.sum(height[::2] * np.diff(np.log(x))[::2]) == pytest.approx(0.7, abs=1e-12)


def test_the_steps_follow_the_density_of_the_law(tmp_path: Path) -> None:
    model = rs.RandomFeatureModel(4.0, 2.0, 0.1)
    law = model.spectrum()
    np.save(tmp_path / "own.npy", law.sample(200_000, np.random.default_rng(0)))
    x, height = Overlay.read(tmp_path / "own.npy").histogram(model.floor)
    mass = height[::2] * np.diff(np.log(x))[::2]
    theory = law.cdf(model.floor + x[1::2]) - law.cdf(model.floor + x[::2])
    # Five standard deviations of a share of 200,000 draws.
    assert np.all(np.abs(mass - theory) < 5.0 * np.sqrt(0.25 / 200_000))


def test_curves_are_shown_at_positive_times(tmp_path: Path) -> None:
    (tmp_path / "own.csv").write_text(CURVES)
    found = Overlay.read(tmp_path / "own.csv")
    losses = found.losses()
    assert np.array_equal(losses["test"][0], [1.0, 10.0])
    assert np.array_equal(losses["test"][1], [0.75, 0.5])
    assert np.array_equal(losses["train"][1], [0.5, 0.25])
    assert found.histogram(0.0)[0].size == 0


def test_a_file_that_was_sent_is_read_as_one_on_disk(tmp_path: Path) -> None:
    found = Overlay.received("../../own.csv", CURVES.encode())
    assert found.name == "own.csv"
    assert np.array_equal(found.losses()["test"][1], [0.75, 0.5])


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("own.exe", b"MZ", "must be an array, a table or a file"),
        ("own", b"", "must be an array, a table or a file"),
        ("own.csv", b"tau,train\n1,x\n", "is no number"),
        ("own.npy", b"not an array", "own.npy"),
    ],
)
def test_what_cannot_be_read_is_refused_by_its_own_name(
    name: str, content: bytes, words: str
) -> None:
    with pytest.raises((ValueError, TypeError)) as caught:
        Overlay.received(name, content)
    assert words in str(caught.value)
    assert "/tmp" not in str(caught.value)


def test_a_file_that_is_too_large_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(overlay, "MOST_BYTES", 10)
    with pytest.raises(ValueError, match="at most 10 bytes, got 11"):
        Overlay.received("own.csv", b"12345678901")


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="must be a file that exists"):
        Overlay.read(tmp_path / "none.npy")
