"""Own eigenvalues and learning curves, to be laid over those of theory."""

from __future__ import annotations

import os
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ...compare import observed

FloatArray = NDArray[np.float64]

_BINS_PER_DECADE = 12
_MOST_BINS = 400
MOST_BYTES = 10_000_000
"""Of a file that the page takes."""


@dataclass(frozen=True)
class Overlay:
    """What was measured, and the name of the file it is from."""

    name: str
    found: observed.Eigenvalues | observed.Curves

    @classmethod
    def read(cls, path: str | os.PathLike[str]) -> Overlay:
        """Read a file as `rmtspec compare` does.

        Raises
        ------
        ValueError, TypeError
            If it is neither eigenvalues nor curves over tau, or cannot be read.
        """
        try:
            return cls(Path(path).name, observed.read(path, None))
        except OSError as problem:
            raise ValueError(f"file {str(path)!r} cannot be read: {problem}") from None

    @classmethod
    def received(cls, name: str, content: bytes) -> Overlay:
        """The same of a file that a browser sends.

        Raises
        ------
        ValueError, TypeError
            Also if it is too large.
        """
        if len(content) > MOST_BYTES:
            raise ValueError(f"a file must have at most {MOST_BYTES:,} bytes, got {len(content):,}")
        with tempfile.TemporaryDirectory() as folder:
            # Only the ending is its own: the name may be that of any other place.
            path = Path(folder) / ("observed" + "".join(Path(name).suffixes[-2:])[-12:])
            path.write_bytes(content)
            try:
                return cls(Path(name).name, observed.read(path, None))
            except (ValueError, TypeError) as problem:
                raise type(problem)(str(problem).replace(str(path), name)) from None

    def histogram(self, origin: float) -> tuple[FloatArray, FloatArray]:
        """Density of ln(λ − origin) of eigenvalues, as the corners of steps.

        Eigenvalues at or below the origin have no place on the axis; they count for the whole.
        """
        if not isinstance(self.found, observed.Eigenvalues):
            return np.empty(0), np.empty(0)
        values = self.found.values.ravel()
        # Rounding alone parts the eigenvalues of an atom from it.
        rounding = self.found.rounding * values.shape[0] * np.abs(values).max(initial=0.0)
        distance = (values - origin)[values - origin > rounding]
        if not distance.size:
            return np.empty(0), np.empty(0)
        low, high = np.log(distance.min()), np.log(distance.max())
        decades = max((high - low) / np.log(10.0), 0.1)
        bins = int(np.clip(np.ceil(_BINS_PER_DECADE * decades), 4, _MOST_BINS))
        width = max(high - low, 1e-6)
        ends = np.linspace(low - 0.01 * width, high + 0.01 * width, bins + 1)
        counts, _ = np.histogram(np.log(distance), ends)
        height = counts / (values.size * np.diff(ends))
        return np.exp(np.repeat(ends, 2)[1:-1]), np.repeat(height, 2)

    def losses(self) -> dict[str, tuple[FloatArray, FloatArray]]:
        """Split -> positive times and the mean loss of all networks."""
        if not isinstance(self.found, observed.Curves):
            return {}
        tau = np.asarray(self.found.tau)
        shown = (tau > 0.0) & np.isfinite(tau)
        return {
            split: (tau[shown], np.asarray(values).mean(axis=0)[shown])
            for split, values in self.found.losses.items()
        }
