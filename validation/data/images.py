"""Grey images to train on: digits, a Gaussian random field, or a folder from disk."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from validation.harness import arguments

Array = NDArray[np.float64]

FORMATS = (".bmp", ".jpeg", ".jpg", ".pgm", ".png", ".tif", ".tiff", ".webp")


@dataclass(frozen=True, eq=False)
class Images:
    """Grey images, centred and divided by one number.

    Attributes
    ----------
    name : str
    pixels : ndarray, shape (n, side, side)
        (picture - mean)/scale, of mean variance 1.
    mean : ndarray, shape (side, side)
    scale : float
        mean + scale * pixels gives the pictures back.
    """

    name: str
    pixels: Array
    mean: Array
    scale: float

    @classmethod
    def centred(cls, name: str, pictures: Array) -> Images:
        """Take off the mean picture and divide by the root of the mean variance of a pixel.

        Raises
        ------
        ValueError
            If all pictures are the same.
        """
        mean = pictures.mean(axis=0)
        scale = float(np.sqrt(np.mean((pictures - mean) ** 2)))
        if scale == 0.0:
            raise ValueError(f"{name} must hold different pictures, got {len(pictures)} equal ones")
        return cls(name, (pictures - mean) / scale, mean, scale)

    @property
    def side(self) -> int:
        """Pixels a side."""
        return int(self.pixels.shape[1])

    def split(self, train: int, test: int, rng: np.random.Generator) -> tuple[Array, Array]:
        """Return disjoint random subsets, (train, side, side) and (test, side, side).

        Raises
        ------
        ValueError
            If there are fewer than train + test images.
        """
        train, test = arguments.integer("train", train, 1), arguments.integer("test", test, 0)
        if train + test > len(self.pixels):
            raise ValueError(
                f"train + test must be at most the {len(self.pixels)} images of {self.name}, "
                f"got {train} + {test}"
            )
        order = rng.permutation(len(self.pixels))
        return self.pixels[order[:train]], self.pixels[order[train : train + test]]


def digits() -> Images:
    """Return scikit-learn's 1797 handwritten digits, 8 x 8."""
    from sklearn.datasets import load_digits

    return Images.centred("digits", load_digits().images.astype(np.float64))


def random_field_variances(side: int, exponent: float) -> Array:
    """Return the variance of each Fourier mode of `random_field`, shape (side, side), mean 1.

    Sorted, these are the population eigenvalues.
    """
    side = arguments.integer("side", side, 2)
    exponent = arguments.real("exponent", exponent, 0.0)
    wave = np.fft.fftfreq(side, 1.0 / side)
    # The constant mode has no wave number: it gets the variance of the longest waves.
    size = np.maximum(np.hypot(wave[:, None], wave[None, :]), 1.0)
    spectrum = size**-exponent
    return np.asarray(spectrum / spectrum.mean())


def random_field(count: int, side: int, exponent: float, rng: np.random.Generator) -> Images:
    """Return a Gaussian random field on a torus with power spectrum |wave number|^-exponent.

    Mean 0 and mean variance 1 hold for the population; the sample is neither centred nor scaled,
    so that the population covariance is known exactly. Photographs have an exponent near 2.
    """
    roots = np.sqrt(random_field_variances(side, exponent))
    white = rng.standard_normal((arguments.integer("count", count, 1), side, side))
    # The spectrum is even in the wave number, so that the field is real.
    field = np.fft.ifft2(np.fft.fft2(white) * roots).real
    return Images(f"random field, exponent {exponent:g}", field, np.zeros((side, side)), 1.0)


def folder(path: Path, side: int, *, limit: int | None = None) -> Images:
    """Return the images of a folder: grey, cut to a central square, resized to side x side.

    Parameters
    ----------
    path : path
        A folder; its own files are read in the order of their names, sub-folders are not.
    side : int
    limit : int, optional
        Take only the first so many.

    Raises
    ------
    ValueError
        If it is no folder, holds fewer than two images, or a file of an image's name cannot be
        read as one.
    """
    side = arguments.integer("side", side, 2)
    if limit is not None:
        limit = arguments.integer("limit", limit, 2)
    if not path.is_dir():
        raise ValueError(f"image folder {str(path)!r} is not a folder")
    files = sorted(file for file in path.iterdir() if file.suffix.lower() in FORMATS)[:limit]
    if len(files) < 2:
        raise ValueError(
            f"image folder {str(path)!r} must hold at least two images "
            f"({', '.join(FORMATS)}), got {len(files)}"
        )
    return Images.centred(f"folder {path.name}", np.stack([_grey(file, side) for file in files]))


def _grey(file: Path, side: int) -> Array:
    from PIL import Image

    try:
        with Image.open(file) as picture:
            edge = min(picture.size)
            left, top = (picture.width - edge) // 2, (picture.height - edge) // 2
            square = picture.convert("L").crop((left, top, left + edge, top + edge))
            small = square.resize((side, side), Image.Resampling.BOX)
            return np.asarray(small, dtype=np.float64) / 255.0
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as problem:
        raise ValueError(f"image {str(file)!r} cannot be read: {problem!s:.120}") from None
