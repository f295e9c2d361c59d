"""Arrays of samples: what is refused, what is said, and what passes without a word."""

from __future__ import annotations

import re
import warnings

import numpy as np
import pytest

import rmtspec as rs
from rmtspec.inputs.arrays import _other_units, as_rows, distinct_rows, remarks
from rmtspec.inputs.samples import read_samples, standardise

pytestmark = pytest.mark.filterwarnings("ignore:the data have mean variance:rmtspec.DataWarning")

X = np.random.default_rng(0).normal(size=(30, 4))


def _frame(**columns):
    return pytest.importorskip("pandas").DataFrame(columns)


@pytest.mark.parametrize("read", [rs.PopulationSpectrum.from_samples, standardise])
@pytest.mark.parametrize(
    ("value", "kind", "message"),
    [
        (np.ma.masked_less(X, -1.0), ValueError, r"no masked entries, got \d+, the first at \(\d"),
        (np.where(X > 2.0, np.nan, X), ValueError, r"nan in row \d+, column \d"),
        (X * (1.0 + 1.0j), TypeError, "must be real"),
        (X > 0.0, TypeError, "must hold real numbers, got dtype bool"),
        (X.astype(str), TypeError, "must hold real numbers"),
        ([[1.0, "a"], [2.0, "b"]], TypeError, "must hold real numbers"),
        ([[1.0, None], [2.0, 3.0]], TypeError, "must hold real numbers, got None"),
        ("rows.csv", TypeError, "must hold real numbers, one sample a row, got 'rows.csv'"),
        (X[0], ValueError, "one sample is no data set"),
        ([[1.0, 2.0], [3.0]], ValueError, "rectangular"),
        (np.zeros(5, dtype=[("a", float)]), TypeError, "named fields a"),
    ],
)
def test_arrays_that_lose_their_meaning_are_refused_in_one_line(read, value, kind, message):
    with pytest.raises(kind, match=message) as caught:
        read(value)
    assert "\n" not in str(caught.value)


def test_an_array_with_a_mask_that_hides_nothing_is_read():
    np.testing.assert_array_equal(as_rows("x", np.ma.masked_less(X, -99.0)), X)
    np.testing.assert_array_equal(as_rows("x", np.ma.array(X)), X)


@pytest.mark.parametrize("kind", ["csr_matrix", "coo_array"])
def test_sparse_matrices_are_refused_with_the_way_out(kind):
    sparse = pytest.importorskip("scipy.sparse")
    with pytest.raises(TypeError, match=r"sparse matrix .*pass x\.toarray\(\)"):
        rs.PopulationSpectrum.from_samples(getattr(sparse, kind)(X))


@pytest.mark.parametrize(
    ("columns", "kind", "message"),
    [
        ({"a": [1.0, 2.0], "species": ["u", "v"]}, TypeError, "column 'species' of dtype"),
        ({"a": [1.0, 2.0], "wild": [True, False]}, TypeError, "column 'wild' of dtype bool"),
        ({"a": [1.0, 2.0], "b": [3.0, np.nan]}, ValueError, "nan in row 2, column 'b'"),
        ({"a": [1.0, 2.0], "b": [3.0, np.inf]}, ValueError, "inf in row 2, column 'b'"),
        ({"n": range(12), "b": range(3, 15)}, ValueError, "counts its rows in column 'n'"),
    ],
)
def test_columns_of_a_data_frame_that_hold_no_numbers_are_named(columns, kind, message):
    with pytest.raises(kind, match=message):
        rs.PopulationSpectrum.from_samples(_frame(**columns))


@pytest.mark.parametrize("name", ["label", "Target", "class", "species", "id", "Index"])
def test_columns_named_as_labels_are_refused_in_a_data_frame_as_in_a_file(name, tmp_path):
    frame = _frame(a=[1.0, 2.0, 4.0], **{name: [2, 0, 1]})
    frame.to_csv(tmp_path / "table.csv", index=False)
    with pytest.raises(ValueError, match=r"cannot be read: column 2 is named") as from_file:
        read_samples(tmp_path / "table.csv")
    words = str(from_file.value).split("cannot be read: ")[1]
    for read in (
        rs.PopulationSpectrum.from_samples,
        standardise,
        lambda x: rs.RandomFeatureModel.from_data(X[:, :2], 2.0, 0.1, test=x),
    ):
        with pytest.raises(ValueError, match=r"^(x|test): column 2 is named") as caught:
            read(frame)
        assert str(caught.value).split(": ", 1)[1].strip() == words
    assert read_samples(tmp_path / "table.csv", as_is=True).shape == (3, 2)
    assert as_rows("x", frame.to_numpy()).shape == (3, 2)


def test_dates_and_nullable_columns_of_a_data_frame_are_read_or_named():
    pandas = pytest.importorskip("pandas")
    frame = _frame(a=[1, 2, 4], b=[0.5, 1.5, 1.0]).convert_dtypes()
    np.testing.assert_array_equal(as_rows("x", frame), [[1, 0.5], [2, 1.5], [4, 1]])
    frame["a"] = pandas.array([1, None, 4], dtype="Int64")
    with pytest.raises(ValueError, match="nan in row 2, column 'a'"):
        as_rows("x", frame)
    frame["a"] = pandas.to_datetime(["2020-01-01", "2020-01-02", "2020-01-03"])
    with pytest.raises(TypeError, match="column 'a' of dtype datetime64"):
        as_rows("x", frame)


def test_pictures_in_memory_are_flattened_and_that_is_said():
    pictures = np.random.default_rng(1).integers(0, 256, (20, 4, 4, 3)).astype(np.uint8)
    with pytest.warns(rs.DataWarning, match="x has 4 axes: read as 20 samples of 4 x 4 x 3"):
        population = rs.PopulationSpectrum.from_samples(pictures)
    flat = rs.PopulationSpectrum.from_samples(pictures.reshape(20, -1))
    assert population == flat


@pytest.mark.parametrize("dtype", [np.float32, np.float16, np.int8, np.uint8, ">f8"])
def test_every_real_dtype_is_computed_in_double(dtype):
    x = np.round(X * 20.0).astype(np.int8).astype(dtype)
    if dtype == np.uint8:
        x = np.abs(np.round(X * 20.0)).astype(dtype)
    spectrum = rs.PopulationSpectrum.from_samples(x)
    assert spectrum == rs.PopulationSpectrum.from_samples(x.astype(float))


def test_repeated_rows_are_counted_with_their_numbers():
    x = np.concatenate([X, X[:3], X[:1], -X[:2]])
    first, times = distinct_rows(x)
    np.testing.assert_array_equal(first, [*range(30), 34, 35])
    np.testing.assert_array_equal(times, [3, 2, 2] + [1] * 29)
    zeros = np.array([[0.0, 1.0], [-0.0, 1.0]])
    assert distinct_rows(zeros)[0].size == 1


@pytest.mark.parametrize(
    ("x", "expected"),
    [
        (X, None),
        (3.0 * X, None),
        (0.4 * X, None),
        (255.0 * np.abs(X), "mean variance 1.86e.*drown the noise.*--unit-variance"),
        (0.1 * X, "are drowned by the noise"),
        (np.concatenate([X, X[:5]]), "5 of 35 rows repeat others.*mirrored"),
        (np.column_stack([X, 7.0 * np.ones((30, 2))]), "^2 of 6 columns are constant.*dimension d"),
        (np.column_stack([X, np.ones(30)]), "^1 of 5 columns is constant, and counts in.*drop it"),
        (np.column_stack([X, X[:, 1]]), "^1 of 5 columns repeats another exactly, and counts in"),
        (np.concatenate([X, X[:1]]), "1 of 31 rows repeats others"),
        (X[:4], "4 rows of 4 numbers leave 1 direction without"),
        (np.column_stack([X, X[:, 1:]]), "^3 of 7 columns repeat others exactly.*dimension d"),
        (np.column_stack([X, 2.0 * X]), None),
        (X.T, "4 rows of 30 numbers leave 27 directions without variance.*transpose"),
    ],
)
def test_what_a_user_should_hear_about_a_table_is_said_once(x, expected):
    lines = remarks(x)
    if expected is None:
        assert lines == []
    else:
        assert len(lines) == 1
        assert re.search(expected, lines[0])


def test_a_table_of_constants_has_no_scale_to_speak_of():
    assert remarks(np.ones((3, 2)), few=False, columns=False) == [
        "2 of 3 rows repeat others: each counts as a sample of its own, which it is not; drop the "
        "copies, those turned or mirrored too, which are not recognised"
    ]


@pytest.mark.parametrize(
    ("x", "expected"),
    [
        (X, []),
        (X[:3], []),
        (255.0 * np.abs(X), ["mean variance 1.86e.*drown the noise"]),
        (np.concatenate([X, X[:5]]), ["5 of 35 rows repeat others"]),
        (np.concatenate([0.1 * X, 0.1 * X]), ["drowned by the noise", "30 of 60 rows repeat"]),
    ],
)
@pytest.mark.parametrize(
    "made",
    [
        rs.PopulationSpectrum.from_samples,
        lambda x: rs.RandomFeatureModel.from_data(x, 2.0, 0.1),
        lambda x: rs.RandomFeatureModel.from_data(x, 2.0, 0.1, kernel="gaussian"),
    ],
)
def test_what_is_odd_about_samples_is_said_once_where_they_are_handed_over(made, x, expected):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        made(x)
    said = [one for one in caught if one.category is rs.DataWarning]
    assert len(said) == len(expected)
    for one, words in zip(said, expected, strict=True):
        assert re.search(words, str(one.message))
        assert one.filename == __file__


def test_rows_that_the_fit_weighs_are_nothing_to_warn_of():
    x = np.random.default_rng(1).normal(size=(40, 5))
    rs.PopulationSpectrum.from_samples(np.concatenate([x, x]), debias=True)


@pytest.mark.filterwarnings("ignore::rmtspec.FewDimensionsWarning")
def test_held_out_rows_that_are_training_rows_are_counted():
    fresh = np.random.default_rng(2).normal(size=(20, X.shape[1]))
    rs.RandomFeatureModel.from_data(X, 2.0, 0.1, test=fresh)
    with pytest.warns(rs.DataWarning, match="2 of 22 rows of test are rows of x too"):
        rs.RandomFeatureModel.from_data(X, 2.0, 0.1, test=np.concatenate([fresh, X[4:6]]))


@pytest.mark.filterwarnings("ignore::rmtspec.FewDimensionsWarning")
@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda y: 8.0 * y, "its mean variance is [67][0-9].* times that of x;"),
        (lambda y: 0.1 * y, r"its mean variance is 0.01\d* times that of x;"),
        (lambda y: y + 1.5, r"its mean is 1\.\d* standard deviations from that of x;"),
        (lambda y: 255.0 * y + 127.0, "its mean variance is .* and its mean is .* of x;"),
        (lambda y: 255.0 * y[:1] + 127.0, "its mean is"),
        (lambda y: 0.0 * y, "its mean variance is 0 times that of x;"),
    ],
)
def test_held_out_rows_in_other_units_are_warned_of(change, words):
    rng = np.random.default_rng(3)
    x, fresh = rng.normal(size=(60, 30)), rng.normal(size=(40, 30))
    with pytest.warns(rs.DataWarning, match=f"^test .--held-out. is in other units.*{words}"):
        rs.RandomFeatureModel.from_data(x, 2.0, 0.1, test=change(fresh))


@pytest.mark.parametrize("held", [1, 2, 5, 40])
@pytest.mark.parametrize("dimension", [1, 4, 40])
@pytest.mark.parametrize("tail", [np.inf, 5.0])
def test_chance_puts_no_held_out_rows_in_other_units(held, dimension, tail):
    # Beyond the bounds is below 1e-5 for Gaussian rows; a heavy tail widens them with its spread.
    rng = np.random.default_rng(4)
    scales = np.geomspace(1.0, 0.1, dimension)
    for _ in range(100):
        count = int(rng.integers(2, 60))
        rows = rng.normal(size=(count + held, dimension)) * scales
        if tail < np.inf:
            rows *= np.sqrt(tail / rng.chisquare(tail, size=(len(rows), 1)))
        assert _other_units(rows[:count], rows[count:]) is None
