"""Grey images: digits, random fields, folders."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from validation.data.images import Images, digits, folder, random_field, random_field_variances


def test_digits_are_centred_with_mean_variance_one() -> None:
    images = digits()
    assert images.pixels.shape == (1797, 8, 8)
    assert images.side == 8
    np.testing.assert_allclose(images.pixels.mean(axis=0), 0.0, atol=1e-13)
    assert np.mean(images.pixels**2) == pytest.approx(1.0, rel=1e-12)
    back = images.mean + images.scale * images.pixels
    assert np.abs(back - np.rint(back)).max() < 1e-12
    assert (round(back.min()), round(back.max())) == (0, 16)


def test_subsets_are_disjoint_and_follow_the_generator() -> None:
    images = digits()
    train, test = images.split(1000, 797, np.random.default_rng(0))
    assert (len(train), len(test)) == (1000, 797)
    both = np.sort(np.concatenate([train, test]).reshape(1797, -1), axis=0)
    assert np.array_equal(both, np.sort(images.pixels.reshape(1797, -1), axis=0))
    assert np.array_equal(images.split(5, 5, np.random.default_rng(0))[0], train[:5])
    assert not np.array_equal(images.split(5, 5, np.random.default_rng(1))[0], train[:5])
    with pytest.raises(ValueError, match="at most the 1797 images of digits, got 1797"):
        images.split(1797, 1, np.random.default_rng(0))


@pytest.mark.parametrize("side", [6, 7])
def test_random_field_has_the_variances_it_names(side: int) -> None:
    variances = random_field_variances(side, 2.0)
    assert variances.mean() == pytest.approx(1.0)
    wave = np.fft.fftfreq(side, 1.0 / side)
    assert variances[2, 1] / variances[1, 0] == pytest.approx(1.0 / (wave[2] ** 2 + 1.0))
    count = 4000
    field = random_field(count, side, 2.0, np.random.default_rng(0)).pixels
    power = np.mean(np.abs(np.fft.fft2(field)) ** 2, axis=0) / side**2
    # |mode|^2 is chi-square with one degree of freedom or half of one with two.
    error = 5.0 * variances * np.sqrt(2.0 / count)
    assert np.all(np.abs(power - variances) < error)


def test_random_field_has_its_variances_as_population_eigenvalues() -> None:
    # The covariance is that of white noise mapped by the same linear operation.
    side = 4
    roots = np.sqrt(random_field_variances(side, 1.5))
    unit = np.eye(side**2).reshape(-1, side, side)
    root = np.fft.ifft2(np.fft.fft2(unit) * roots).real.reshape(side**2, -1)
    values = np.linalg.eigvalsh(root.T @ root)
    np.testing.assert_allclose(values, np.sort(roots.ravel() ** 2), rtol=1e-12)


def _write(path: Path, pixels: np.ndarray) -> None:
    Image.fromarray(pixels.astype(np.uint8)).save(path)


def test_folder_is_read_grey_square_and_in_the_order_of_names(tmp_path: Path) -> None:
    ramp = np.arange(16).reshape(4, 4) * 10
    _write(tmp_path / "b.png", ramp)
    colour = np.zeros((4, 4, 3))
    colour[:] = [200, 200, 200]
    _write(tmp_path / "a.png", colour)
    wide = np.full((4, 8), 255)
    wide[:, 2:6] = ramp
    _write(tmp_path / "c.png", wide)
    (tmp_path / "notes.txt").write_text("no image")
    (tmp_path / "sub").mkdir()
    images = folder(tmp_path, 2)
    back = (images.mean + images.scale * images.pixels) * 255.0
    small = ramp.reshape(2, 2, 2, 2).mean(axis=(1, 3))
    np.testing.assert_allclose(back[0], 200.0)
    # Eight bits: a mean of four pixels is rounded.
    np.testing.assert_allclose(back[1], small, atol=0.51)
    np.testing.assert_allclose(back[2], back[1], atol=1e-9)
    assert len(folder(tmp_path, 2, limit=2).pixels) == 2


def test_bad_folders_are_one_clear_error(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="is not a folder"):
        folder(tmp_path / "absent", 8)
    with pytest.raises(ValueError, match=r"at least two images .*got 0"):
        folder(tmp_path, 8)
    _write(tmp_path / "a.png", np.zeros((4, 4)))
    with pytest.raises(ValueError, match=r"at least two images .*got 1"):
        folder(tmp_path, 8)
    _write(tmp_path / "b.png", np.zeros((4, 4)))
    with pytest.raises(ValueError, match="different pictures, got 2 equal ones"):
        folder(tmp_path, 8)
    (tmp_path / "c.png").write_bytes(b"not a picture")
    with pytest.raises(ValueError, match=r"image '.*c\.png' cannot be read"):
        folder(tmp_path, 8)
    whole = (tmp_path / "a.png").read_bytes()
    (tmp_path / "c.png").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ValueError, match=r"image '.*c\.png' cannot be read"):
        folder(tmp_path, 8)


def test_wrong_sizes_are_named() -> None:
    with pytest.raises(ValueError, match="side"):
        random_field_variances(1, 2.0)
    with pytest.raises(ValueError, match="exponent"):
        random_field_variances(4, -1.0)
    with pytest.raises(ValueError, match="different pictures"):
        Images.centred("flat", np.zeros((3, 2, 2)))
