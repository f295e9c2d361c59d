"""Pictures that come with installed packages, one a row, on which networks are trained."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rmtspec.inputs.samples import digits, photographs, standardise

Array = NDArray[np.float64]

SETS = ("digits", "patches", "large patches", "faces")


@cache
def pictures(name: str) -> Array:
    """Return a set, shape (n, d), centred, with mean variance 1.

    digits : scikit-learn's 1797 handwritten digits, 8 x 8
    patches, large patches : pieces of scikit-image's photographs without their mean, 8 x 8, 12 x 12
    faces : its 200 grey pictures, half of them faces, 25 x 25 brought to 12 x 12 by 2 x 2 means
    """
    if name == "digits":
        return digits()
    if name == "patches":
        return photographs(8, patch_mean=False)
    if name == "large patches":
        return photographs(12, patch_mean=False)
    return standardise(_faces().reshape(200, 144))


def _faces() -> Array:
    from skimage.data import data_dir

    grey = np.load(Path(data_dir) / "lfw_subset.npy")
    return np.asarray(grey[:, :24, :24].reshape(200, 12, 2, 12, 2).mean(axis=(2, 4)))
