"""Build sdist and wheel, and run the Python of README.md from the wheel in an empty environment.

The wheel that is tried is built from the sdist, and must hold what a wheel built from the checkout
holds: the package, and nothing else of the repository.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
BESIDE = {"README.md", "CHANGELOG.md", "CITATION.cff", "LICENSE", "pyproject.toml", "PKG-INFO"}
BESIDE |= {".gitignore"}  # which Hatchling adds


def run(*command: object, cwd: Path = ROOT) -> None:
    subprocess.run([str(part) for part in command], cwd=cwd, check=True)


def contents(wheel: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(wheel) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def check_contents(sdist: Path, wheel: Path, from_checkout: Path) -> None:
    found = contents(wheel)
    stray = [name for name in found if not name.startswith(("rmtspec/", "rmtspec-"))]
    assert not stray, f"the wheel holds {stray}"
    assert "rmtspec/py.typed" in found
    assert found == contents(from_checkout), "sdist and checkout make different wheels"
    with tarfile.open(sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    beside = {name for name in names if not name.startswith("rmtspec/")}
    assert beside == BESIDE, f"the sdist holds {sorted(beside)}"


def try_wheel(wheel: Path, empty: Path) -> None:
    run(sys.executable, "-m", "venv", empty)
    python = empty / "bin" / "python"
    run(python, "-m", "pip", "install", "--quiet", f"{wheel}[sweep]")
    run(python, "-m", "pip", "check")
    examples = re.findall(r"^```python\n(.*?)^```$", (ROOT / "README.md").read_text(), re.M | re.S)
    assert examples, "README.md holds no Python"
    own = "import rmtspec, sys; assert rmtspec.__file__.startswith(sys.prefix), rmtspec.__file__"
    for code in (own, *examples):
        run(python, "-I", "-c", code, cwd=empty)
    run(empty / "bin" / "rmtspec", "--version", cwd=empty)


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder).resolve()
        made, direct = work / "made", work / "direct"
        run(sys.executable, "-m", "build", "--outdir", made)
        run(sys.executable, "-m", "build", "--wheel", "--outdir", direct)
        (sdist,), (wheel,) = made.glob("*.tar.gz"), made.glob("*.whl")
        (from_checkout,) = direct.glob("*.whl")
        check_contents(sdist, wheel, from_checkout)
        try_wheel(wheel, work / "empty")


if __name__ == "__main__":
    main()
