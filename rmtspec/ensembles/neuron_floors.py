r"""Gram matrix U of given rows, every neuron with a floor and a scale of its own.

In `exact_kernel` what a neuron i has beside the vector u counts as one multiple s² of the identity.
It differs from neuron to neuron, through :math:`w\cdot\Sigma w/d` and :math:`|w|^2/d`, and its
larger part, what is linear in the noise along w off the noise functions :math:`e_j`, is a Gram
matrix of its own.  With β of one neuron from `neuron_moments`,

.. math::
    s_i&=\tfrac{\Delta|w|^2}{dn}\Big[|\beta_i|^2-\sum_j(e_j\cdot\beta_i)^2\Big],\qquad
    f_i=\langle E_\xi\sigma^2\rangle-\langle m^2\rangle-\tfrac{\Delta|w|^2}{dn}|\beta_i|^2,\\
    r_i&=\big(\langle m^2\rangle+\textstyle\sum_j|V_j|^2\big)\big/\text{their mean},

and with :math:`\nu_j` the eigenvalues of :math:`\frac\Delta nJK^{11}J`,
:math:`J=1-\sum_je_je_j^\top`, divided by their sum, each d-fold,

.. math::
    U\simeq f+\tfrac1d\,r^{1/2}\mathcal GM\mathcal G^\top r^{1/2}
      +\tfrac1d\,s^{1/2}\mathcal G'(\nu\otimes1_d)\mathcal G'^\top s^{1/2}

with independent standard normal entries and diagonal f, r, s.  With :math:`\langle\cdot\rangle`
over the neurons, :math:`h=1/k`, and h' for the second Gram matrix,

.. math::
    \frac1{g_i}&=f_i-z+r_iA+s_iB,\qquad
    A=\frac1d\sum_j\frac{\mu_j}{1+h\mu_j},\quad B=\sum_j\frac{\nu_j}{1+h'\nu_j},\\
    h&=\psi_p\langle gr\rangle,\qquad h'=\psi_p\langle gs\rangle,\qquad q=\langle g\rangle .

(Averaging over one Gram matrix after the other: each neuron is a rank-one perturbation of the rest,
as in Silverstein and Bai 1995, J. Multivariate Anal. 54, 175.)  Equal f, r = 1 and s = 0 give back
the law with one floor.

*Uniqueness.*  The equations map the product of the upper half planes of h and h' into itself, for
:math:`A` and :math:`B` then lie in the lower one; at Im z > 0 strictly inside, so that there is one
fixed point (Earle and Hamilton 1970) and Im h > 0, Im h' > 0 certify it.

*Potential.*  The equations are those of a stationary point, in h, h', A and B, of

.. math::
    \Phi=\Big\langle\log(f-z+rA+sB)\Big\rangle
      +\frac1{\psi_p}\Big[\frac1d\sum_j\log(1+h\mu_j)-hA+\sum_j\log(1+h'\nu_j)-h'B\Big],

and :math:`d\Phi/dz=-q`, :math:`\Phi\to\log(-z)` far away: it is :math:`\int\log(\lambda-z)\rho`.
All logarithms are principal ones.  So :math:`-\mathrm{Im}\,\Phi/\pi` is the fraction of eigenvalues
below a real z, which takes neither edges nor an integral.

*Neurons.*  The averages run over the fixed neurons of `neuron_moments`; f and s are scaled so that
their sum has the mean s² of the law with one floor, and with it U its trace.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ..solve import REORDERED
from ..solve.kernel import kernel
from ..solve.pointwise import Potential
from .exact_kernel import ExactKernelGram

FloatArray = NDArray[np.float64]
ComplexArray = NDArray[np.complex128]


@dataclass(frozen=True, eq=False)
class NeuronFloorsGram:
    """U of given rows with what single neurons leave over.

    Parameters
    ----------
    psi_p : p/d
    mu, weight : eigenvalues of M and their masses 1/d
    rest : ν, positive and of sum one; empty if the noise functions leave nothing
    floors, scales, shares : f, r and s of every neuron
    """

    psi_p: float
    mu: FloatArray
    weight: FloatArray
    rest: FloatArray
    floors: FloatArray
    scales: FloatArray
    shares: FloatArray

    @classmethod
    def of(cls, gram: ExactKernelGram) -> NeuronFloorsGram:
        """The neurons whose mean is the floor of the exact kernel."""
        equations, moments = gram.equations, gram.moments
        found, rest = moments.shares, moments.rest
        linear = found.linear if rest.size else np.zeros_like(found.linear)
        return cls(
            gram.psi_p,
            equations.mu,
            equations.weight,
            rest,
            np.maximum(found.left - linear, 0.0),
            found.scale,
            linear,
        ).with_means(gram.s2)

    def with_means(self, floor: float) -> NeuronFloorsGram:
        """The same with a mean of f + s that is given, and a mean of r that is one."""
        left = float(self.floors.mean() + self.shares.mean())
        share = floor / left if left > 0.0 else 0.0
        return replace(
            self,
            floors=share * self.floors,
            scales=self.scales / self.scales.mean(),
            shares=share * self.shares,
        )

    @property
    def mean(self) -> float:
        """The mean eigenvalue."""
        seen = float(self.mu @ self.weight) * float(self.scales.mean())
        return float(self.floors.mean() + self.shares.mean()) + seen

    def part(self, number: int, of: int) -> NeuronFloorsGram:
        """The same with every `of`-th neuron only."""
        chosen = slice(number, None, of)
        floor = float(self.floors.mean() + self.shares.mean())
        return replace(
            self,
            floors=self.floors[chosen],
            scales=self.scales[chosen],
            shares=self.shares[chosen],
        ).with_means(floor)

    def potential(self, z: ComplexArray) -> Potential:
        """Φ and q at flat points with Im z > 0."""
        return Potential(
            *_potentials(
                np.ascontiguousarray(z),
                self.mu,
                self.weight,
                self.rest,
                self.floors,
                self.scales,
                self.shares,
                self.psi_p,
                self.mean,
            )
        )


@kernel(fastmath=REORDERED)
def _pull(hr, hi, mu, weight):
    """Σ w μ/(1 + hμ) and its derivative along h, and Σ w |μ/(1 + hμ)|."""
    ar = ai = dr = di = size = 0.0
    for j in range(mu.size):
        real, imag = 1.0 + hr * mu[j], hi * mu[j]
        scale = mu[j] / (real * real + imag * imag)
        tr, ti = real * scale, -imag * scale
        ar += weight[j] * tr
        ai += weight[j] * ti
        dr -= weight[j] * (tr * tr - ti * ti)
        di -= weight[j] * 2.0 * tr * ti
        size += weight[j] * np.sqrt(mu[j] * scale)
    return complex(ar, ai), complex(dr, di), size


@kernel(fastmath=REORDERED)
def _averages(z, a, b, floors, scales, shares):
    """⟨g⟩, ⟨gr⟩, ⟨gs⟩, ⟨g²r²⟩, ⟨g²rs⟩, ⟨g²s²⟩, and ⟨|g|r⟩, ⟨|g|s⟩."""
    q = one = two = both = first = second = complex(0.0, 0.0)
    size_one = size_two = 0.0
    for i in range(floors.size):
        r, s = scales[i], shares[i]
        d = floors[i] - z + r * a + s * b
        square = d.real * d.real + d.imag * d.imag
        g = complex(d.real, -d.imag) * (1.0 / square)
        q += g
        one += g * r
        two += g * s
        gg = g * g
        first += gg * (r * r)
        both += gg * (r * s)
        second += gg * (s * s)
        size = np.sqrt(1.0 / square)
        size_one += size * r
        size_two += size * s
    n = 1.0 / floors.size
    return q * n, one * n, two * n, first * n, both * n, second * n, size_one * n, size_two * n


@kernel
def _inverse(z):
    """1/z."""
    return complex(z.real, -z.imag) * (1.0 / (z.real * z.real + z.imag * z.imag))


@kernel
def _newton(z, h, t, mu, weight, rest, ones, floors, scales, shares, psi_p, max_steps):
    """Newton in log h and log h' (t here; it stays as it is without rest modes).

    Returns h, t, error bound of both and status.
    """
    eps = 2.220446049250313e-16
    single = rest.size == 0
    extra = False
    error = np.inf
    for _ in range(max_steps):
        a, da, size_a = _pull(h.real, h.imag, mu, weight)
        b, db, size_b = _pull(t.real, t.imag, rest, ones)
        _, one, two, first, both, second, size_one, size_two = _averages(
            z, a, b, floors, scales, shares
        )
        # Equations over h and h' themselves, and their derivatives along the logarithms.
        ih = _inverse(h)
        f0 = 1.0 / psi_p - one * ih
        j00, j01 = 1.0 / psi_p - f0 + first * da, both * db * t * ih
        f1, j10, j11 = complex(0.0, 0.0), complex(0.0, 0.0), complex(1.0, 0.0)
        noise = (size_one + abs(first) * size_a) * abs(ih)
        if not single:
            it = _inverse(t)
            f1 = 1.0 / psi_p - two * it
            j10, j11 = both * da * h * it, 1.0 / psi_p - f1 + second * db
            noise = max(noise, (size_two + abs(second) * size_b) * abs(it))
        else:
            j01 = complex(0.0, 0.0)
        inverse = _inverse(j00 * j11 - j01 * j10)
        s0, s1 = (j01 * f1 - j11 * f0) * inverse, (j10 * f0 - j00 * f1) * inverse
        length = max(abs(s0), abs(s1))
        if not np.isfinite(length):
            return h, t, np.inf, 3
        gain = (abs(j00) + abs(j01) + abs(j10) + abs(j11)) * abs(inverse)
        rounding = (8.0 + np.sqrt(floors.size + mu.size)) * eps * (noise + 1.0 / psi_p) * gain
        error = 4.0 * (length + rounding)
        if extra:
            break
        if length > 1.0:
            s0, s1 = s0 / length, s1 / length
        h = h * np.exp(s0)
        t = t * np.exp(s1)
        extra = length < 1e-9 or length < 0.25 * rounding < 1e-6
    if not (h.imag > 0.0 and (single or t.imag > 0.0)):
        return h, t, error, 2
    if not extra:
        return h, t, error, 1
    return h, t, error, 0 if error < 1e-6 else 4


@kernel
def _continued(z, mu, weight, rest, ones, floors, scales, shares, psi_p, mean):
    """Follow the root down from a large imaginary part."""
    height = 50.0 * (abs(z) + mean)
    lift = complex(0.0, height)
    start = _inverse(-(z + lift)) * psi_p
    h, t = start * np.mean(scales), start * np.mean(shares)
    if rest.size == 0:
        t = complex(0.0, 1.0)
    h, t, error, status = _newton(
        z + lift, h, t, mu, weight, rest, ones, floors, scales, shares, psi_p, 60
    )
    factor = 0.3
    for _ in range(600):
        lower = height * factor if height * factor > 0.1 * z.imag else 0.0
        u, v, error, status = _newton(
            z + complex(0.0, lower), h, t,
            mu, weight, rest, ones, floors, scales, shares, psi_p, 25,
        )  # fmt: skip
        if status == 0:
            h, t, height = u, v, lower
            factor = max(factor * factor, 0.03)
            if height == 0.0:
                break
        else:
            factor = np.sqrt(factor)
            if factor > 0.999:
                break
    return h, t, error, status if height == 0.0 else max(status, 1)


@kernel
def _logarithms(h, mu, weight):
    """Σ w log(1 + hμ)."""
    total = complex(0.0, 0.0)
    for j in range(mu.size):
        total += weight[j] * np.log(1.0 + h * mu[j])
    return total


@kernel
def _stationary(z, h, t, mu, weight, rest, ones, floors, scales, shares, psi_p):
    """Φ and q at a solution."""
    a, _, _ = _pull(h.real, h.imag, mu, weight)
    b, _, _ = _pull(t.real, t.imag, rest, ones)
    total = q = complex(0.0, 0.0)
    for i in range(floors.size):
        d = floors[i] - z + scales[i] * a + shares[i] * b
        total += np.log(d)
        q += _inverse(d)
    total *= 1.0 / floors.size
    total += (_logarithms(h, mu, weight) - h * a) * (1.0 / psi_p)
    total += (_logarithms(t, rest, ones) - t * b) * (1.0 / psi_p)
    return total, q * (1.0 / floors.size)


@kernel
def _potentials(z, mu, weight, rest, floors, scales, shares, psi_p, mean):
    """Φ and q along the points in order, each started from its predecessor."""
    value = np.full(z.size, complex(np.nan, np.nan))
    transform = np.full(z.size, complex(np.nan, np.nan))
    error = np.full(z.size, np.inf)
    status = np.empty(z.size, dtype=np.int8)
    ones = np.ones(rest.size)
    warm = False
    h = t = complex(0.0, 0.0)
    for i in range(z.size):
        found = 1
        if warm:
            # Off the real axis, from which a start inside a gap never gets away.
            u = complex(h.real, max(h.imag, 1e-6 * abs(h)))
            v = complex(t.real, max(t.imag, 1e-6 * abs(t)))
            u, v, bound, found = _newton(
                z[i], u, v, mu, weight, rest, ones, floors, scales, shares, psi_p, 12
            )
        if found != 0:
            u, v, bound, found = _continued(
                z[i], mu, weight, rest, ones, floors, scales, shares, psi_p, mean
            )
        warm = found == 0
        status[i] = found
        if warm:
            h, t = u, v
            error[i] = bound
            value[i], transform[i] = _stationary(
                z[i], h, t, mu, weight, rest, ones, floors, scales, shares, psi_p
            )
    return value, transform, error, status
