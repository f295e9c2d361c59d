"""Pairs of networks on disjoint data: their data, their exact predictions, killed and resumed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from validation.experiments.pairs import memorisation  # noqa: E402
from validation.harness.experiment import Setup, Task, packed  # noqa: E402
from validation.harness.records import ForeignRecordsError  # noqa: E402
from validation.networks import examination as examined  # noqa: E402
from validation.networks import pairs  # noqa: E402

FIELD = {"n": 8, "width": 4, "optimiser": "adam", "exponent": 2.0, "source": "field",
         "rank": 0, "draw": 0, "steps": 12}  # fmt: skip
MIXTURE = {"n": 16, "width": 8, "optimiser": "sgd", "dimension": 4, "source": "mixture",
           "rank": 0, "draw": 1, "steps": 40}  # fmt: skip


@pytest.mark.parametrize("settings", [FIELD, MIXTURE], ids=["field", "mixture"])
def test_data_sets_of_a_pair_and_its_test_samples_are_disjoint(
    settings: dict[str, Any], tmp_path: Path
) -> None:
    setup = Setup(0, "cpu", tmp_path)
    found = memorisation.pair(Task("a", settings), setup)
    rows = np.concatenate([found.own[0], found.own[1], found.test]).reshape(
        2 * settings["n"] + len(found.test), -1
    )
    assert len(np.unique(rows, axis=0)) == len(rows)
    again = memorisation.pair(Task("a", settings), setup)
    np.testing.assert_array_equal(found.own, again.own)
    other = memorisation.pair(Task("a", {**settings, "draw": 7}), setup)
    assert not np.isin(other.own.ravel(), found.own.ravel()).any()


@pytest.mark.parametrize("source", ["digits", "field", "mixture"])
def test_tasks_of_both_scales_are_pairs_with_three_draws_of_the_main_series(source: str) -> None:
    for tasks in (memorisation.tasks(source), memorisation.long_tasks(source)):
        assert len({task.key for task in tasks}) == len(tasks)
        first = tasks[0].settings
        same = [
            task
            for task in tasks
            if {k: v for k, v in task.settings.items() if k not in ("draw", "rank")}
            == {k: v for k, v in first.items() if k not in ("draw", "rank")}
        ]
        assert [task.settings["draw"] for task in same] == [0, 1, 2]
        sizes = {t.settings["n"] for t in tasks if t.settings["width"] == first["width"]}
        assert max(sizes) / min(sizes) >= 16
        for task in tasks:
            course = memorisation.course(task.settings)
            assert course.least <= course.steps == course.milestones[-1]


@pytest.mark.parametrize("source", ["field", "mixture"])
def test_exact_noise_predictions_have_the_least_loss(source: str) -> None:
    # E|prediction - noise|^2 is least at the posterior mean: any factor or shift makes it larger,
    # by the square of the change, and the error of the exact one is orthogonal to it.
    rng = np.random.default_rng(0)
    setup = Setup(0, "cpu", Path())
    settings = {**(FIELD if source == "field" else MIXTURE), "n": 10_000}
    found = memorisation.pair(Task("a", settings), setup)
    level = memorisation.measured_level(source)
    signal, delta = memorisation._at(level, source)
    assert found.exact is not None
    x = found.own.reshape(-1, *found.own.shape[2:])
    noise = rng.standard_normal(x.shape)
    noised = np.sqrt(signal) * x + np.sqrt(delta) * noise
    predicted = found.exact(noised, level)
    per_sample = (predicted * (predicted - noise)).reshape(len(x), -1).mean(axis=1)
    assert abs(per_sample.mean()) < 4.0 * per_sample.std() / np.sqrt(len(x))


@pytest.mark.parametrize("settings", [FIELD, MIXTURE], ids=["field", "mixture"])
def test_a_pair_that_was_killed_ends_as_the_uninterrupted_one_bit_for_bit(
    settings: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.set_num_threads(1)
    for name, count in (("_POINTS", 16), ("_GENERATED", 8), ("_SAMPLER_STEPS", 2)):
        monkeypatch.setattr(examined, name, {"unet": count, "mlp": count})
    monkeypatch.setattr(pairs, "_SAVED", 2)
    task = Task("pair", settings)
    whole = memorisation.measure("a", task, Setup(0, "cpu", tmp_path))
    keep = pairs._keep
    saved = [0]

    def until_killed(*arguments: Any) -> None:
        keep(*arguments)
        saved[0] += 1
        if saved[0] % 3 == 0:
            raise KeyboardInterrupt

    monkeypatch.setattr(pairs, "_keep", until_killed)
    broken, kills = None, 0
    while broken is None:
        try:
            broken = memorisation.measure("b", task, Setup(0, "cpu", tmp_path))
        except KeyboardInterrupt:
            kills += 1
    assert kills >= 2
    assert broken == whole
    assert not list(tmp_path.iterdir())


def test_a_broken_checkpoint_is_refused_and_kept(tmp_path: Path) -> None:
    task, setup = Task("pair", MIXTURE), Setup(0, "cpu", tmp_path)
    path = setup.checkpoint("a", task)
    path.write_bytes(b"no checkpoint")
    with pytest.raises(ForeignRecordsError, match="remove it first"):
        memorisation.measure("a", task, setup)
    assert path.read_bytes() == b"no checkpoint"


def test_records_of_a_pair_become_curves_of_its_networks() -> None:
    records = [{"step": k, "test": [0.1 * k, 0.2 * k]} for k in (0, 8)]
    assert memorisation.values(records) == {
        "step": [0, 8],
        "test": packed([[0.0, 0.0], [0.8, 1.6]], 5),
    }
