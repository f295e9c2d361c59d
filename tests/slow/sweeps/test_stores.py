"""Stores of sweeps that are killed, shared, damaged and short of space: same bits or a refusal."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest

import rmtspec as rs

pytestmark = pytest.mark.slow

KILLS, WRITERS, CHUNKS, METADATA = 60, 10, 20, 300

COORDS = {"x": np.arange(12.0), "y": np.arange(5), "k": 2.5}


def function(x, y, k):
    if x == y == 3:
        return {"a": np.nan, "b": ("n", [0.0, 0.0]), "n": ("n", ["u", "v"])}
    return {"a": np.sin(x * y + k), "b": ("n", [x, k]), "n": ("n", ["u", "v"])}


def swept(store=None, **options):
    return rs.sweep(function, COORDS, store=store, progress=False, workers=1, chunk=2, **options)


def bits(data):
    return {name: (v.dims, v.values.tolist().__repr__()) for name, v in data.variables.items()}


# Children are forked from one process that has loaded everything: a kill then falls within the
# sweep, and not within its imports.
_SCRIPT = """
import os, signal, sys, time
import numpy as np, rmtspec as rs, zarr, xarray, tqdm, dask.base, distributed, threadpoolctl

def f(x, y):
    time.sleep(0.004)
    return {"a": np.sin(x * y + 0.5), "b": ("n", [x, y])}

def run(store):
    coords = {"x": np.arange(9.0), "y": np.arange(7.0)}
    return rs.sweep(f, coords, store=store, progress=False, workers=1, chunk=2)

def child(store):
    number = os.fork()
    if not number:
        try:
            run(store)
            os._exit(0)
        except BaseException as problem:
            print(type(problem).__name__, problem, file=sys.stderr)
            os._exit(1)
    return number

rng, mode, times = np.random.default_rng(7), sys.argv[1], int(sys.argv[2])
seen = [0, 0, 0]
for _ in range(times):
    if mode == "kill":
        number = child("s")
        time.sleep(rng.uniform(0.0, 0.25))
        os.kill(number, signal.SIGKILL)
        code = os.waitpid(number, 0)[1]
    else:
        pair = child(f"w{_}"), child(f"w{_}")
        code = max(os.waitpid(number, 0)[1] for number in pair)
    seen[0 if code == 0 else 1 if code == signal.SIGKILL else 2] += 1
    if mode == "kill" and code == 0:
        assert run("s").identical(expected) if (expected := run(None)) is not None else False
        os.rename("s", f"done{_}")
expected = run(None)
for name in ["s"] if mode == "kill" else [f"w{i}" for i in range(times)]:
    assert run(name).identical(expected), name
print(*seen)
"""


def _script(folder: Path, mode: str, times: int) -> list[int]:
    done = subprocess.run(
        [sys.executable, "-c", _SCRIPT, mode, str(times)],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=600,
        env={**os.environ, "PYTHONPATH": str(Path(rs.__file__).parents[1])},
    )
    assert done.returncode == 0, done.stderr
    return [int(word) for word in done.stdout.split()]


def test_sweep_killed_at_random_moments_is_continued_to_the_same_bits(tmp_path):
    _, killed, refused = _script(tmp_path, "kill", KILLS)
    assert refused == 0
    assert killed > KILLS // 2


def test_two_writers_of_one_store_leave_the_same_bits(tmp_path):
    assert _script(tmp_path, "write", WRITERS) == [WRITERS, 0, 0]


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    path = tmp_path_factory.mktemp("store") / "s"
    swept(path)
    return path


def flipped(store: Path, copy: Path, name: Path, rng: np.random.Generator) -> None:
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(store, copy)
    content = bytearray((copy / name).read_bytes())
    content[rng.integers(len(content))] ^= 1 << int(rng.integers(8))
    (copy / name).write_bytes(content)


def test_flipped_bits_of_blocks_are_computed_again(store, tmp_path):
    rng, expected = np.random.default_rng(1), swept()
    files = [
        path.relative_to(store)
        for name in ("a", "b", "failure")
        for path in (store / name / "c").rglob("*")
        if path.is_file()
    ]
    for name in rng.choice(np.array(files, dtype=object), CHUNKS, replace=False):
        flipped(store, tmp_path / "s", name, rng)
        with pytest.warns(UserWarning, match="1 finished blocks were damaged"):
            assert swept(tmp_path / "s").identical(expected), name


def test_flipped_bits_of_all_else_leave_the_same_bits_or_a_refusal(store, tmp_path):
    rng, expected = np.random.default_rng(2), bits(swept())
    files = sorted(
        path.relative_to(store)
        for path in store.rglob("*")
        if path.is_file() and path.relative_to(store).parts[0] not in ("a", "b", "failure")
    )
    wrong = []
    for _ in range(METADATA):
        # Half of the draws in the file that holds all metadata.
        name = Path("zarr.json") if rng.random() < 0.5 else files[rng.integers(len(files))]
        flipped(store, tmp_path / "s", name, rng)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                same = bits(swept(tmp_path / "s")) == expected
            said = "other values"
        except Exception as problem:
            said = f"{type(problem).__name__}: {problem}"
            same = isinstance(problem, ValueError) and said.startswith("ValueError: store ")
        if not same:
            wrong.append((str(name), said))
    assert wrong == []


def test_disk_that_is_full_is_named_and_continued_on_one_that_is_not(tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=256k", "none", str(disk)]
    if shutil.which("mount") is None or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("no file system of limited size can be mounted here")
    try:
        with pytest.raises(OSError, match=rf"store {disk}/s cannot be written .No space left"):
            swept(disk / "s")
        shutil.copytree(disk / "s", tmp_path / "s")
    finally:
        subprocess.run(["umount", str(disk)], check=True)
    assert bits(swept(tmp_path / "s")) == bits(swept())
