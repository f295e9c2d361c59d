"""Training: milestones, determinism, resuming, and refusals."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import rmtspec as rs

torch = pytest.importorskip("torch", reason="training needs PyTorch")
torch.set_num_threads(1)

from validation.curves.feature_flow import FeatureFlow  # noqa: E402
from validation.harness.records import ForeignRecordsError  # noqa: E402
from validation.measures.scores import denoising_loss  # noqa: E402
from validation.networks.diffusion import Levels  # noqa: E402
from validation.networks.layers import LinearNet, RandomFeatureNet, ResidualMLP  # noqa: E402
from validation.networks.training import Plan, milestones, train  # noqa: E402
from validation.networks.unet import UNet  # noqa: E402

_LEVELS = Levels.of(rs.NoiseSchedule.linear(10, last=0.3), dtype=torch.float32)


def _data(*shape: int) -> torch.Tensor:
    return torch.tensor(np.random.default_rng(0).standard_normal(shape), dtype=torch.float32)


class _KilledError(Exception):
    pass


def _killed_at(step: int) -> Callable[[int], None]:
    def progress(done: int) -> None:
        if done == step:
            raise _KilledError

    return progress


def _measure(net: torch.nn.Module, step: int) -> dict[str, float]:
    # Draws from the global generator too: it must not reach the training.
    torch.rand(step + 1)
    generator = torch.Generator().manual_seed(step)
    return {"loss": denoising_loss(net, _data(6, 4), _LEVELS, 3, generator).value}


_RUNS: dict[str, tuple[Callable[[], torch.nn.Module], Plan, tuple[int, ...]]] = {
    "momentum, mini-batch": (
        lambda: ResidualMLP(4, 8, classes=2, seed=1),
        Plan(steps=11, rate=0.01, momentum=0.9, batch=3, noises=2, seed=3),
        (6, 4),
    ),
    "adam": (
        lambda: ResidualMLP(4, 8, classes=2, seed=1),
        Plan(steps=11, rate=0.01, optimiser="adam", seed=3),
        (6, 4),
    ),
    "dropout": (
        lambda: UNet(2, 4, multipliers=(1, 2), attention=(False, True), dropout=0.5, classes=2),
        Plan(steps=11, rate=0.01, optimiser="adam", batch=4, seed=3),
        (6, 2, 2),
    ),
}


@pytest.mark.parametrize("name", _RUNS)
@pytest.mark.parametrize("killed", [1, 4, 5, 10])
def test_a_resumed_run_ends_as_the_uninterrupted_one_bit_for_bit(
    name: str, killed: int, tmp_path: Path
) -> None:
    make, plan, shape = _RUNS[name]
    measure = _measure if name != "dropout" else lambda *_: {"drawn": float(torch.rand(1).shape[0])}
    data, labels, at = _data(*shape), torch.arange(6) % 2, (0, 5, 11)
    whole = make()
    expected = train(whole, data, _LEVELS, plan, measure, at, labels=labels)

    path = tmp_path / "state.pt"
    with pytest.raises(_KilledError):
        train(
            make(),
            data,
            _LEVELS,
            plan,
            measure,
            at,
            labels=labels,
            checkpoint=path,
            every=3,
            progress=_killed_at(killed),
        )
    torch.manual_seed(99)
    again = make()
    records = train(
        again, data, _LEVELS, plan, measure, at, labels=labels, checkpoint=path, every=3
    )
    assert records == expected
    for mine, theirs in zip(again.parameters(), whole.parameters(), strict=True):
        assert torch.equal(mine, theirs)
    finished = make()
    assert train(finished, data, _LEVELS, plan, measure, at, labels=labels, checkpoint=path) == (
        expected
    )
    assert [file.name for file in tmp_path.iterdir()] == ["state.pt"]


def test_training_leaves_the_global_generator_alone_and_does_not_hear_it() -> None:
    make, plan, shape = _RUNS["dropout"]
    results = []
    for seed in (1, 2):
        torch.manual_seed(seed)
        state = torch.get_rng_state()
        net = make()
        train(net, _data(*shape), _LEVELS, plan, lambda *_: {}, (11,))
        assert torch.equal(torch.get_rng_state(), state)
        results.append(torch.cat([weight.flatten() for weight in net.parameters()]))
    assert torch.equal(*results)


def test_measuring_more_often_changes_nothing() -> None:
    make, plan, shape = _RUNS["dropout"]
    results = []
    for at in ((11,), tuple(range(12))):
        net = make()
        train(net, _data(*shape), _LEVELS, plan, lambda *_: {"x": float(torch.rand(1))}, at)
        results.append(torch.cat([weight.flatten() for weight in net.parameters()]))
    assert torch.equal(*results)


def test_another_seed_is_another_run() -> None:
    results = []
    for seed in (0, 1):
        net = LinearNet(4, dtype=torch.float32)
        train(net, _data(6, 4), _LEVELS, Plan(5, 0.1, seed=seed), lambda *_: {}, (5,))
        results.append(net.weight.detach())
    assert not torch.equal(*results)


def test_descent_follows_the_exact_loss_of_its_steps() -> None:
    # Fresh noise makes the weights fluctuate: the loss exceeds the exact one by O(step/noises).
    # The step is chosen so that this is below the error of the measured loss.
    d, n, p, t, step = 24, 48, 72, 0.1, 0.02
    rng = np.random.default_rng(2)
    x = rng.standard_normal((n, d))
    net = RandomFeatureNet(d, p, t, seed=4)
    flow = FeatureFlow(net.frozen.numpy(), x, t)
    levels = Levels.of(rs.NoiseSchedule.at_times([t]))
    data = torch.tensor(x)

    def measure(trained: torch.nn.Module, done: int) -> dict[str, float]:
        generator = torch.Generator().manual_seed(1000 + done)
        loss = denoising_loss(trained, data, levels, 1, generator, noises=200)
        return {"loss": loss.value, "error": loss.noise_error}

    plan = Plan(steps=400, rate=net.rate(step), noises=10, level=1)
    for record in train(net, data, levels, plan, measure, (0, 20, 100, 400)):
        exact = float(flow.train_loss(record["step"] * step, step=step))
        assert abs(record["loss"] - exact) < 5.0 * record["error"]
        assert record["error"] < 0.003
    # The last milestone is past the first bulk: the comparison is not one of losses near 1.
    assert exact < 0.85


def test_first_update_of_adam_has_the_size_of_the_rate() -> None:
    net = LinearNet(4, dtype=torch.float32)
    train(net, _data(6, 4), _LEVELS, Plan(1, 0.01, "adam"), lambda *_: {}, (1,))
    # Gradients of order 0.01 and more against Adam's 1e-8.
    size = net.weight.detach().abs()
    torch.testing.assert_close(size, torch.full((1, 4, 4), 0.01), rtol=1e-4, atol=0.0)


@pytest.mark.parametrize(("dropout", "moved"), [(0.0, [True, False]), (1.0, [False, True])])
def test_labels_are_dropped_in_their_share(dropout: float, moved: list[bool]) -> None:
    net = ResidualMLP(4, 8, classes=2, seed=1)
    before = net.label.weight.detach().clone()
    plan = Plan(3, 0.1, label_dropout=dropout)
    train(net, _data(6, 4), _LEVELS, plan, lambda *_: {}, (3,), labels=torch.arange(6) % 2)
    change = (net.label.weight.detach() - before).abs().sum(dim=1)
    assert [bool(change[:2].all()), bool(change[2])] == moved


def test_a_batch_holds_every_sample_at_most_once() -> None:
    # Samples far apart, nearly without noise: each is told from its noised copy.
    seen: list[list[int]] = []

    class Spy(LinearNet):
        def forward(self, x: torch.Tensor, k: torch.Tensor) -> torch.Tensor:
            seen.append([round(value) for value in x[:, 0].tolist()])
            return super().forward(x, k)

    levels = Levels.of(rs.NoiseSchedule.at_times([1e-6]), dtype=torch.float32)
    data = torch.arange(10.0)[:, None].repeat(1, 2)
    net = Spy(2, dtype=torch.float32)
    train(net, data, levels, Plan(40, 1e-6, batch=4, noises=2), lambda *_: {}, (40,))
    assert all(len(batch) == 8 and len(set(batch)) == 4 for batch in seen)
    assert all(batch[::2] == batch[1::2] for batch in seen)
    counts = np.bincount(np.concatenate(seen), minlength=10) / 2
    # 40 draws with chance 0.4: five standard deviations.
    assert np.all(np.abs(counts - 16.0) < 5.0 * np.sqrt(40 * 0.4 * 0.6))


def test_milestones_are_spread_in_the_logarithm_and_hold_both_ends() -> None:
    at = milestones(10_000, 9, first=1)
    assert at == (0, 1, 3, 10, 32, 100, 316, 1000, 3162, 10_000)
    assert milestones(3, 20) == (0, 1, 2, 3)
    assert milestones(1, 2) == (0, 1)


def test_foreign_and_broken_checkpoints_are_refused_and_kept(tmp_path: Path) -> None:
    path = tmp_path / "state.pt"
    data = _data(6, 4)

    def run(plan: Plan, x: torch.Tensor = data, net: torch.nn.Module | None = None) -> None:
        net = LinearNet(4, dtype=torch.float32) if net is None else net
        train(net, x, _LEVELS, plan, lambda *_: {}, (4,), checkpoint=path)

    run(Plan(4, 0.1))
    written = path.read_bytes()
    with pytest.raises(ForeignRecordsError, match="another rate"):
        run(Plan(4, 0.2))
    with pytest.raises(ForeignRecordsError, match="another data"):
        run(Plan(4, 0.1), data + 1.0)
    with pytest.raises(ForeignRecordsError, match="another network"):
        run(Plan(4, 0.1), net=ResidualMLP(4, 8))
    assert path.read_bytes() == written
    for content in (b"", b"no archive", written[: len(written) // 2]):
        path.write_bytes(content)
        with pytest.raises(ForeignRecordsError, match="remove it first"):
            run(Plan(4, 0.1))
        assert path.read_bytes() == content


def test_a_rate_that_diverges_is_reported() -> None:
    net = LinearNet(4, dtype=torch.float32)
    with pytest.raises(FloatingPointError, match=r"rate 100\.0 is too large"):
        train(net, _data(6, 4), _LEVELS, Plan(600, 100.0), lambda *_: {}, (600,))


@pytest.mark.parametrize(
    ("wrong", "name"),
    [
        ({"steps": -1}, "steps"),
        ({"rate": 0.0}, "rate"),
        ({"optimiser": "gd"}, "optimiser"),
        ({"momentum": 1.0}, "momentum"),
        ({"momentum": 0.5, "optimiser": "adam"}, "momentum"),
        ({"batch": 0}, "batch"),
        ({"noises": 0}, "noises"),
        ({"level": 0}, "level"),
        ({"label_dropout": 1.5}, "label_dropout"),
        ({"seed": -1}, "seed"),
    ],
)
def test_wrong_plans_are_named(wrong: dict[str, object], name: str) -> None:
    with pytest.raises(ValueError, match=name):
        Plan(**{"steps": 5, "rate": 0.1, **wrong})  # type: ignore[arg-type]


def test_wrong_runs_are_named() -> None:
    net, data = LinearNet(4, dtype=torch.float32), _data(6, 4)
    with pytest.raises(ValueError, match="ascending"):
        train(net, data, _LEVELS, Plan(5, 0.1), lambda *_: {}, (3, 1))
    with pytest.raises(ValueError, match=r"in \[0, 5\]"):
        train(net, data, _LEVELS, Plan(5, 0.1), lambda *_: {}, (6,))
    with pytest.raises(ValueError, match=r"in \[1, 10\]"):
        train(net, data, _LEVELS, Plan(5, 0.1, level=11), lambda *_: {}, (5,))
    with pytest.raises(ValueError, match="at least one sample"):
        train(net, data[:0], _LEVELS, Plan(5, 0.1), lambda *_: {}, (5,))
