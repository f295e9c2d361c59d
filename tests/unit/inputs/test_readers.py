"""Files of samples: each bad one is refused in one line that says what to do, or read right."""

from __future__ import annotations

import gzip
import io
import json
import pickle
import struct
import sys
import warnings
import zipfile

import numpy as np
import pytest

import rmtspec as rs
from rmtspec.inputs.samples import read_samples

TABLE = np.array([[1.0, 2.0, 3.5], [4.0, 5.0, -6e-3]])
TEXT = "1,2,3.5\n4,5,-6e-3\n"


def _npy(array, **options):
    stream = io.BytesIO()
    np.save(stream, array, **options)
    return stream.getvalue()


def _npz(**arrays):
    stream = io.BytesIO()
    np.savez(stream, **arrays)
    return stream.getvalue()


def _zip(**members):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return stream.getvalue()


def _safetensors(header, body=b""):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + body


def _tensor(array, kind, name="x"):
    body = array.tobytes()
    entry = {"dtype": kind, "shape": list(array.shape), "data_offsets": [0, len(body)]}
    return _safetensors({name: entry, "__metadata__": {"format": "pt"}}, body)


def _indexed(first, rows=12):
    return "".join(f"{first + k},{k * k * 0.25},{7 - k}\n" for k in range(rows))


READ_RIGHT = {
    "plain": ("t.csv", TEXT),
    "carriage returns": ("t.csv", TEXT.replace("\n", "\r\n")),
    "no last newline": ("t.csv", TEXT.rstrip()),
    "blank lines": ("t.csv", "\n1,2,3.5\n\n4,5,-6e-3\n\n"),
    "names": ("t.csv", "a,b,c\n" + TEXT),
    "quoted names and numbers": ("t.csv", '"a","b","c"\n1, 2, 3.5\n"4",5,-6e-3\n'),
    "a name with a comma": ("t.csv", '"a, left","b","c"\n' + TEXT),
    "byte order mark": ("t.csv", "\ufeff" + TEXT),
    "comments": ("t.csv", "# made by hand\n1,2,3.5\n# more\n4,5,-6e-3\n"),
    "capital ending": ("T.CSV", TEXT),
    "a dot in the name": ("run.2.csv", TEXT),
    "tabs": ("t.tsv", TEXT.replace(",", "\t")),
    "tabs in .txt": ("t.txt", "a\tb\tc\n" + TEXT.replace(",", "\t")),
    "spaces": ("t.txt", "  1   2 3.5\n4 5 -6e-3 \n"),
    "commas in .txt": ("t.txt", TEXT),
    "semicolons in .txt": ("t.txt", TEXT.replace(",", ";")),
    "savetxt": ("t.txt", "# a b c\n" + TEXT.replace(",", " ")),
    "packed": ("t.csv.gz", gzip.compress(TEXT.encode(), mtime=0)),
    "packed tabs": ("t.tsv.gz", gzip.compress(TEXT.replace(",", "\t").encode(), mtime=0)),
    "npy": ("t.npy", _npy(TABLE)),
    "npy in Fortran order, big end first": ("t.npy", _npy(np.asfortranarray(TABLE.astype(">f8")))),
    "npz with labels": ("t.npz", _npz(x=TABLE, labels=np.array([0, 1]))),
    "npz with one array": ("t.npz", _npz(anything=TABLE)),
    "safetensors F64": ("t.safetensors", _tensor(TABLE, "F64")),
    "safetensors of another name": ("t.safetensors", _tensor(TABLE, "F64", "weight")),
}

IN_ONE_LINE = [
    # endings
    ("t.xyz", TEXT, "must end in .npy, .*got '.xyz'"),
    ("t", TEXT, "got 'no suffix'"),
    ("t.gz", gzip.compress(TEXT.encode(), mtime=0), r"got '\.gz'"),
    ("t.pkl", pickle.dumps(TABLE), "runs code when it is loaded"),
    ("t.pt", b"", "runs code"),
    ("t.xlsx", _zip(a="1"), "workbook: save the sheet as .csv"),
    ("t.mat", b"MATLAB", "save the array as .npy"),
    ("t.feather", b"ARROW1", "save the table as .parquet"),
    ("t.png", b"\x89PNG", "one picture, one sample: name the folder"),
    ("t.zip", _zip(a="1"), "archive: unpack it"),
    # one kind of file under the name of another
    ("t.csv", gzip.compress(TEXT.encode(), mtime=0), "gzip archive: end its name in .gz"),
    ("t.csv", _zip(a="1"), "Excel workbook"),
    ("t.csv", _npy(TABLE), "end its name in .npy"),
    ("t.csv", "<!DOCTYPE html><p>Sign in</p>", "web page"),
    ("t.csv", '{"x": [[1, 2], [3, 4]]}', "JSON"),
    ("t.csv", "\ufeff[[1, 2], [3, 4]]", "JSON"),
    ("t.csv", TEXT.encode("utf-16"), "UTF-16: save it as UTF-8"),
    ("t.csv", "a,b\n1,2\n3,é\n".encode("latin-1"), "not text in UTF-8"),
    ("t.csv", b"1,2\n\x00\x00", "zero bytes"),
    ("t.csv", "version https://git-lfs.github.com/spec/v1\noid sha256:1\n", "git lfs pull"),
    ("t.npy", "version https://git-lfs.github.com/spec/v1\noid sha256:1\n", "cannot be read"),
    ("t.csv.gz", TEXT, "cannot be read: .*gzip"),
    ("t.csv.gz", gzip.compress(TEXT.encode() * 99, mtime=0)[:40], "cannot be read"),
    ("t.npz", _npy(TABLE), "one array: end its name in .npy"),
    ("t.npy", _npz(x=TABLE), "archive of arrays: end its name in .npz"),
    # nothing in it
    ("t.csv", "", "it is empty"),
    ("t.npy", b"", "it is empty"),
    ("t.npz", b"", "it is empty"),
    ("t.csv", "\n\n", "no line of numbers"),
    ("t.csv", "# only words\n", "no line of numbers"),
    ("t.csv", "a,b\n", "got shape"),
    ("t.csv", "1,2\n", r"got shape \(1, 2\)"),
    # lines and columns, counted as an editor does
    ("t.csv", "1,2\n3\n", "line 2 holds 1 number, line 1 holds 2"),
    ("t.csv", "a,b\n\n1,2\n3,4,5\n", "line 4 holds 3 numbers, line 3 holds 2"),
    ("t.csv", "a,b,c\n1,2\n3,4\n", "line 1 names 3 columns, line 2 has 2"),
    ("t.csv", "1,2\n3,x\n", "line 2, column 2 holds 'x', no number"),
    ("t.csv", "1,x\n3,4\n", "line 1, column 2 holds 'x', no number; if line 1 names the columns"),
    ("t.csv", "id2,0,1\n7,8,9\n5,5,6\n", "no name may be a number"),
    ("t.csv", "a,b\n# c\n\n1,2\n3,\n", r"line 5, column 2 \('b'\) is empty"),
    ("t.csv", "1,2,\n3,4,\n", "line 1, column 3 is empty"),
    ("t.csv", "a,b\n1,nan\n3,4\n", r"line 2, column 2 \('b'\) holds nan"),
    ("t.csv", "1,2\n\n3,inf\n", "line 3, column 2 holds inf"),
    ("t.csv", "1,1e300\n3,4\n", r"line 1, column 2 holds 1e\+300.*\[-1e\+40, 1e\+40\]"),
    ("t.csv", "1,2\n3,NA\n", "line 2, column 2 holds 'NA'"),
    ("t.csv", "1,2\n3,1_000\n", "line 2, column 2 holds '1_000'"),
    ("t.csv", "1,50%\n2,60%\n", "line 1, column 2 .* write it without %"),
    ("t.csv", "a,b\n1,50%\n2,60%\n", "write it without %"),
    ("t.csv", "date,b\n2020-01-01,1\n2020-01-02,2\n", r"line 2, column 1 \('date'\)"),
    # separators
    ("t.csv", "1;2\n3;4\n5;6\n", "line 2 is separated by ';', not by ','"),
    ("t.csv", "a;b\n\n1;2\n3;4\n", "line 3 is separated by ';'"),
    ("t.csv", "1\t2\n3\t4\n", "line 2 is separated by a tab"),
    ("t.csv", "1 2\n3 4\n", "line 2 is separated by spaces"),
    ("t.csv", "1|2\n3|4\n", r"line 2 is separated by '\|'"),
    ("t.tsv", TEXT, "line 2 is separated by ',', not by a tab"),
    ("t.csv", "a;b\n1,5;2,5\n3,5;4,5\n", "line 2, column 2 .*'5;2'.* numbers separated by ';'"),
    ("t.txt", "1,5 2,5\n3,5 4,5\n", "'5 2', no number, but numbers separated by spaces"),
    ("t.txt", "1,5;2,5\n3,5;4,5\n", "numbers separated by ';'"),
    ("t.tsv", "1,5\t2\n3,5\t4\n", "line 1, column 1 holds '1,5'.*write decimals with a point"),
    # what is no quantity of the samples
    ("t.csv", "0,1,2\n3.5,4,5\n5,6,8\n", "line 1 reads 0, 1, 2, as a line of column numbers"),
    ("t.csv", "1,2,3,4\n3.5,4,5,1\n5,6,8,1\n", r"line 1 reads 1, 2, 3, \.\.\., as a line"),
    ("t.csv", ",0,1\n0,3.5,4\n1,5,6\n", "line 1 begins with an empty cell.*index=False"),
    ("t.csv", _indexed(0), r"counts its rows in column 1 \(0, 1, ...\): delete"),
    ("t.csv", "n,a,b\n" + _indexed(1), r"counts its rows in column 'n' \(1, 2, ...\)"),
    ("t.csv", "a,label\n1,0\n2,1\n", "column 2 is named 'label', as labels are"),
    ("t.csv", "Index,a\n5,1\n3,2\n", "column 1 is named 'Index', as row numbers are"),
    ("t.csv", "Unnamed: 0,a\n5,1\n3,2\n", "as row numbers are"),
    # arrays
    ("t.npy", b"not an array", "cannot be read: it is no NumPy file$"),
    ("t.npz", b"1,2\n3,4\n", "cannot be read: it is no NumPy file$"),
    ("t.npy", b"", "cannot be read: it is empty$"),
    ("t.npz", b"PKnot", "cannot be read: it is no NumPy file$"),
    ("t.npz", b"PK\x03\x04 but no more", "cannot be read: it is no NumPy archive, or a damaged"),
    ("t.npy", pickle.dumps([[1, 2], [3, 4]]), "cannot be read: it is no NumPy file$"),
    ("t.npy", _npy(np.arange(4.0)), r"got shape \(4,\) \(one sample is no data set"),
    ("t.npy", _npy(np.float64(3.0)), r"got shape \(\)"),
    ("t.npy", _npy(np.zeros((1, 4))), r"got shape \(1, 4\)"),
    ("t.npy", _npy(TABLE + 1j), "must be real"),
    ("t.npy", _npy(TABLE > 2), "must hold real numbers"),
    ("t.npy", _npy(np.array([["a", "b"], ["c", "d"]])), "must hold real numbers"),
    ("t.npy", _npy(TABLE.astype("M8[s]")), "must hold real numbers"),
    ("t.npy", _npy(np.where(TABLE > 4, np.nan, TABLE)), "finite .*nan in row 2, column 2"),
    ("t.npy", _npy(np.zeros(3, dtype=[("a", float), ("b", float)])), "named fields a, b"),
    ("t.npy", _npy(np.zeros((9, 8, 3), np.uint8)), "looks like one coloured picture"),
    ("t.npy", _npy(np.column_stack([np.arange(20), np.ones(20)])), "counts its rows in column 1"),
    ("t.npz", _npz(train=TABLE, test=TABLE), "one named 'x', got 'train', 'test'"),
    ("t.npz", _zip(a="1"), "must hold real numbers, got dtype"),
    # safetensors
    ("t.safetensors", b"abc", "claims"),
    ("t.safetensors", struct.pack("<Q", 1 << 60) + b"{}", "header claims"),
    ("t.safetensors", _safetensors(b"not JSON"), "header is not JSON"),
    ("t.safetensors", _safetensors([1]), "names no tensors"),
    ("t.safetensors", _safetensors({"a": {}, "b": {}}), "one named 'x', got 'a', 'b'"),
    ("t.safetensors", _safetensors({"a": {}}), "no dtype, shape and data_offsets"),
    ("t.safetensors", _tensor(TABLE > 2, "BOOL"), "must hold real numbers, got BOOL"),
    ("t.safetensors", _tensor(TABLE, "F32"), "does not fill"),
    ("t.safetensors", _tensor(TABLE, "F64")[:-1], "lies outside the file"),
    (
        "t.safetensors",
        _safetensors({"x": {"dtype": "U8", "shape": [-2, 3], "data_offsets": [0, 2]}}, b"12"),
        "lies outside the file",
    ),
]


@pytest.fixture
def write(tmp_path):
    def _write(name, content):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return _write


@pytest.mark.parametrize("case", READ_RIGHT)
def test_ways_to_store_one_table_give_that_table(write, case):
    np.testing.assert_array_equal(read_samples(write(*READ_RIGHT[case])), TABLE)


@pytest.mark.parametrize(("name", "content", "message"), IN_ONE_LINE)
def test_a_bad_file_is_refused_in_one_line_that_names_it(write, name, content, message):
    path = write(name, content)
    with pytest.raises(ValueError, match=message) as caught:
        read_samples(path)
    assert repr(str(path)) in str(caught.value)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 400 + len(str(path))


def test_the_table_of_bad_files_is_long():
    assert len(IN_ONE_LINE) >= 60


@pytest.mark.parametrize(
    "text",
    [
        "".join(f"{k},{k * k}\n" for k in range(9)),  # nine rows may count by chance
        "".join(f"{k + 5},{k * k}\n" for k in range(12)),
        "".join(f"{2 * k},{k * k}\n" for k in range(12)),
        "".join(f"{k + (k == 7)},{k * k}\n" for k in range(12)),
        "0,1\n2,3\n5,6\n",  # two columns may well begin 0, 1
        "0,1,3\n2,3,4\n5,6,1\n",
        "y,x,z\n1,2,3\n4,5,7\n",
        "identity,rowing,classy\n1,2,3\n4,5,7\n",
        "1,0\n2,1\n1.5,0\n0.5,1\n",  # too few rows for labels
        "\n".join(["0", "1", "0", "1", "1", "0"]) + "\n",
        "".join(f"{k % 2},{k % 3},{k % 2}\n" for k in range(60)),
    ],
)
def test_honest_tables_raise_no_alarm(write, text):
    values = read_samples(write("t.csv", text))
    skipped = 0 if text[0].isdigit() else 1
    assert len(values) == text.count("\n") - skipped


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("t.csv", _indexed(0)),
        ("t.csv", "n,a,b\n" + _indexed(1)),
        ("t.csv", "0,1,2\n3.5,4,5\n5,6,8\n"),
        ("t.csv", "a,label\n1,0\n2,1\n"),
        ("t.csv", "".join(f"{k % 3},{0.5 * k}\n" for k in range(30))),
    ],
)
def test_what_looks_like_no_quantity_is_kept_on_request(write, name, content):
    path = write(name, content)
    rows = sum(not line[0].isalpha() for line in content.splitlines())
    assert len(read_samples(path, as_is=True)) == rows


def test_a_column_of_labels_is_read_and_said(write):
    text = "".join(f"{0.5 * k * k},{7 - k},{k % 3}\n" for k in range(30))
    with pytest.warns(rs.DataWarning, match=r"column 3 holds the whole numbers 0 to 2 only"):
        values = read_samples(write("t.csv", text))
    assert values.shape == (30, 3)


@pytest.mark.parametrize("shape", [(4, 2, 3), (4, 2, 3, 3), (2, 2, 2, 2, 2)])
def test_pictures_are_flattened_and_that_is_said(write, shape):
    pictures = np.random.default_rng(0).integers(0, 255, shape).astype(np.float32)
    with pytest.warns(rs.DataWarning, match=rf"read as {shape[0]} samples of .* flattened"):
        values = read_samples(write("t.npy", _npy(pictures)))
    np.testing.assert_array_equal(values, pictures.reshape(shape[0], -1))


@pytest.mark.parametrize(
    ("kind", "dtype"),
    [("F32", "<f4"), ("F16", "<f2"), ("I64", "<i8"), ("I16", "<i2"), ("U8", "u1"), ("I8", "i1")],
)
def test_tensors_of_every_type_are_read(write, kind, dtype):
    table = np.array([[1, 2, 3], [4, 5, 100]], dtype=dtype)
    np.testing.assert_array_equal(read_samples(write("t.safetensors", _tensor(table, kind))), table)


def test_half_precision_of_neural_networks_is_the_upper_half_of_a_float(write):
    table = np.array([[1.0, -2.0], [0.15625, 3e38 / 1e38]], dtype="<f4")
    upper = (table.view("<u4") >> 16).astype("<u2")
    values = read_samples(write("t.safetensors", _tensor(upper, "BF16")))
    # Eight bits of mantissa, cut off.
    np.testing.assert_allclose(values, table, rtol=2.0**-7)
    assert values[1, 0] == 0.15625


def test_nothing_is_unpickled(tmp_path):
    class Trap:
        def __reduce__(self):
            return pytest.fail, ("the file was unpickled",)

    for name, save in (("a.npy", np.save), ("a.npz", np.savez)):
        save(tmp_path / name, np.array([[Trap()], [Trap()]], dtype=object))
        with pytest.raises(ValueError, match="cannot be read: it holds Python objects"):
            read_samples(tmp_path / name)


def test_a_header_that_promises_more_than_the_file_holds_is_refused(tmp_path):
    np.save(tmp_path / "a.npy", TABLE)
    content = (tmp_path / "a.npy").read_bytes()
    (tmp_path / "a.npy").write_bytes(
        content.replace(b"(2, 3), }          ", b"(9000000000000, 3)}")[: len(content)]
    )
    with pytest.raises(ValueError, match="cannot be read"):
        read_samples(tmp_path / "a.npy")


def test_missing_files_are_refused(tmp_path):
    with pytest.raises(ValueError, match="No such file"):
        read_samples(tmp_path / "none.npy")


@pytest.fixture
def pictures(tmp_path):
    image = pytest.importorskip("PIL.Image")

    def save(**arrays):
        for name, array in arrays.items():
            image.fromarray(array).save(tmp_path / name.replace("_", "."))
        return tmp_path

    return save


GREY = np.array([[0, 50, 100], [150, 200, 250]], dtype=np.uint8)
COLOURED = np.stack([GREY, GREY // 2, GREY // 3], axis=-1)


def test_pictures_of_a_folder_are_samples_in_the_order_of_their_names(pictures):
    folder = pictures(b_png=GREY, a_png=255 - GREY, c_bmp=GREY // 2)
    with pytest.warns(rs.DataWarning, match="3 samples of 2 x 3 numbers"):
        values = read_samples(folder)
    np.testing.assert_array_equal(values, np.stack([255 - GREY, GREY, GREY // 2]).reshape(3, 6))


def test_coloured_pictures_hold_three_numbers_a_pixel(pictures):
    with pytest.warns(rs.DataWarning, match="2 samples of 2 x 3 x 3 numbers"):
        values = read_samples(pictures(a_png=COLOURED, b_png=COLOURED // 2))
    np.testing.assert_array_equal(values[0], COLOURED.ravel())


def test_what_is_no_picture_is_left_out_and_said(pictures):
    folder = pictures(a_png=GREY, b_png=GREY // 2)
    (folder / "labels.csv").write_text("a,1\n")
    (folder / ".DS_Store").write_text("")
    with pytest.warns(rs.DataWarning, match="flattened|left out") as caught:
        assert read_samples(folder).shape == (2, 6)
    assert any("left out what is no picture: 'labels.csv'" in str(w.message) for w in caught)


def test_folders_that_are_no_set_of_pictures_are_refused(pictures, tmp_path):
    for name, message in ((".empty", "holds nothing"), (".cats", "holds only 'inner'")):
        (tmp_path / name).mkdir()
        if name == ".cats":
            (tmp_path / name / "inner").mkdir()
        with pytest.raises(ValueError, match=message):
            read_samples(tmp_path / name)
    transparent = np.dstack([COLOURED, GREY])
    for second, message in (
        (GREY[:, :2], r"'b.png' has shape \(2, 2\), 'a.png' has \(2, 3\)"),
        (COLOURED, r"'b.png' has shape \(2, 3, 3\)"),
        (transparent, "'b.png': it is transparent"),
    ):
        folder = pictures(a_png=GREY, b_png=second)
        with pytest.raises(ValueError, match=message):
            read_samples(folder)
    (folder / "b.png").write_bytes(b"no picture")
    with pytest.raises(ValueError, match=r"picture 'b\.png'"):
        read_samples(folder)


def test_tables_of_parquet_are_read_and_their_columns_named(tmp_path):
    arrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")

    def stored(**columns):
        parquet.write_table(arrow.table(columns), tmp_path / "t.parquet")
        return tmp_path / "t.parquet"

    np.testing.assert_array_equal(
        read_samples(stored(a=[1.0, 4.0], b=[2, 5], c=[3.5, -6e-3])), TABLE
    )
    np.testing.assert_array_equal(read_samples(stored(rows=TABLE.tolist())), TABLE)
    for columns, message in (
        ({"a": [1, 2], "b": ["u", "v"]}, "column 'b' holds string, no numbers"),
        ({"a": [1, 2], "b": [1.5, None]}, "column 'b' lacks 1 entries"),
        ({"a": [1.5, 2], "label": [0, 1]}, "column 2 is named 'label'"),
        ({"a": [1.0, float("nan")]}, "nan in row 2, column 'a'"),
        ({"rows": [[1.0], [1.0, 2.0]]}, "lists of different lengths"),
        ({"k": list(range(12))}, "counts its rows in column 'k'"),
    ):
        with pytest.raises(ValueError, match=message):
            read_samples(stored(**columns))
    (tmp_path / "t.parquet").write_bytes(b"PAR1 but no more")
    with pytest.raises(ValueError, match="cannot be read"):
        read_samples(tmp_path / "t.parquet")


@pytest.mark.parametrize(("module", "name"), [("pyarrow", "t.parquet"), ("PIL", "")])
def test_a_missing_reader_is_said_with_the_command_that_installs_it(
    monkeypatch, tmp_path, module, name
):
    monkeypatch.setitem(sys.modules, module, None)
    if name:
        (tmp_path / name).write_bytes(b"PAR1")
    with pytest.raises(ModuleNotFoundError, match=r"pip install '\.\[data\]'"):
        read_samples(tmp_path / name)


def test_choice_to_keep_everything_is_yes_or_no(write):
    with pytest.raises(TypeError, match="as_is"):
        read_samples(write("t.csv", TEXT), as_is=1)


def test_reading_a_file_warns_of_nothing_but_its_content(write):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        read_samples(write("t.csv", TEXT))
