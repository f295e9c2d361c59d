"""The exact kernel of erf neurons in two dimensions, by integration over their weights.

Nothing of the kernels is used: neurons :math:`m=\\mathrm{erf}(h/\\sqrt{1+2\\Delta})`,
:math:`h=e^{-t}w\\cdot x/\\sqrt d`, are averaged over w in the plane by Gauss and Hermite's rule.
The law of their Gram matrix is that of a polynomial in k, whose roots are found as eigenvalues of a
companion matrix, and the train loss an integral over a circle around the spectrum.
"""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.special import erf

from rmtspec.ensembles.exact_kernel import ExactKernelGram
from rmtspec.ensembles.neuron_moments import NeuronMoments
from rmtspec.inputs.activation import resolve
from rmtspec.inputs.gaussian.kernels import PairKernels
from rmtspec.inputs.population import PopulationSpectrum
from rmtspec.inputs.rows import GivenRows
from rmtspec.random_features.model import RandomFeatureModel

T = 0.25
SIGNAL, DELTA = math.exp(-2 * T), -math.expm1(-2 * T)
X = np.array([[0.9, -0.3], [-1.2, 0.4], [0.1, 0.8], [0.2, -0.9]])
FloatArray = np.ndarray


def _neurons() -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
    """Weights in the plane with their shares, and m and β of every sample there."""
    z, share = np.polynomial.hermite_e.hermegauss(160)
    share /= share.sum()
    w = np.array([[a, b] for a in z for b in z])
    h = math.sqrt(SIGNAL / 2.0) * w @ X.T
    width = 1.0 + 2.0 * DELTA
    slope = 2.0 / math.sqrt(math.pi * width) * np.exp(-h * h / width)
    return w, np.multiply.outer(share, share).ravel(), erf(h / math.sqrt(width)), slope


def _matrix(functions: FloatArray) -> FloatArray:
    """d E uuᵀ for given noise functions."""
    w, share, mean, slope = _neurons()
    n, d = X.shape
    linear = np.einsum("wj,wa->wja", slope @ functions, w).reshape(len(w), -1)
    u = np.hstack([mean / math.sqrt(n), math.sqrt(DELTA / (d * n)) * linear])
    return d * (u.T * share) @ u


def _moments() -> NeuronMoments:
    activation = resolve("erf")
    return NeuronMoments(X, PairKernels(activation.function, activation.pairs, SIGNAL, DELTA))


def test_second_moments_are_integrals_over_the_weights() -> None:
    moments = _moments()
    np.testing.assert_allclose(moments.matrix, _matrix(moments.noise_functions), rtol=0, atol=1e-13)


def test_noise_functions_follow_the_modes_of_the_slopes() -> None:
    _, share, _, slope = _neurons()
    n, moments = len(X), _moments()
    k11 = (slope.T * share) @ slope
    centring = np.eye(n) - 1.0 / n
    values, vectors = np.linalg.eigh(centring @ k11 @ centring)
    variance = moments.pairs.variances(X)
    square = float(np.mean(2.0 / np.pi * np.arcsin(2.0 * variance / (1.0 + 2.0 * variance))))
    left = square - np.trace(_matrix(np.full((n, 1), n**-0.5))) / 2.0
    kept = DELTA / n * values > 0.03 * left
    functions = moments.noise_functions
    assert functions.shape[1] == 1 + kept.sum() > 1
    projector = vectors[:, kept] @ vectors[:, kept].T
    np.testing.assert_allclose(functions[:, 1:] @ functions[:, 1:].T, projector, atol=1e-12)


@pytest.mark.parametrize("tau", [0.1, 1.0, 5.0])
def test_train_loss_is_an_integral_over_roots_of_a_polynomial(tau: float) -> None:
    n, d, psi_p = 4, 2, 4.0
    moments = _moments()
    gram = ExactKernelGram(psi_p, moments)
    values, vectors = np.linalg.eigh(_matrix(moments.noise_functions))
    values = np.maximum(values, 0.0)
    share = np.sum(vectors[n : n + d] ** 2, axis=0) * values / d

    def seen(z: complex) -> complex:
        """(1/d) Tr VᵀRV."""
        # (z - s²)Π(k + μ) = -ψ_p k Π(k + μ) + (k/d) Σ μ_j Π_(i≠j)(k + μ_i)
        product = np.poly(-values)
        polynomial = np.polyadd((z - gram.s2) * product, psi_p * np.append(product, 0.0))
        for j, mu in enumerate(values):
            others = np.append(np.poly(-np.delete(values, j)), 0.0)
            polynomial = np.polysub(polynomial, mu / d * others)
        roots = np.roots(polynomial)
        k = roots[np.argmin(roots.imag)]
        return complex(np.sum(share / (k + values)))

    # U has its eigenvalues within (0, 9 ψ_p Tr M/d): a circle around them, its upper half.
    middle = 4.5 * psi_p * values.sum() / d
    angle = np.pi * (np.arange(600) + 0.5) / 600
    z = middle + 1.02 * middle * np.exp(1j * angle)
    rate = 2.0 * DELTA / psi_p
    kernel = np.array([seen(at) for at in z]) * -np.expm1(-2.0 * rate * tau * z) / z
    decrease = -float(np.mean((kernel * (z - middle)).real))
    population = PopulationSpectrum.from_samples(X)
    model = RandomFeatureModel(
        psi_p, n / d, T, "erf", population, conditional=True, rows=GivenRows(X)
    )
    with pytest.warns(UserWarning, match="held-out"):
        found = float(model.learning_curves(tau).train)
    # roots of a polynomial of degree ten and more lose half of the digits where they are close
    assert found == pytest.approx(1.0 - decrease, abs=1e-8)
