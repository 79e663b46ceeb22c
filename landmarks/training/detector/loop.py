"""How a face detector learns: a loop over numbered batches that can be stopped and goes on exactly."""

from __future__ import annotations

import json
import math
import signal
import threading
import time
import warnings
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR, LRScheduler
from torch.optim.swa_utils import AveragedModel

from landmarks.atomic import Lock, write_text
from landmarks.errors import WeightsError
from landmarks.models.facegrid import FaceGrid, decode
from landmarks.training.checkpoint import resume, save_state
from landmarks.training.detector.config import DetectorTraining
from landmarks.training.detector.crops.batches import Batch, Batches, load
from landmarks.training.detector.crops.place import crop_cells
from landmarks.training.detector.losses import losses
from landmarks.training.detector.team import ALONE, Team
from landmarks.training.muon import Muon, groups_of

STATE, LOG, LOCK = "state.safetensors", "log.jsonl", "lock"
SAVE_SECONDS = 300.0
"""Between two states written; a training that is killed loses no more than this."""
MOST_SKIPPED = 100
"""Steps in a row without a finite loss, after which a training is given up."""


def fit(
    network: FaceGrid,
    learnt: Batches,
    held_out: Batches | None,
    config: DetectorTraining,
    out: str | Path,
    settings: dict[str, Any],
    device: str = "cpu",
    report: Callable[[dict[str, Any]], None] = lambda row: None,
    team: Team = ALONE,
) -> FaceGrid:
    """Train a detector's network; return the running average of its weights in evaluation mode.

    held_out: batches of other photographs, seen every `validate_steps` by the averaged weights; None for none.
    team: this process among those that make a call with the same arguments; only its leader writes, looks at `held_out`
    and reports.

    Writes to `out`: `log.jsonl`, a row every `log_steps` with the means of the losses since the last one, and
    `state.safetensors`, from which an interrupted call with the same settings (plain values) goes on: on a CPU the
    weights equal those of a training that was never stopped. Ctrl-C and SIGTERM save first and then raise
    KeyboardInterrupt; what `report` raises comes out as it is, after saving, too. Raises WeightsError if `out` holds
    another training or if the losses stay infinite, LandmarksError if another process trains there.
    """
    out = Path(out)
    out.mkdir(parents=True, exist_ok=True)
    lock = Lock(out / LOCK) if team.leads else None
    try:
        with _asked_to_stop() as asked:
            return _fit(
                network, learnt, held_out if team.leads else None, config, out, settings, device, report, asked, team
            )
    finally:
        if lock is not None:
            lock.release()


def inner_kernels(network: FaceGrid) -> list[nn.Parameter]:
    """What Muon takes of a detector: all but the first layer and the last ones."""
    outer = {id(p) for part in (network.stem, network.heads) for p in part.parameters()}
    return [p for p in network.parameters() if id(p) not in outer]


def _fit(
    network: FaceGrid,
    learnt: Batches,
    held_out: Batches | None,
    config: DetectorTraining,
    out: Path,
    settings: dict[str, Any],
    device: str,
    report: Callable[[dict[str, Any]], None],
    asked: list[int],
    team: Team,
) -> FaceGrid:
    network = network.to(memory_format=torch.channels_last).to(device)  # type: ignore[call-overload]
    average = AveragedModel(network, multi_avg_fn=_follow(config.average_decay), use_buffers=True)
    groups = groups_of(network, inner_kernels(network), config.muon_rate, config.weight_decay)
    optimizer = Muon(groups, lr=config.learning_rate)
    schedule = LambdaLR(optimizer, lambda step: config.rate_factor(step))
    parts: dict[str, nn.Module] = {"network": network, "average": average}
    done = resume(out / STATE, settings, parts, optimizer, schedule)
    history = _history(out / LOG, done)
    places = torch.from_numpy(crop_cells(config.side)).to(device)
    sums: dict[str, float] = defaultdict(float)
    started = saved = time.monotonic()
    summed = skipped = 0
    for step, batch in enumerate(load(learnt, done, config.steps), done + 1):
        figures = _learn(network, optimizer, batch.to(device), places, config, team)
        skipped = 0 if math.isfinite(figures["loss"]) else skipped + 1
        if skipped >= MOST_SKIPPED:
            raise WeightsError(f"{out}: the loss was not finite {skipped} times in a row; lower learning_rate")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that no step was made before the rate changed: it was passed over
            schedule.step()
        average.update_parameters(network)
        for name, value in figures.items():
            sums[name] += value
        summed += 1
        rows: list[dict[str, Any]] = []
        if step % config.log_steps == 0 or step == config.steps:
            now = time.monotonic()
            row: dict[str, Any] = {"step": step, "train": {name: value / summed for name, value in sums.items()}}
            row |= {"lr": optimizer.param_groups[0]["lr"], "seconds": round(now - started, 2)}
            sums, summed, started = defaultdict(float), 0, now
            rows.append(row)
        if held_out is not None and (step % config.validate_steps == 0 or step == config.steps):
            row = {"step": step, "val": validate(cast(FaceGrid, average.module), held_out, places, config, device)}
            rows.append(row)
        history += rows
        ends = team.any(bool(asked)) or step == config.steps
        at_rest = step % config.log_steps == 0 or step == config.steps
        if team.leads and (ends or (at_rest and time.monotonic() - saved > SAVE_SECONDS)):
            _save(out, settings, step, parts, optimizer, schedule, history)
            saved = time.monotonic()
        try:
            for row in rows if team.leads else []:
                report(row)
        except BaseException:  # The caller's own end of it: what was learnt is kept, as after Ctrl-C.
            _save(out, settings, step, parts, optimizer, schedule, history)
            raise
        if ends and step < config.steps:
            raise KeyboardInterrupt
    if not all(value.isfinite().all() for value in average.module.state_dict().values()):
        raise WeightsError(f"{out}: the weights are not finite; lower learning_rate and give another output folder")
    return cast(FaceGrid, average.module.eval())


def _learn(
    network: FaceGrid, optimizer: Optimizer, batch: Batch, places: Tensor, config: DetectorTraining, team: Team
) -> dict[str, float]:
    """One step, passed over where the loss or its gradient is not finite -> figures to log."""
    network.train()
    parts = losses_of(network, batch, places, config)
    optimizer.zero_grad(set_to_none=True)
    parts["loss"].backward()
    team.share(network)
    norm = nn.utils.clip_grad_norm_(network.parameters(), config.clip_norm)
    # At once: a GPU is waited for but once, and so are the other processes.
    told = team.mean(torch.stack([*parts.values(), norm]).detach()).tolist()
    figures = dict(zip([*parts, "norm"], told))
    if math.isfinite(figures["loss"]) and math.isfinite(figures["norm"]):
        optimizer.step()
    return figures


def losses_of(network: FaceGrid, batch: Batch, places: Tensor, config: DetectorTraining) -> dict[str, Tensor]:
    """The losses of a batch, and their weighted sum as `loss`. places: the cells (C, 3) of the crops."""
    with torch.autocast(places.device.type, torch.bfloat16, enabled=config.precision == "bfloat16"):
        maps = network(batch.pixels.permute(0, 3, 1, 2))
    outputs = decode([grid.float() for grid in maps], places)
    parts = losses(outputs, batch.truth, config.side)
    total = parts["score"] + config.box_weight * parts["box"] + config.points_weight * parts["points"]
    return {"loss": total, **parts}


@torch.no_grad()
def validate(
    network: FaceGrid, held_out: Batches, places: Tensor, config: DetectorTraining, device: str
) -> dict[str, float]:
    """Mean losses over validation crops, which are the same every time."""
    network.eval()
    sums: dict[str, float] = defaultdict(float)
    for batch in load(held_out, 0, config.validate_batches):
        for name, value in losses_of(network, batch.to(device), places, config).items():
            sums[name] += float(value) / config.validate_batches
    return dict(sums)


def _follow(decay: float) -> Callable[[Sequence[Tensor], Sequence[Tensor], Tensor | int], None]:
    """How averages follow the weights: by 1 - decay of the way, further in the first steps."""

    def step(averages: Sequence[Tensor], news: Sequence[Tensor], count: Tensor | int) -> None:
        share = 1 - min(decay, (1 + int(count)) / (10 + int(count)))
        for average, new in zip(averages, news):
            if average.is_floating_point():
                average.lerp_(new, share)
            else:
                average.copy_(new)

    return step


def _save(
    out: Path,
    settings: dict[str, Any],
    step: int,
    parts: dict[str, nn.Module],
    optimizer: Optimizer,
    schedule: LRScheduler,
    history: list[dict[str, Any]],
) -> None:
    write_text(out / LOG, "".join(json.dumps(row) + "\n" for row in history))
    save_state(out / STATE, settings, step, parts, optimizer, schedule)


def _history(path: Path, done: int) -> list[dict[str, Any]]:
    """The log's rows of the steps done; rows of later ones, left by an interrupted run, are dropped."""
    lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
    return [row for row in map(json.loads, lines) if row["step"] <= done]


@contextmanager
def _asked_to_stop() -> Iterator[list[int]]:
    """A list that SIGINT and SIGTERM fill, so that a step is never left half done. Other threads get no signals."""
    asked: list[int] = []
    if threading.current_thread() is not threading.main_thread():
        yield asked
        return
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    for number in before:
        signal.signal(number, lambda number, frame: asked.append(number))
    try:
        yield asked
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
