"""A small U-Net on grey images: when it memorises, and how that grows with the number of images.

Small networks and few images, so that memorisation is reached on a laptop: the exponents are
reported with their errors and not judged, for a network near its capacity takes longer than in
proportion to n.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np

import rmtspec as rs
from validation.experiments.pairs import memorisation, networks_judged
from validation.harness.checks import Check, measured, power, within
from validation.harness.experiment import (
    Experiment,
    Figure,
    Growth,
    Outcome,
    Setup,
    Task,
    Values,
    packed,
    unpacked,
)
from validation.harness.machine import RequestError

_SIZES: dict[str, dict[str, Any]] = {
    "smoke": {"n": (16, 32), "channels": 8, "steps": 12, "side": 8, "generated": 32,
              "samplings": 2},
    "cpu": {"n": (8, 16, 32), "channels": 8, "steps": 1600, "side": 8, "generated": 256,
            "samplings": 8},
    # Of a folder; digits and fields have pairs that are trained together.
    "gpu": {"n": (128, 256, 512, 1024, 2048, 4096), "channels": 32, "steps": 100_000, "side": 16,
            "generated": 2048, "samplings": 12},
}  # fmt: skip
_READING = {
    "digits": (
        "What one may conclude. With 16 to 512 digits a U-Net needs the same number of updates to "
        "learn what the smallest set can teach (exponent -0.01(1)), and the more updates to "
        "memorise the more digits there are. How many more depends on the definition: a tenth of "
        "the samples copied grows like n^1.28(12) (16 to 256 digits), half of them only like "
        "n^0.6(1) (16 to 64 digits), the loss gap of a tenth like n^1.48(9), the half lean like "
        "n^1.50(5). Random features with one fitted number have 1.37 for that gap at these n; the "
        "exponent 1 is their limit of many features. With 16 digits the gap opens as the level is "
        "learned, not after it; from 32 to 512, where it comes after, it has n^1.63(5). "
        "At the scale long, of smaller U-Nets, width 16 copies a tenth like n^1.50(3) from 16 to "
        "128 digits; width 8 does like n^1.1(3) from 16 to 64 and not within 120 updates a sample "
        "above. The gap has n^1.58(9) and n^1.45(3) at widths 8 (16 to 256 digits) and 16 (16 to "
        "128), the half lean n^1.66(7) and n^1.28(5). So the gap does not grow faster than n "
        "because these networks are near what they can hold: at twice the width the exponent is "
        "the same within 0.11 at the same sizes; only that of the lean falls, by 0.28(12). Nor is "
        "it the optimiser: SGD has n^1.47(18) for that gap from 16 to 128 digits, Adam there "
        "n^1.45(10); a tenth is copied like n^1.06(23) and n^1.10(34) (16 to 64). The lean alone "
        "is moved: n^1.17(6) with SGD, less by 0.39(12). The lean on single digits is there well "
        "before the test loss is "
        "least: stopping at the least test loss leaves beta of a quarter at n = 512. Better losses "
        "take longer: nine tenths of each network's own best grows like n^0.7 to n^0.8, so that "
        "'tau_gen stays' holds for one level of loss. The width moves all times: with 64 digits a "
        "tenth is copied at W^-1.1(1) (widths 8 and 16; width 4 copies none), the half lean comes "
        "at W^-0.9(1), one level is learned at W^-1.7(4) and the gap opens at W^-0.5(1) (4 to 16). "
        "Distances between the two networks hold the noise of their training besides that of "
        "their data; beta does not.\n"
        "What one may not conclude: that the exponent is 1 or any other single number, or "
        "anything of larger images or of n above 512. Undecided: whether copies are near their "
        "capacity (a tenth of 64 digits or fewer has 1.1(3) at width 8 and 1.5(1) at width 16), "
        "and powers of the width beyond a factor of four."
    ),
    "field": (
        "What one may conclude. As for digits: one level of loss is learned in the same number of "
        "updates at 16 to 512 fields (exponent -0.02(2)), and memorisation comes later: a tenth "
        "copied like n^1.25(9) (16 to 256 fields), half of the samples like n^0.6(2), the gap "
        "like n^1.30(8), where random features with one fitted number have 1.25. The spectrum of "
        "the data moves one of the definitions: from fields with 64 effective dimensions to those "
        "with 13 the half lean falls from n^1.44(6) to n^1.17(8), at 16, 64 and 256 fields; for "
        "the gap no difference is seen, within an error of 0.4, and copies have 1.2(1) and 1.1(2) "
        "for the two steepest spectra. Variance between data sets overtakes bias before the least "
        "test loss for 128 fields or more, after it for 16 and 32, and at 64 the error leaves it "
        "open; in theory it is after it at every n. Distances between the two networks hold the "
        "noise of their training besides that of their data; beta does not. At the scale long, "
        "smaller U-Nets on 16 to 256 fields have n^1.5(1) for the half lean and n^1.4(1) for the "
        "gap; a tenth is copied like n^1.1(3) from 16 to 64 fields, and not within 100 updates a "
        "sample above.\n"
        "What one may not conclude: that the exponent is 1 or any other single number, or that "
        "random features give the window of these networks: fitted at n = 512, they have it three "
        "times too short at n = 128 and 256. Undecided: Adam against SGD, the width and capacity: "
        "one optimiser and one width were trained."
    ),
}
_LEVELS = 100
_MEASURED_TIME = 0.1
_TEST = 256
_EXPONENT = 2.0
_STOPS = 14
_MEMORISED = 0.2  # of the samples: this is where tau_mem is read off


def _plan(source: str, scale: str) -> list[Task]:
    if source != "folder" and scale in ("long", "gpu"):
        return memorisation.tasks(source) if scale == "gpu" else memorisation.long_tasks(source)
    sizes = dict(_SIZES[scale])
    counts = sizes.pop("n")
    if source == "digits":
        # There are 1797 digits, 8 x 8; some of them are kept for the test loss.
        sizes["side"] = 8
        counts = [n for n in counts if n <= 1024]
    work = sizes["steps"] * (0.003 if scale == "gpu" else 0.06)
    return [Task(f"n {n}", {"source": source, "n": n, **sizes}, work) for n in counts]


def _pictures(task: Task, setup: Setup) -> tuple[Any, Any]:
    """Training and test pictures."""
    from validation.data import images

    s, rng = task.settings, setup.rng("images", task.settings["source"])
    if s["source"] == "digits":
        found = images.digits()
    elif s["source"] == "field":
        found = images.random_field(max(s["n"], 64) + _TEST, s["side"], _EXPONENT, rng)
    else:
        found = _folder(setup, s["side"])
    test = min(_TEST, max(len(found.pixels) // 4, 1))
    # The test pictures first: they are the same for every n.
    try:
        held_out, own = found.split(test, s["n"], setup.rng("split", s["source"]))
    except ValueError as problem:
        raise RequestError(f"argument --images: {problem}") from None
    return own, held_out


def _folder(setup: Setup, side: int) -> Any:
    from validation.data import images

    assert setup.images is not None
    try:
        return images.folder(setup.images, side)
    except ValueError as problem:
        raise RequestError(f"argument --images: {problem}") from None


def _look_at_folder(setup: Setup) -> None:
    _folder(setup, 8)


def _measure(task: Task, setup: Setup) -> Values:
    import torch

    from validation.measures.samples import (
        convolution_features,
        frechet_distance,
        memorised_fraction,
    )
    from validation.measures.scores import denoising_loss
    from validation.networks.diffusion import Levels, ddim
    from validation.networks.training import Plan, milestones, train
    from validation.networks.unet import UNet

    s, device = task.settings, setup.device
    if "optimiser" in s:
        return memorisation.measure(f"unet-{s['source']}", task, setup)
    own, held_out = _pictures(task, setup)
    seed = setup.torch_seed("unet", s["source"], s["n"])
    data, test = (
        torch.tensor(part, dtype=torch.float32, device=device) for part in (own, held_out)
    )
    # The betas of 1000 steps, ten times as large: 100 levels reach nearly white noise.
    schedule = rs.NoiseSchedule.linear(_LEVELS, 1e-3, 0.2)
    levels = Levels.of(schedule, dtype=torch.float32, device=device)
    k = int(np.argmin(np.abs(np.asarray(schedule.t) - _MEASURED_TIME))) + 1
    network = UNet(s["side"], s["channels"], blocks=1, clock=1000.0 / _LEVELS, seed=seed).to(device)
    generator = torch.Generator(device=device)

    def generated() -> Any:
        shape = (s["generated"], s["side"], s["side"])
        start = torch.randn(shape, generator=generator.manual_seed(seed + 2), device=device)
        return ddim(network, levels, start, steps=25).double().cpu().numpy()

    def measure(net: Any, step: int) -> dict[str, float]:
        generator.manual_seed(seed + 1)
        repeats = max(1, 2 * _TEST // len(data))
        train_loss = denoising_loss(net, data, levels, k, generator, noises=repeats)
        test_loss = denoising_loss(net, test, levels, k, generator, noises=2)
        losses = {"train": train_loss.value, "test": test_loss.value}
        if step not in sampled:
            return losses
        found = memorised_fraction(generated(), own, setup.rng("bootstrap", task.key, step))
        return {**losses, "share": found.value, "low": found.low, "high": found.high}

    steps = s["steps"]
    stops = milestones(steps, _STOPS, first=min(8, steps))
    sampled = set(stops[-s["samplings"] :])
    plan = Plan(steps, 2e-3, "adam", batch=min(s["n"], 64), seed=seed)
    checkpoint = setup.checkpoint(f"unet-{s['source']}", task)
    records = train(network, data, levels, plan, measure, stops, checkpoint=checkpoint)
    network.eval()
    features = [convolution_features(np.asarray(part)) for part in (generated(), held_out)]
    checkpoint.unlink()
    return {
        "step": [r["step"] for r in records],
        "train": packed([r["train"] for r in records], 6),
        "test": packed([r["test"] for r in records], 6),
        "memorised": packed(
            [[r["step"], r["share"], r["low"], r["high"]] for r in records if "share" in r], 6
        ),
        "frechet": packed(frechet_distance(*features), 6),
    }


def _judge(outcomes: Sequence[Outcome]) -> list[Check]:
    if "optimiser" in outcomes[0].task.settings:
        return networks_judged.judge(outcomes)
    checks = []
    trained = outcomes[0].task.settings["steps"] >= 1000
    sizes, times = [], []
    for task, values in outcomes:
        n = task.settings["n"]
        table = unpacked(values["memorised"])
        test = unpacked(values["test"])
        best = values["step"][int(np.argmin(test))]
        checks.append(
            measured(f"n = {n}: memorised share at the end, step {table[-1, 0]:g}", table[-1, 1],
                     0.5 * (table[-1, 3] - table[-1, 2]) / 1.96,
                     note="nearest below a third of second nearest; bootstrap error")
        )  # fmt: skip
        early = table[table[:, 0] <= max(best, table[0, 0])]
        label = f"n = {n}: memorised share when the test loss is least (step {best:g})"
        if trained and n == max(o.task.settings["n"] for o in outcomes):
            checks.append(within(label, early[-1, 1], 0.0, 0.1, note="at most a tenth"))
        else:
            checks.append(measured(label, early[-1, 1]))
        checks.append(
            measured(f"n = {n}: Frechet distance to test images at the end", values["frechet"],
                     note="features: mean and spread of 64 rectified random 3 x 3 filters")
        )  # fmt: skip
        sizes.append(float(n))
        times.append(_half(table))
    if trained and np.isfinite(times[0]) and np.isfinite(times[-1]):
        checks.append(
            within(f"onset of memorisation, n = {sizes[-1]:g} over n = {sizes[0]:g}",
                   times[-1] / times[0], 1.0, math.inf,
                   note="asked only where both networks got there; one network a size, whose "
                   "share of copies goes up and down by a fifth between milestones: shares at one "
                   "step are not compared, and exponents are a matter of the scale gpu")
        )  # fmt: skip
    seen = np.isfinite(times)
    note = (
        f"step at which {_MEMORISED:g} of the samples are memorised; not judged: near its "
        "capacity a network grows faster than n"
    )
    if seen.sum() >= 2:
        slope, error = power(np.array(sizes)[seen], np.array(times)[seen])
        error = error if seen.sum() > 2 else math.nan
        checks.append(
            measured(f"exponent of tau_mem in n, {seen.sum()} sizes", slope,
                     error if math.isfinite(error) else 0.0, 1.0, note)
        )  # fmt: skip
    else:
        checks.append(measured("exponent of tau_mem in n", math.nan, note="not reached; " + note))
    return checks


def _half(table: Any) -> float:
    above = table[:, 1] >= _MEMORISED
    if not above.any() or above[0]:
        return math.nan
    i = int(np.argmax(above))
    share = (_MEMORISED - table[i - 1, 1]) / (table[i, 1] - table[i - 1, 1])
    return float(table[i - 1, 0] * (table[i, 0] / table[i - 1, 0]) ** share)


def _figures(outcomes: Sequence[Outcome]) -> list[Figure]:
    if "optimiser" in outcomes[0].task.settings:
        return networks_judged.figures(outcomes)

    def draw(figure: Any) -> None:
        left, right = figure.subplots(1, 2)
        for i, (task, values) in enumerate(outcomes):
            left.plot(values["step"], values["train"], ":", color=f"C{i}", lw=1)
            left.plot(values["step"], values["test"], color=f"C{i}", lw=1,
                      label=f"n = {task.settings['n']}")  # fmt: skip
            table = unpacked(values["memorised"])
            low, high = table[:, 1] - table[:, 2], table[:, 3] - table[:, 1]
            bars = np.maximum([low, high], 0.0)
            right.errorbar(table[:, 0] / task.settings["n"], table[:, 1], bars, fmt=".-", ms=4,
                           lw=0.8)  # fmt: skip
        left.set(xscale="log", xlabel="updates", title="losses at t = 0.1 (train dotted)")
        left.set_ylim(0.0, 1.5)
        right.set(xscale="log", xlabel="updates/n", title="memorised share")
        left.legend(frameon=False)

    return [Figure("U-Net: losses, and memorised share against updates over n.", draw)]


def _growth(network: str, outcomes: Sequence[Outcome]) -> list[Growth]:
    pairs = "optimiser" in outcomes[0].task.settings
    return networks_judged.growth(network, outcomes) if pairs else []


def _experiment(name: str, source: str, what: str) -> Experiment:
    return Experiment(
        name=name,
        claim=f"A U-Net on {what} generalises before it memorises, the more images the later",
        source="arXiv 2505.17638, Sect. 2 and Fig. 2 (there CelebA, SGD, 2 million updates)",
        theory="tau_mem proportional to n, tau_gen constant; random features with fitted psi_p",
        statistic="losses at t = 0.1, share of copies among DDIM samples, Adam; at the scales long "
        "and gpu pairs on disjoint data, three a size",
        tolerance="one network a size: at most a tenth memorised at the least test loss (largest "
        "n), the onset at the largest n later than at the smallest where both got there; pairs: "
        "onset of copies later, share at the end smaller at the largest n, beta above 0 at half "
        "the updates of the least test loss; exponents not judged",
        reading=_READING.get(source, ""),
        plan=partial(_plan, source),
        measure=_measure,
        judge=_judge,
        figures=_figures,
        growth=partial(_growth, f"U-Net, {source}"),
        needs=("torch", "sklearn") if source == "digits" else ("torch",),
        by_request=source == "folder",
        prepare=_look_at_folder if source == "folder" else None,
        together=None if source == "folder" else memorisation.train_together,
    )


DIGITS = _experiment("unet-digits", "digits", "8 x 8 digits")
FIELD = _experiment("unet-field", "field", "a Gaussian random field with a power-law spectrum")
FOLDER = _experiment("unet-folder", "folder", "the images of a folder (--images)")
EXPERIMENTS = (DIGITS, FIELD, FOLDER)
