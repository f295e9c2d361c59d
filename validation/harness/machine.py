"""Where a run takes place: machine and versions for the head of a result file, and devices."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import platform
from pathlib import Path

DEVICES = ("cpu", "cuda")
_PACKAGES = ("rmtspec", "numpy", "scipy", "numba", "torch", "scikit-learn", "scikit-image")


class RequestError(Exception):
    """A request that cannot be met: one line for the user, exit status 2, nothing written."""


def versions() -> dict[str, str]:
    """Return the versions of Python and of the packages that are installed."""
    found = {"python": platform.python_version()}
    for name in _PACKAGES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def machine(device: str = "cpu") -> dict[str, str]:
    """Return what the machine is: system, processor, number of cores, and the GPU if used."""
    facts = {
        "system": f"{platform.system()} {platform.machine()}",
        "processor": _processor(),
        "cores": str(os.cpu_count()),
    }
    if device == "cuda":
        import torch

        facts["gpu"] = torch.cuda.get_device_name()
    return facts


def _processor() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or "unknown"


def require(modules: tuple[str, ...]) -> None:
    """Raise ModuleNotFoundError for the first module that is not installed."""
    for name in modules:
        if importlib.util.find_spec(name) is None:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)


def require_device(device: str) -> None:
    """Raise RequestError if the device is not there."""
    if device == "cpu":
        return
    require(("torch",))
    import torch

    if not torch.cuda.is_available():
        raise RequestError("argument --device: cuda was asked for, and PyTorch finds no GPU")


def one_thread() -> None:
    """Let PyTorch use one thread: processes share the cores, and sums keep their order."""
    if importlib.util.find_spec("torch") is not None:
        import torch

        torch.set_num_threads(1)
