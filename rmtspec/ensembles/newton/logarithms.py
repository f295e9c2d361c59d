"""Unknowns of Newton's method as logarithms, and where they go from one point to the next.

A number in the lower half plane is kept as the logarithm of its modulus, the distance `wall` of its
phase from the nearer of 0 and −π, and `far`, 1 if that is −π.
"""

from __future__ import annotations

import numpy as np

from ...solve.kernel import kernel

_REACH = 5.0  # spacings that a cubic is continued by
_FAR = 0.5  # change of a logarithm beyond which it is not trusted


@kernel
def reciprocal(x):
    scale = 1.0 / (x.real * x.real + x.imag * x.imag)
    return complex(x.real * scale, -x.imag * scale)


@kernel
def size(x):
    """|x|, of numbers whose squares are floats: a careful root takes as long as all else here."""
    return np.sqrt(x.real * x.real + x.imag * x.imag)


@kernel
def phase(log_modulus, wall, far):
    modulus = np.exp(log_modulus)
    return complex(modulus * np.cos(wall) * (1.0 - 2.0 * far), -modulus * np.sin(wall))


@kernel
def moved(wall, far, turn):
    """New distance from the nearer of the walls 0 and −π after the phase turned by `turn`."""
    moved = wall - turn * (1.0 - 2.0 * far)
    if moved <= 0.0:
        return 0.2 * wall, far
    if moved >= np.pi:
        return 0.2 * (np.pi - wall), 1.0 - far
    if moved > 0.5 * np.pi:
        return np.pi - moved, 1.0 - far
    return moved, far


@kernel
def polar(x):
    """log|x| and the phase of x as a distance from its wall, at least 1e-14."""
    angle = -np.arctan2(x.imag, x.real)
    far = 1.0 if angle > 0.5 * np.pi else 0.0
    wall = max(min(angle, np.pi - angle), 1e-14)
    return 0.5 * np.log(x.real * x.real + x.imag * x.imag), wall, far


@kernel
def inside(log_k, wall_k, far_k, log_y, wall_y, far_y, least):
    """A start for Newton's method that is this far from all walls at least."""
    return log_k, max(wall_k, least), far_k, log_y, max(wall_y, least), far_y


@kernel
def _cubic(change, before, slope, back, ahead):
    """How a function goes on ahead, from its change and slopes at the two ends of the way back."""
    inverse = reciprocal(back)
    chord, ratio = change * inverse, ahead * inverse
    bend = slope - chord + (ratio + 1.0) * (slope - 2.0 * chord + before)
    return ahead * (slope + ratio * bend)


@kernel
def _logarithm(log_modulus, wall, far):
    return complex(log_modulus, wall - np.pi if far > 0.0 else -wall)


@kernel
def foreseen(before, state, back, ahead):
    """Start for the next point, by Hermite's cubics through log k and log y of the two before it.

    Where the cubics do not reach, the last point is the start.
    """
    log_k, wall_k, far_k, log_y, wall_y, far_y = state[:6]
    if size(ahead) <= _REACH * size(back):
        change_k = _logarithm(*state[:3]) - _logarithm(*before[:3])
        change_y = _logarithm(*state[3:6]) - _logarithm(*before[3:6])
        step_k = _cubic(change_k, before[11], state[11], back, ahead)
        step_y = _cubic(change_y, before[12], state[12], back, ahead)
        if max(size(step_k), size(step_y)) <= _FAR:
            log_k, log_y = log_k + step_k.real, log_y + step_y.real
            wall_k, far_k = moved(wall_k, far_k, step_k.imag)
            wall_y, far_y = moved(wall_y, far_y, step_y.imag)
    return log_k, wall_k, far_k, log_y, wall_y, far_y
