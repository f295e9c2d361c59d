"""Updates of networks that PyTorch has compiled: slow, for the compiler takes half a minute."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")

import rmtspec as rs  # noqa: E402
from validation.networks.diffusion import Levels  # noqa: E402
from validation.networks.pairs import LEVELS, Course, Crowd, Pair  # noqa: E402

# Sums of about a thousand rounded products.
SINGLE = 1e-5


def _crowd() -> Crowd:
    course = Course("mlp", 3, 8, 6, False, "sgd", 1e-2, 0.9, steps=12, least=2)
    rng = np.random.default_rng(6)
    pair = Pair("pair", rng.standard_normal((2, 4, 3)), rng.standard_normal((9, 3)), 1)
    schedule = rs.NoiseSchedule.linear(LEVELS, 1e-3, 0.2)
    return Crowd(course, [pair], Levels.of(schedule, dtype=torch.float32), 10, seed=7)


@pytest.mark.slow
# PyTorch's own modules warn of each other when they are first imported to compile.
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_compiled_update_is_the_plain_one_but_for_rounding_and_is_taken_up_bit_for_bit(
    capsys: pytest.CaptureFixture[str],
) -> None:
    plain, compiled, again = (_crowd() for _ in range(3))
    compiled.compile()
    if "not compiled" in capsys.readouterr().out:
        pytest.skip("torch.compile does not work on this machine")
    start = plain.networks.flat.clone()
    for crowd in (plain, compiled):
        crowd.advance(3)
    torch.testing.assert_close(compiled.loss, plain.loss, rtol=SINGLE, atol=0.0)
    moved = plain.networks.flat - start
    off = (compiled.networks.flat - plain.networks.flat).norm() / moved.norm()
    # Not zero, or nothing was compiled.
    assert 0.0 < off < SINGLE
    state = {k: v.clone() if torch.is_tensor(v) else v for k, v in compiled.state().items()}
    compiled.advance(3)
    again.compile()
    again.restore(state)
    again.advance(3)
    assert torch.equal(again.networks.flat, compiled.networks.flat)
