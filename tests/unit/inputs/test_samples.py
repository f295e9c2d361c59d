"""Reading samples: what is accepted, and one clear line for whatever is not."""

from __future__ import annotations

import pickle
import sys

import numpy as np
import pytest

import rmtspec as rs
from rmtspec.inputs.samples import digits, photographs, read_samples, standardise

TABLE = np.array([[1.0, 2.0, 3.5], [4.0, 5.0, -6e-3]])
EPS = np.finfo(float).eps


@pytest.fixture
def write(tmp_path):
    def _write(name, content):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return _write


def test_npy_and_npz_return_what_was_saved(tmp_path):
    np.save(tmp_path / "a.npy", TABLE.astype(np.float32))
    np.savez(tmp_path / "b.npz", anything=TABLE)
    np.savez_compressed(tmp_path / "c.npz", x=TABLE, labels=np.array([0, 1]))
    np.save(tmp_path / "d.npy", np.asfortranarray([[0, 255], [3, 4]], dtype=np.uint8))
    np.testing.assert_array_equal(read_samples(tmp_path / "a.npy"), TABLE.astype(np.float32))
    np.testing.assert_array_equal(read_samples(str(tmp_path / "b.npz")), TABLE)
    np.testing.assert_array_equal(read_samples(tmp_path / "c.npz"), TABLE)
    np.testing.assert_array_equal(read_samples(tmp_path / "d.npy"), [[0, 255], [3, 4]])


@pytest.mark.parametrize(
    "text",
    [
        "1,2,3.5\n4,5,-6e-3\n",
        "1,2,3.5\r\n4,5,-6e-3",
        "\n1,2,3.5\n\n4,5,-6e-3\n\n",
        "a,b,c\n1,2,3.5\n4,5,-6e-3\n",
        '"a","b","c"\n1, 2, 3.5\n"4",5,-6e-3\n',
        "\ufeff1,2,3.5\n4,5,-6e-3\n",
    ],
)
def test_csv_with_or_without_names_gives_the_same_table(write, text):
    np.testing.assert_array_equal(read_samples(write("t.csv", text)), TABLE)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("t.txt", "1,2\n3,4\n", "must end in .npy, .npz, .csv, got '.txt'"),
        ("t", "1,2\n3,4\n", "got 'no suffix'"),
        ("t.csv", "", "it is empty"),
        ("t.npy", b"", "it is empty"),
        ("t.npz", b"", "it is empty"),
        ("t.csv", "\n\n", "got shape"),
        ("t.csv", "a,b\n", "got shape"),
        ("t.csv", "1,2\n", r"got shape \(1, 2\)"),
        ("t.csv", "1,2\n3\n", "columns changed from 2 to 1 at row 2"),
        ("t.csv", "1,2\n3,x\n", "'x'"),
        ("t.csv", "1,x\n3,4\n", "'x'"),
        ("t.csv", "1,2\n3,\n", "''"),
        ("t.csv", "1;2\n3;4\n5;6\n", "';|3;4"),
        ("t.csv", "1,nan\n3,4\n", "finite .* got .*nan"),
        ("t.csv", "1,inf\n3,4\n", "finite .* got .*inf"),
        ("t.csv", "1,1e300\n3,4\n", r"\[-1e\+40, 1e\+40\], got .*1e\+300"),
        ("t.csv", b"\xff\xfe\x00\x01,\n", "cannot be read"),
        ("t.npy", b"not an array", "cannot be read"),
        ("t.npz", b"PK\x03\x04 but no more", "cannot be read"),
        ("t.npy", pickle.dumps([[1, 2], [3, 4]]), "cannot be read"),
    ],
)
def test_a_bad_file_is_one_line_that_names_it(write, name, content, message):
    path = write(name, content)
    with pytest.raises(ValueError, match=message) as caught:
        read_samples(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.arange(4.0), r"got shape \(4,\)"),
        (np.zeros((3, 2, 2)), r"got shape \(3, 2, 2\)"),
        (np.float64(3.0), r"got shape \(\)"),
        (np.zeros((1, 4)), r"got shape \(1, 4\)"),
        (np.zeros((4, 0)), "cannot be read|got shape"),
        (TABLE + 1j, "must be real"),
        (TABLE > 2, "must hold real numbers"),
        (np.array([["a", "b"], ["c", "d"]]), "must hold real numbers"),
        (np.where(TABLE > 4, np.nan, TABLE), "finite"),
        (np.zeros(3, dtype=[("a", float)]), "must hold real numbers"),
    ],
)
def test_an_array_that_is_no_table_of_samples_is_refused(tmp_path, array, message):
    np.save(tmp_path / "a.npy", array)
    with pytest.raises(ValueError, match=message):
        read_samples(tmp_path / "a.npy")


def test_nothing_is_unpickled(tmp_path):
    class Trap:
        def __reduce__(self):
            return pytest.fail, ("the file was unpickled",)

    for name, save in (("a.npy", np.save), ("a.npz", np.savez)):
        save(tmp_path / name, np.array([[Trap()], [Trap()]], dtype=object))
        with pytest.raises(ValueError, match="cannot be read"):
            read_samples(tmp_path / name)


def test_several_arrays_without_an_x_are_refused_by_name(tmp_path):
    np.savez(tmp_path / "a.npz", train=TABLE, test=TABLE)
    with pytest.raises(ValueError, match=r"one named 'x', got \['train', 'test'\]"):
        read_samples(tmp_path / "a.npz")


def test_a_header_that_promises_more_than_the_file_holds_is_refused(tmp_path):
    np.save(tmp_path / "a.npy", TABLE)
    content = (tmp_path / "a.npy").read_bytes()
    (tmp_path / "a.npy").write_bytes(
        content.replace(b"(2, 3), }          ", b"(9000000000000, 3)}")[: len(content)]
    )
    with pytest.raises(ValueError, match="cannot be read"):
        read_samples(tmp_path / "a.npy")


def test_missing_files_and_folders_are_refused(tmp_path):
    with pytest.raises(ValueError, match="No such file"):
        read_samples(tmp_path / "none.npy")
    (tmp_path / "folder.npy").mkdir()
    with pytest.raises(ValueError, match="cannot be read"):
        read_samples(tmp_path / "folder.npy")


def test_standardised_samples_have_mean_zero_and_mean_variance_one():
    x = np.random.default_rng(0).normal(100.0, [1.0, 5.0, 0.1], (50, 3))
    scaled = standardise(x)
    np.testing.assert_allclose(scaled.mean(axis=0), 0, atol=50 * EPS * 100)
    assert np.mean(scaled**2) == pytest.approx(1.0, rel=16 * EPS)
    # One common factor: ratios of the variances survive.
    ratios = scaled.var(axis=0) / x.var(axis=0)
    np.testing.assert_allclose(ratios, ratios[0], rtol=1e4 * EPS)


@pytest.mark.parametrize("bad", [np.ones((3, 2)), np.ones(3), np.zeros((0, 2)), [[1, np.nan]]])
def test_standardise_refuses_what_has_no_scale(bad):
    with pytest.raises(ValueError, match="x must"):
        standardise(bad)


def test_digits_are_centred_with_mean_variance_one():
    pytest.importorskip("sklearn")
    x = digits()
    assert x.shape == (1797, 64)
    np.testing.assert_allclose(x.mean(axis=0), 0, atol=1797 * EPS)
    assert np.mean(x**2) == pytest.approx(1.0, rel=64 * EPS)


def test_patches_are_centred_with_mean_variance_one():
    pytest.importorskip("skimage")
    x = photographs(16)
    assert x.shape == (8005, 256)
    np.testing.assert_allclose(x.mean(axis=0), 0, atol=8005 * EPS)
    assert np.mean(x**2) == pytest.approx(1.0, rel=256 * EPS)


def test_first_patch_is_the_corner_of_the_first_photograph():
    color = pytest.importorskip("skimage.color")
    skimage_data = pytest.importorskip("skimage.data")
    astronaut = color.rgb2gray(skimage_data.astronaut())
    x = photographs(8)
    # Differences of two patches are free of the common mean; 64 patches make one strip.
    for place, row, column in ((1, 0, 8), (63, 0, 504), (64, 8, 0)):
        patch = astronaut[row : row + 8, column : column + 8] - astronaut[:8, :8]
        step = (x[place] - x[0]).reshape(8, 8)
        scale = np.vdot(step, patch) / np.vdot(step, step)
        np.testing.assert_allclose(scale * step, patch, atol=64 * EPS)


def test_patches_without_their_mean_lack_one_direction():
    pytest.importorskip("skimage")
    x = photographs(8, patch_mean=False)
    np.testing.assert_allclose(x.sum(axis=1), x.sum(axis=1).mean(), atol=64 * 64 * EPS)
    population = rs.PopulationSpectrum.from_samples(x)
    assert population.eigenvalues[0] == 0.0
    assert population.weights[0] == pytest.approx(1 / 64, rel=4 * EPS)
    # Less degenerate: most of the variance of photographs is the mean of a patch.
    kept = rs.PopulationSpectrum.from_samples(photographs(8))
    assert population.participation_ratio > 4 * kept.participation_ratio


def test_spectrum_of_patches_falls_like_a_power():
    pytest.importorskip("skimage")
    spectrum = rs.PopulationSpectrum.from_samples(photographs(16)).eigenvalues[::-1]
    rank = np.arange(1, 257)
    part = slice(12, 154)
    slope, level = np.polyfit(np.log(rank[part]), np.log(spectrum[part]), 1)
    assert -1.8 < slope < -1.2
    rest = np.log(spectrum[part]) - slope * np.log(rank[part]) - level
    assert np.sqrt(np.mean(rest**2)) < 0.1


@pytest.mark.parametrize("side", [1, 0, -8, 101, 8.0, "8", None, True, np.nan, np.inf, [8]])
def test_sides_of_patches_that_are_no_length_are_refused(side):
    with pytest.raises((TypeError, ValueError), match="side must be an integer"):
        photographs(side)


def test_choice_of_patch_mean_is_yes_or_no():
    with pytest.raises(TypeError, match="patch_mean"):
        photographs(8, patch_mean="yes")


@pytest.mark.parametrize("name", ["skimage.color", "skimage.data", "skimage.io"])
def test_missing_scikit_image_is_said_with_the_command_that_installs_it(monkeypatch, name):
    monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(ModuleNotFoundError, match=r"pip install 'rmtspec\[data\]'"):
        photographs()


def test_missing_scikit_learn_is_said_with_the_command_that_installs_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn.datasets", None)
    with pytest.raises(ModuleNotFoundError, match=r"pip install 'rmtspec\[data\]'"):
        digits()
