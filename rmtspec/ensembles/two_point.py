r"""Products of two resolvents of the random-feature matrix U with a matrix between them.

For :math:`B=\beta_0+\beta_1WW^\top/d+\beta_2W\Sigma'W^\top/d`, Σ' with variance t_l along the data
direction of eigenvalue l (t_l = l when Σ' = Σ),

.. math::  \tfrac1dW^\top R(z_1)BR(z_2)W\simeq h^{(1)}h^{(2)}
           \big[K+\beta_1+\beta_2t_l+c^2Y\,l\big],\qquad h=\frac1{k+b^2+c^2y\,l},\qquad
           \tfrac1p\mathrm{Tr}\,R(z_1)BR(z_2)\simeq\frac{K}{\psi_pk_1k_2}.

K and Y are the responses −∂k and −∂y to a perturbation of z along B: write the equations of U for
a resolvent with the 2 x 2 argument ((z_1, εB), (0, z_2)) and read the off-diagonal entries to first
order in ε.  With :math:`I_j=\int l^jh^{(1)}h^{(2)}d\rho` (and I_t, I_{tl} with a factor t_l)

.. math::
    \begin{pmatrix}\psi_p-\int(1-k_1h^{(1)})(1-k_2h^{(2)})d\rho&-(v^2+c^2k_1k_2I_1)\\
    -(v^2/(k_1k_2)+c^2I_1)&\psi_n/(y_1y_2)-c^4I_2\end{pmatrix}\binom KY
    =\binom{\beta_0+k_1k_2(\beta_1I_0+\beta_2I_t)}{c^2(\beta_1I_1+\beta_2I_{tl})}.

B = 1 gives the divided differences :math:`K=-(k_1-k_2)/(z_1-z_2)`, Y likewise.  Given the data,
where :math:`y=k/(k+u)`, there is one response: :math:`Y=Ku/((k_1+u)(k_2+u))` and

.. math::  K=\frac{\beta_0+k_1k_2\int h^{(1)}h^{(2)}\big[1+\frac{uc^2l}{(k_1+u)(k_2+u)}\big]
           (\beta_1+\beta_2t_l)d\rho}{\psi_p-\int\mu^2dH/((k_1+\mu)(k_2+\mu))} .

*Determinant.*  Divided by what it is for points far from the spectrum, the determinant of the
2 x 2 matrix, and the denominator of the one response, are

.. math::  D=\frac{y_1y_2}{\psi_p\psi_n}\det\begin{pmatrix}\cdot&\cdot\\\cdot&\cdot\end{pmatrix},
           \qquad D=1-\frac1{\psi_p}\int\frac{\mu^2dH}{(k_1+\mu)(k_2+\mu)},

whose logarithm is the covariance of :math:`\log\det(U-z_1)` and :math:`\log\det(U-z_2)`, but for
the sign (`solve.linear_statistics`).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..solve.cauchy_sums.atoms import PositiveAtoms
from ..solve.kernel import kernel

FloatArray = NDArray[np.float64]
ComplexArray = NDArray[np.complex128]

_FEW = 24  # directions; with more, sums over them are quicker as products of matrices


class Source(NamedTuple):
    """Coefficients β_0, β_1, β_2 of B, and the variance t_l along each eigenvalue l."""

    identity: float
    noise: float
    data: float
    variance: FloatArray


class Directions(NamedTuple):
    """Eigenvalues l of the data covariance, 0 first, and their weights."""

    eigenvalues: FloatArray
    weights: FloatArray

    @classmethod
    def of(cls, atoms: PositiveAtoms) -> Directions:
        """Those of a covariance with these positive eigenvalues."""
        return cls(np.append(0.0, atoms.eigenvalues), np.append(atoms.zero_weight, atoms.weights))


class Response(NamedTuple):
    """Responses at all pairs of points, and their average.

    Attributes
    ----------
    k, y : (n, m) complex, K and Y
    mean : (n, m) complex, :math:`\\frac1{d^2}\\mathrm{Tr}\\,W^\\top R(z_1)BR(z_2)W`
    loss : (n, m) factor by which rounding of the entries is magnified in K and Y
    """

    k: ComplexArray
    y: ComplexArray
    mean: ComplexArray
    loss: FloatArray


class Independent(NamedTuple):
    """Responses of two resolvents whose U share W and not their samples.

    Attributes
    ----------
    k : (n, m) complex, K; Y is 0
    lift : (n, m) complex, what a response Y of shared samples adds to K, per Y
    loss : (n, m) factor by which rounding of the entries is magnified
    """

    k: ComplexArray
    lift: ComplexArray
    loss: FloatArray


class Points(NamedTuple):
    """Solutions k and y, flat."""

    k: ComplexArray
    y: ComplexArray

    def conjugate(self) -> Points:
        """The solutions at the complex conjugate points."""
        return Points(self.k.conj(), self.y.conj())

    def with_conjugates(self) -> Points:
        """The solutions, and after them those at the complex conjugate points."""
        return Points(*(np.append(column, column.conj()) for column in self))

    def along(self, eigenvalues: FloatArray, c2: float, b2: float) -> ComplexArray:
        """Return h for every point and eigenvalue; not finite where a point was not solved."""
        with np.errstate(all="ignore"):
            return 1.0 / ((self.k + b2)[:, None] + (c2 * self.y)[:, None] * eigenvalues)


def averaged_response(
    first: Points, second: Points, source: Source, directions: Directions,
    psi_p: float, psi_n: float, c2: float, b2: float, v2: float,
) -> Response:  # fmt: skip
    """K and Y for random data."""
    level, weight = directions
    variance = source.variance
    if weight[0] == 0.0:
        level, weight, variance = level[1:], weight[1:], variance[1:]
    here = _shares(first, level, c2, b2)
    # Symmetric at the same points, Hermitian at conjugate ones: half of the pairs tell all.
    same = second is first
    conjugate = not same and all(map(np.array_equal, first.conjugate(), second))
    if same or conjugate:
        there = here if same else tuple(share.conj() for share in here)
    else:
        there = _shares(second, level, c2, b2)
    factors = weight * np.array([np.ones_like(level), level, variance, level * variance])
    sums = np.empty((6, 0, 0), dtype=np.complex128)
    if level.size > _FEW:
        sums = np.empty((6, first.k.size, second.k.size), dtype=np.complex128)
        shares = zip(np.array([0, 0, 0, 0, 1, 2]), (*factors, weight, weight), sums, strict=True)
        for i, factor, each in shares:
            np.matmul(here[i] * factor, there[i].T, out=each)
    k, y, mean, loss = _averaged(
        first.k, first.y, *here, second.k, second.y, *there,
        factors, sums, source.identity, source.noise, source.data,
        psi_p, psi_n, c2, b2, v2, same, conjugate,
    )  # fmt: skip
    return Response(k, y, mean, loss)


def _shares(
    points: Points, level: FloatArray, c2: float, b2: float
) -> tuple[ComplexArray, ComplexArray, ComplexArray]:
    """kh, 1 − kh and c²ylh, none by a difference; (points, levels) each."""
    h = points.along(level, c2, b2)
    data = (c2 * points.y[:, None]) * level * h
    return points.k[:, None] * h, data + b2 * h, data


@kernel(fastmath={"contract"})
def _averaged(
    k1, y1, own1, noisy1, seen1, k2, y2, own2, noisy2, seen2, factors, sums,
    identity, noise, data, psi_p, psi_n, c2, b2, v2, same, conjugate,
):  # fmt: skip
    """Fields of `Response`; the six integrals over ρ are in `sums`, or made if that is empty.

    The second equation is multiplied by k_1k_2 and Y divided by y_1y_2, so that k and y are left in
    y_1y_2/(k_1k_2) alone, and each integral has h with the k of its point.
    """
    shape = (k1.size, k2.size)
    k, y, mean = np.empty(shape, k1.dtype), np.empty(shape, k1.dtype), np.empty(shape, k1.dtype)
    loss = np.empty(shape)
    per_k1, slope1, base1, part1 = _of_points(k1, y1, own1, b2, factors)
    per_k2, slope2, base2, part2 = _of_points(k2, y2, own2, b2, factors)
    made = sums.size == 0
    for i in range(k1.size):
        for j in range(i if same or conjugate else 0, k2.size):
            if made:
                i0, i1, it, itl, noisy, seen = _integrals(
                    own1[i], noisy1[i], seen1[i], own2[j], noisy2[j], seen2[j], factors
                )
            else:
                i0, i1, it = sums[0, i, j], sums[1, i, j], sums[2, i, j]
                itl, noisy, seen = sums[3, i, j], sums[4, i, j], sums[5, i, j]
            slope, base = slope1[i] * slope2[j], base1[i] * base2[j]
            a11, size11 = _spared(psi_p, part1[i], part2[j], i0, noisy)
            a22, size22 = _spared(psi_n, base1[i] * part1[i], base2[j] * part2[j], base * i0, seen)
            mixed = v2 + c2 * i1
            steep = slope * mixed
            rhs1 = identity + noise * i0 + data * it
            rhs2 = c2 * (noise * i1 + data * itl)
            inverse = _reciprocal(a11 * a22 - steep * mixed)
            k[i, j] = (rhs1 * a22 + steep * rhs2) * inverse
            y[i, j] = slope * ((a11 * rhs2 + mixed * rhs1) * inverse)
            seen = (k[i, j] + noise) * i0 + data * it + c2 * (y[i, j] * i1)
            mean[i, j] = seen * (per_k1[i] * per_k2[j])
            loss[i, j] = (size11 * size22 + _size(steep * mixed)) * _size(inverse)
    if same or conjugate:
        for i in range(k1.size):
            for j in range(i):
                k[i, j], y[i, j], mean[i, j] = k[j, i], y[j, i], mean[j, i]
                loss[i, j] = loss[j, i]
                if conjugate:
                    k[i, j], y[i, j] = np.conj(k[i, j]), np.conj(y[i, j])
                    mean[i, j] = np.conj(mean[i, j])
    return k, y, mean, loss


@kernel(fastmath={"contract"})
def _of_points(k, y, own, b2, factors):
    """1/k, y/k, (k + b²)/k and ∫kh dρ at every point."""
    inverse, slope = np.empty(k.size, k.dtype), np.empty(k.size, k.dtype)
    base, part = np.empty(k.size, k.dtype), np.zeros(k.size, k.dtype)
    for i in range(k.size):
        inverse[i] = _reciprocal(k[i])
        slope[i], base[i] = y[i] * inverse[i], (k[i] + b2) * inverse[i]
        for level in range(own.shape[1]):
            part[i] += factors[0, level] * own[i, level]
    return inverse, slope, base, part


@kernel(fastmath={"contract"})
def _integrals(own1, noisy1, seen1, own2, noisy2, seen2, factors):
    """∫ of products of kh times each factor, of the shares of noise and data, and of the data's."""
    i0 = i1 = it = itl = noisy = seen = 0.0j
    for level in range(own1.size):
        both = own1[level] * own2[level]
        i0 += factors[0, level] * both
        i1 += factors[1, level] * both
        it += factors[2, level] * both
        itl += factors[3, level] * both
        noisy += factors[0, level] * (noisy1[level] * noisy2[level])
        seen += factors[0, level] * (seen1[level] * seen2[level])
    return i0, i1, it, itl, noisy, seen


@kernel(fastmath={"contract"})
def _spared(psi, part1, part2, both, taken):
    """`spared` for one pair, whose measure has mass 1."""
    plain = _size(psi) + _size(taken)
    ones = _size(psi - 1.0) + _size(both) + _size(part1) + _size(part2)
    if ones < plain:
        return (psi - 1.0) + (part1 + part2 - both), ones
    return psi - taken, plain


@kernel(fastmath={"contract"})
def _size(x):
    """A modulus to a factor √2, without the root."""
    return abs(x.real) + abs(x.imag)


@kernel(fastmath={"contract"})
def _reciprocal(x):
    scale = 1.0 / (x.real * x.real + x.imag * x.imag)
    return complex(x.real * scale, -x.imag * scale)


def independent_response(
    first: Points, second: Points, source: Source, directions: Directions,
    psi_p: float, psi_n: float, c2: float, b2: float, v2: float,
) -> Independent:  # fmt: skip
    """K where the two resolvents are of independent data sets and the same W.

    Y is the response through the samples, so it is 0 and the first of the two equations stands
    alone.  Where samples are shared that equation reads K = K_0 + lift·Y with the same
    coefficients.
    """
    level, weight = directions
    h1, h2 = first.along(level, c2, b2), second.along(level, c2, b2)
    i0, i1 = ((h1 * (weight * factor)) @ h2.T for factor in (1.0, level))
    same = np.array_equal(source.variance, level)
    it = i1 if same else (h1 * (weight * source.variance)) @ h2.T
    kk = np.multiply.outer(first.k, second.k)
    (a11, size), _ = _diagonal(first, second, h1, h2, i0, directions, psi_p, psi_n, c2, b2)
    k = (source.identity + kk * (source.noise * i0 + source.data * it)) / a11
    return Independent(k, (v2 + c2 * kk * i1) / a11, size / np.abs(a11))


def averaged_determinant(
    first: Points, second: Points, directions: Directions,
    psi_p: float, psi_n: float, c2: float, b2: float, v2: float,
) -> ComplexArray:  # fmt: skip
    """D of every pair of solutions, for random data."""
    level, weight = directions
    h1, h2 = first.along(level, c2, b2), second.along(level, c2, b2)
    i0, i1 = (h1 * weight) @ h2.T, (h1 * (weight * level)) @ h2.T
    (a11, _), (a22, _) = _diagonal(first, second, h1, h2, i0, directions, psi_p, psi_n, c2, b2)
    kk, yy = np.multiply.outer(first.k, second.k), np.multiply.outer(first.y, second.y)
    mixed = v2 / kk + c2 * i1
    return np.asarray((a11 * a22 - yy * kk * mixed * mixed) / (psi_p * psi_n))


def conditional_determinant(
    first: ComplexArray, second: ComplexArray,
    psi_p: float, mu: FloatArray, mass: FloatArray, excess: float,
) -> ComplexArray:  # fmt: skip
    """D of every pair of solutions k of a Gram matrix of Gaussian rows; see `conditional_response`.

    It is symmetric in the two points, and 1 where one of them is far from the spectrum.
    """
    return np.asarray(_one_response(first, second, psi_p, mu, mass, excess)[0] / psi_p)


def _one_response(
    first: ComplexArray, second: ComplexArray,
    psi_p: float, mu: FloatArray, mass: FloatArray, excess: float,
) -> tuple[ComplexArray, FloatArray]:  # fmt: skip
    """ψ_p − ∫μ²dH/((k_1+μ)(k_2+μ)) and the size of its terms."""
    r1, r2 = 1.0 / (first[:, None] + mu), 1.0 / (second[:, None] + mu)
    parts = [(k * (r @ mass), mu * r) for k, r in ((first, r1), (second, r2))]
    both = np.multiply.outer(first, second) * ((r1 * mass) @ r2.T)
    return spared(psi_p, -excess, mass, both, parts)


def _diagonal(
    first: Points, second: Points, h1: ComplexArray, h2: ComplexArray, i0: ComplexArray,
    directions: Directions, psi_p: float, psi_n: float, c2: float, b2: float,
) -> tuple[tuple[ComplexArray, FloatArray], tuple[ComplexArray, FloatArray]]:  # fmt: skip
    """The diagonal of the 2 x 2 matrix, the second entry times y_1y_2, each with its size."""
    level, weight = directions
    noise, data = [], []
    for (k, y), h in ((first, h1), (second, h2)):
        signal, sum0 = (c2 * y)[:, None] * level * h, h @ weight
        noise.append((k * sum0, signal + b2 * h))
        data.append(((k + b2) * sum0, signal))
    kk = np.multiply.outer(first.k, second.k)
    gg = np.multiply.outer(first.k + b2, second.k + b2)
    return (
        spared(psi_p, psi_p - 1.0, weight, kk * i0, noise),
        spared(psi_n, psi_n - 1.0, weight, gg * i0, data),
    )


def traded(
    base: ComplexArray, steep: ComplexArray, spikes: FloatArray, eigenvalues: FloatArray,
    weights: FloatArray,
) -> ComplexArray:  # fmt: skip
    """Σ_i[log g(l_i) − ∫log g dρ(l)] over the spikes l_i, where g = base + steep·l.

    E log det(U − z) is stationary in k and y, and holds d∫log g dρ: this is its change where each
    spike takes the place of one direction.  The phase is followed along the points, from
    the right end of the axis on.
    """
    ratio = 1.0 + (steep / base)[:, None] * np.append(spikes, eigenvalues)
    logarithm = np.log(np.abs(ratio)) + 1j * np.unwrap(np.angle(ratio), axis=0)
    of_spikes, of_bulk = logarithm[:, : spikes.size], logarithm[:, spikes.size :]
    return np.asarray(of_spikes.sum(axis=1) - spikes.size * (of_bulk @ weights))


def spared(
    psi: float,
    spare: float,
    weight: FloatArray,
    both: ComplexArray,
    seen: list[tuple[ComplexArray, ComplexArray]],
) -> tuple[ComplexArray, FloatArray]:
    """ψ − ∫(1 − f_1)(1 − f_2)dρ and the size of its terms.

    `spare` is ψ less the mass of ρ, `both` is ∫f_1f_2dρ, each of `seen` holds ∫f dρ and 1 − f.
    As it stands where most of the brackets are small, with the ones taken out of ψ where they are
    not: next to a hard edge, where ψ is the mass of ρ, nothing else keeps the digits.
    """
    (part1, share1), (part2, share2) = seen
    taken = (share1 * weight) @ share2.T
    plain, ones = psi + np.abs(taken), abs(spare) + np.abs(both)
    ones = ones + np.add.outer(np.abs(part1), np.abs(part2))
    rest = np.add.outer(part1, part2) - both
    return np.where(ones < plain, spare + rest, psi - taken), np.minimum(plain, ones)


def conditional_response(
    first: Points, second: Points, source: Source, directions: Directions,
    psi_p: float, c2: float, b2: float, u: float, mu: FloatArray, mass: FloatArray, excess: float,
) -> Response:  # fmt: skip
    """K and Y given the data; (mu, mass) is the measure H of the Gram matrix that U − s² is.

    Its mass is psi_p + excess.
    """
    level, weight = directions
    h1, h2 = first.along(level, c2, b2), second.along(level, c2, b2)
    i0, i1, it, itl = (
        (h1 * (weight * factor)) @ h2.T
        for factor in (1.0, level, source.variance, level * source.variance)
    )
    kk = np.multiply.outer(first.k, second.k)
    factor = u / np.multiply.outer(first.k + u, second.k + u) if u > 0.0 else np.zeros_like(kk)
    left, size = _one_response(first.k, second.k, psi_p, mu, mass, excess)
    seen = source.noise * i0 + source.data * it
    seen = seen + c2 * factor * (source.noise * i1 + source.data * itl)
    k = (source.identity + kk * seen) / left
    y = k * factor
    mean = (k + source.noise) * i0 + source.data * it + c2 * y * i1
    return Response(k, y, mean, size / np.abs(left))
