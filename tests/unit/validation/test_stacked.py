"""Many networks side by side are the networks one by one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

import rmtspec as rs  # noqa: E402
from validation.networks import direct  # noqa: E402
from validation.networks.crowds import Work, grant, run_crowds  # noqa: E402
from validation.networks.diffusion import Levels  # noqa: E402
from validation.networks.layers import ResidualMLP  # noqa: E402
from validation.networks.pairs import LEVELS, Course, Crowd, Pair  # noqa: E402
from validation.networks.stacked import Stacked, _for_products  # noqa: E402
from validation.networks.unet import UNet  # noqa: E402

# Sums of about a thousand rounded products.
SINGLE = 1e-5


def _networks(build: Callable[[int], torch.nn.Module]) -> list[torch.nn.Module]:
    networks = [build(seed) for seed in (1, 2, 3)]
    generator = torch.Generator().manual_seed(4)
    with torch.no_grad():
        # The silent last layers of a U-Net would hide whatever lies before them.
        for weight in (w for net in networks for w in net.parameters()):
            weight.add_(0.1 * torch.randn(weight.shape, generator=generator))
    return networks


@pytest.mark.parametrize("samples", [6, 64])  # products of matrices; loops in C
@pytest.mark.parametrize(
    ("build", "shape"),
    [
        (lambda seed: UNet(8, 4, blocks=1, clock=10.0, seed=seed), (8, 8)),
        (lambda seed: UNet(4, 8, multipliers=(1, 2), attention=(True, False), seed=seed), (4, 4)),
        (lambda seed: ResidualMLP(5, 16, clock=10.0, seed=seed), (5,)),
    ],
)
def test_side_by_side_networks_predict_and_descend_as_each_alone(
    build: Callable[[int], torch.nn.Module], shape: tuple[int, ...], samples: int
) -> None:
    networks = _networks(build)
    together = Stacked(networks)
    generator = torch.Generator().manual_seed(5)
    x, noise = torch.randn((2, 3, samples, *shape), generator=generator)
    k = torch.randint(1, 101, (3, samples), generator=generator)

    predicted = together(x, k)
    loss = (predicted - noise).square().flatten(1).mean(dim=1).sum()
    gradients = together._views(together.gradient(loss))

    for row, network in enumerate(networks):
        alone = network(x[row], k[row])
        torch.testing.assert_close(predicted[row], alone, rtol=SINGLE, atol=SINGLE)
        torch.nn.functional.mse_loss(alone, noise[row]).backward()
        for name, weight in network.named_parameters():
            found, expected = gradients[name][row], _for_products(network, weight.grad)
            torch.testing.assert_close(found, expected, rtol=20 * SINGLE, atol=SINGLE)


def _course(optimiser: str = "adam", **changes: int) -> Course:
    momentum = 0.9 if optimiser == "sgd" else 0.0
    sizes = {"size": 3, "width": 8, "batch": 6, "steps": 12, "least": 2, **changes}
    return Course("mlp", full=False, optimiser=optimiser, rate=1e-2, momentum=momentum, first=2,
                  **sizes)  # fmt: skip


def _pairs(count: int) -> list[Pair]:
    rng = np.random.default_rng(6)
    return [
        Pair(f"pair {i}", rng.standard_normal((2, 4 + i, 3)), rng.standard_normal((9, 3)), i)
        for i in range(count)
    ]


def _levels(device: torch.device | str = "cpu") -> Levels:
    schedule = rs.NoiseSchedule.linear(LEVELS, 1e-3, 0.2)
    return Levels.of(schedule, dtype=torch.float32, device=device)


@pytest.mark.parametrize("optimiser", ["adam", "sgd"])
def test_crowd_descends_as_the_optimiser_of_torch(optimiser: str) -> None:
    crowd = Crowd(_course(optimiser), _pairs(1), _levels(), 10, seed=7)
    weight = crowd.networks.flat.clone().requires_grad_()
    other: torch.optim.Optimizer = torch.optim.Adam([weight], lr=1e-2)
    if optimiser == "sgd":
        other = torch.optim.SGD([weight], lr=1e-2, momentum=0.9)
    generator = torch.Generator().manual_seed(8)
    for _ in range(4):
        weight.grad = torch.randn(weight.shape, generator=generator)
        crowd._descend(weight.grad.clone())
        other.step()
    torch.testing.assert_close(crowd.networks.flat, weight.detach(), rtol=1e-5, atol=1e-7)


def test_crowd_taken_up_from_a_state_goes_on_bit_for_bit() -> None:
    straight = Crowd(_course(), _pairs(2), _levels(), 10, seed=7)
    straight.advance(3)
    state = {k: v.clone() if torch.is_tensor(v) else v for k, v in straight.state().items()}
    straight.advance(4)
    again = Crowd(_course(), _pairs(2), _levels(), 10, seed=7)
    again.restore(state)
    again.advance(4)
    assert torch.equal(straight.networks.flat, again.networks.flat)
    assert straight.examine() == again.examine()


def test_networks_of_a_pair_agree_until_their_data_part_them() -> None:
    crowd = Crowd(_course(), _pairs(2), _levels(), 10, seed=7)
    before = crowd.examine()[0]
    assert before["distance"] == [0.0, 0.0]
    assert before["apart"] == [0.0, 0.0]
    crowd.advance(5)
    after = crowd.examine()[0]
    assert after["distance"][0] == after["distance"][1] > 0.0
    assert after["train"][0] != after["train"][1]


def _work(name: str, **changes: int) -> Work:
    course = _course(**changes)
    return Work(name, course, _pairs(1), _levels, 10, 9)


def test_first_works_get_their_least_before_any_gets_more() -> None:
    works = [_work("a"), _work("b", least=10), _work("c")]
    for work in works:
        work.alone = 1.0
    grant(works, 9.0)
    # 2 + 2 of 9 are the least of the first and the last; of the rest each gets a quarter of 10.
    assert [work.granted for work in works] == [4, 0, 4]
    assert works[1].problem.startswith("left out: its 10 updates take 10 s")


def test_crowds_end_at_their_last_milestone_and_report_every_one() -> None:
    works = [_work("a"), _work("b", steps=6)]
    seen: dict[str, list[int]] = {}

    def report(key: str, records: list[dict[str, Any]], seconds: float) -> None:
        seen[key] = [record["step"] for record in records]

    run_crowds(works, 60.0, "cpu", report, say=lambda text: None)
    assert [[r["step"] for r in work.records[0]] for work in works] == [
        work.course.milestones for work in works
    ]
    assert seen["pair 0"] in [work.course.milestones for work in works]


def test_crowds_without_time_say_that_they_were_left_out() -> None:
    work = _work("a")
    run_crowds([work], 1e-9, "cpu", lambda *_: None, say=lambda text: None)
    assert work.problem.startswith("left out")


def _pictures() -> tuple[Stacked, torch.Tensor, torch.Tensor]:
    together = Stacked(_networks(lambda seed: UNet(8, 4, blocks=1, clock=10.0, seed=seed)))
    generator = torch.Generator().manual_seed(5)
    x = torch.randn((3, 64, 8, 8), generator=generator)
    return together, x, torch.randint(1, 101, (3, 64), generator=generator)


def _slopes(together: Stacked, x: torch.Tensor, k: torch.Tensor) -> torch.Tensor:
    return together.gradient((together(x, k) - x).square().sum()).clone()


def test_loops_in_c_have_the_gradients_of_the_products_and_the_same_bits_twice(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    together, x, k = _pictures()
    if direct._library() is None:
        pytest.skip("no C compiler")
    found = _slopes(together, x, k)
    assert torch.equal(found, _slopes(together, x, k))
    monkeypatch.setattr(direct, "serves", lambda _: False)
    off = (found - _slopes(together, x, k)).norm() / found.norm()
    # Not zero, or the loops were not used.
    assert 0.0 < off < SINGLE


def test_pictures_are_treated_without_a_c_compiler_too(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    together, x, k = _pictures()
    monkeypatch.setenv("PATH", "")
    direct._library.cache_clear()
    try:
        assert not direct.serves(x.movedim(1, -1)[:, None])
        assert "no loops in C" in capsys.readouterr().out
        assert torch.isfinite(_slopes(together, x, k)).all()
    finally:
        direct._library.cache_clear()
