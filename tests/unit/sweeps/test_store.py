"""Stores of sweeps whose files are damaged, gone or cannot be written."""

from __future__ import annotations

import errno
import json
import warnings
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from zarr.storage import LocalStore

import rmtspec as rs
from rmtspec.sweeps.points import Evaluation

COORDS = {"x": np.arange(5.0), "y": [1, 2, 3], "k": 2.5}


def function(x, y, k):
    if x == 3 and y == 2:
        return {"a": np.nan, "b": ("n", [x, k, y]), "n": ("n", ["u", "v", "w"])}
    return {"a": np.sin(x * y + k), "b": ("n", [x, k, y]), "n": ("n", ["u", "v", "w"])}


def swept(store=None):
    return rs.sweep(function, COORDS, store=store, progress=False, workers=1, chunk=2)


@pytest.fixture(scope="module")
def expected():
    return swept()


@pytest.fixture
def store(tmp_path):
    swept(tmp_path / "s")
    return tmp_path / "s"


def chunks(store: Path, name: str) -> list[Path]:
    return sorted(path for path in (store / name / "c").rglob("*") if path.is_file())


def flip(path: Path, bit: int) -> None:
    content = bytearray(path.read_bytes())
    content[bit // 8 % len(content)] ^= 1 << bit % 8
    path.write_bytes(content)


@pytest.mark.parametrize("name", ["a", "b", "failure"])
@pytest.mark.parametrize("damage", ["flip", "cut", "empty", "gone"])
def test_damaged_blocks_are_computed_again_with_one_warning(store, expected, name, damage):
    for path in (chunks(store, name)[1], chunks(store, name)[-1]):
        if damage == "flip":
            flip(path, 77)
        elif damage == "gone":
            path.unlink()
        else:
            path.write_bytes(path.read_bytes()[: 5 if damage == "cut" else 0])
    with pytest.warns(UserWarning, match=rf"store {store}: 2 finished blocks") as caught:
        assert swept(store).identical(expected)
    assert len(caught) == 1
    assert swept(store).identical(expected)


def test_damaged_mark_of_a_block_has_it_computed_again(store, expected):
    flip(chunks(store, "sweep-progress/finished")[2], 3)
    assert swept(store).identical(expected)


@pytest.mark.parametrize("name", ["x", "y", "k", "n"])
def test_damaged_labels_are_refused_by_name_and_left(store, name):
    path = chunks(store, name)[0] if name != "k" else store / "k" / "c"
    flip(path, 40)
    left = path.read_bytes()
    with pytest.raises(ValueError, match=rf"^store {store} is damaged \({name}.*move it away"):
        swept(store)
    assert path.read_bytes() == left


@pytest.mark.parametrize("text", ["", "{", "[]", '{"zarr_format": 3, "node_type": "group"}'])
def test_damaged_metadata_is_refused_by_name(store, text):
    (store / "zarr.json").write_text(text)
    with pytest.raises(ValueError, match=rf"^store .*{store}"):
        swept(store)


def test_layout_that_does_not_fit_is_refused_by_name(store):
    metadata = json.loads((store / "zarr.json").read_text())
    metadata["attributes"]["layout"] = metadata["attributes"]["layout"][:-4]
    (store / "zarr.json").write_text(json.dumps(metadata))
    with pytest.raises(ValueError, match=rf"^store {store} is damaged \(JSONDecodeError"):
        swept(store)


def test_full_disk_names_the_store_and_keeps_what_is_finished(tmp_path, monkeypatch, expected):
    count = 0
    put = LocalStore.set

    async def fills_up(self, key, value, *rest):
        nonlocal count
        count += key.startswith(("a/c", "b/c", "failure/c", "sweep-progress/finished/c"))
        if count > 10:
            raise OSError(errno.ENOSPC, "No space left on device", key)
        await put(self, key, value, *rest)

    with monkeypatch.context() as patch:
        patch.setattr(LocalStore, "set", fills_up)
        with pytest.raises(OSError, match=rf"store {tmp_path / 's'} cannot be written .No space"):
            swept(tmp_path / "s")
    assert len(chunks(tmp_path / "s", "sweep-progress/finished")) == 2
    assert swept(tmp_path / "s").identical(expected)


def test_path_that_cannot_be_made_is_refused_by_name(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match=rf"store {tmp_path}/file/s cannot be written"):
        swept(tmp_path / "file" / "s")


def test_stores_open_without_a_warning(store, expected):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        data = xr.open_zarr(store, chunks=None).load()
    np.testing.assert_array_equal(data.a, expected.a)


def test_whole_numbers_continue_the_sweep_of_floats(tmp_path):
    def counted(x, k):
        with (tmp_path / "calls").open("a") as file:
            file.write(".")
        return {"y": x * k}

    options = {"store": tmp_path / "s", "progress": False, "workers": 1}
    first = rs.sweep(counted, {"x": [1.0, 2.0, 3.0], "k": 4.0}, **options)
    calls = (tmp_path / "calls").read_text()
    assert rs.sweep(counted, {"x": [1, 2, 3], "k": 4}, **options).identical(first)
    assert (tmp_path / "calls").read_text() == calls
    with pytest.raises(ValueError, match="x was"):
        rs.sweep(counted, {"x": [1, 2, 4], "k": 4}, **options)


@pytest.mark.parametrize("problem", ["timescales", "edges"])
def test_problems_computed_together_are_continued_to_the_same_bits(tmp_path, monkeypatch, problem):
    coords = {"psi_p": np.geomspace(0.5, 64.0, 4), "psi_n": np.geomspace(0.3, 50.0, 9), "t": 0.1}
    whole, of_block = rs.sweep(problem, coords, progress=False, workers=2), Evaluation.block
    blocks = iter(range(3))

    def ends(self, *arguments, **options):
        if next(blocks, None) is None:
            raise KeyboardInterrupt
        return of_block(self, *arguments, **options)

    def swept_in(workers):
        return rs.sweep(
            problem, coords, progress=False, workers=workers, store=tmp_path / "s", chunk=3
        )

    with monkeypatch.context() as patch:
        patch.setattr(Evaluation, "block", ends)
        with pytest.raises(KeyboardInterrupt):
            swept_in(1)
    assert swept_in(2).identical(whole)
