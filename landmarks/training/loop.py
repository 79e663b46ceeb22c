"""How a network learns: one loop for every network, every set of tasks and every way to share, weigh and stop them."""

from __future__ import annotations

import json
import math
import shutil
import time
from collections import defaultdict
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from landmarks.atomic import Lock, write_text
from landmarks.datasets.crops.samples import Samples
from landmarks.datasets.dataset import Crops
from landmarks.datasets.digest import digest
from landmarks.errors import DataError
from landmarks.models.config import NetworkConfig
from landmarks.models.network import Network
from landmarks.models.sharing import CrossStitch, Towers
from landmarks.models.store import Model
from landmarks.training.batches import Batches, SampleBatches
from landmarks.training.checkpoint import load_state, resume, save_state
from landmarks.training.config import TrainingConfig
from landmarks.training.cosines import Cosines
from landmarks.training.muon import Muon, groups_of
from landmarks.training.objective import Objective, TaskObjective
from landmarks.training.start import begin_with, forget_unseen, standardise, with_labels
from landmarks.training.weightings.create import Weighting, create_weighting

STATE, BEST, LOCK = "state.safetensors", "best.safetensors", "lock"
WATCHED = 1000
"""Training faces that are looked at after each epoch as the held-out ones are: the two errors tell over-fitting."""


def train(
    network_config: NetworkConfig,
    config: TrainingConfig,
    crops: Crops,
    out: str | Path,
    device: str = "cpu",
    start: Model | None = None,
    report: Callable[[dict[str, Any]], None] = lambda row: None,
) -> Network:
    """Train a network on the `train` faces and watch it on the `val` faces; return the averaged network.

    start: a model whose weights are the first ones: encoder, locator and the heads of the tasks that both have.
    Tasks for which no training face has a label get no head, which a warning says; classes that no training face shows
    are never answered. Equal settings give equal numbers on a CPU. Raises DataError without training faces or labels,
    WeightsError if `out` holds another training or if `start` does not fit.
    """
    rows = {"train": crops.part("train"), "val": crops.part("val")}
    network_config = with_labels(network_config, crops, rows["train"])
    torch.manual_seed(config.seed)
    network = Network(network_config)
    standardise(network, crops.table.iloc[rows["train"]])
    if start is not None:
        begin_with(network, start)  # a head that both have keeps the mean and scale that its weights go with
    rows["watched"] = rows["train"][:: max(1, -(-len(rows["train"]) // WATCHED))]
    batches = {
        part: SampleBatches(samples_of(crops, chosen, network_config, config), config, part == "train")
        for part, chosen in rows.items()
    }
    if not len(batches["train"]):
        where = ", ".join(str(folder) for folder in crops.folders)
        raise DataError(f"{where}: no faces in the split 'train'; nothing to learn from")
    settings = {
        "network": network_config.as_dict(),
        "training": config.as_dict(),
        "faces": len(batches["train"]),
        "data": digest(crops),
    }
    if start is not None:
        settings["start"] = start.sha256
    objective = TaskObjective(network_config, config)
    trained = fit(
        network, objective, batches["train"], batches["watched"], batches["val"], config, out, settings, device, report
    )
    forget_unseen(cast(Network, trained), crops.table.iloc[rows["train"]], start)
    return cast(Network, trained)


def samples_of(crops: Crops, rows: np.ndarray, network: NetworkConfig, config: TrainingConfig) -> Samples:
    """Samples of some rows as a network wants them."""
    return Samples(
        crops, rows, network.tasks, network.input_size, network.crop_scale, network.locator_size, config.seed,
        conditions=config.conditions,
    )  # fmt: skip


def fit(
    network: nn.Module,
    objective: Objective,
    learnt: Batches,
    watched: Batches,
    held_out: Batches,
    config: TrainingConfig,
    out: str | Path,
    settings: dict[str, Any],
    device: str = "cpu",
    report: Callable[[dict[str, Any]], None] = lambda row: None,
) -> nn.Module:
    """The loop itself: train any network by its objective; return the running average of its weights.

    learnt: what it learns from; watched: some of those faces, and held_out: others, both seen after every epoch by the
    averaged weights.

    Writes to `out`: `log.jsonl`, a row an epoch with losses, factors, stops and gradients' cosines, and
    `state.safetensors`, from which an interrupted call with the same settings (plain values) goes on. Raises
    WeightsError if `out` holds another training, LandmarksError if another process trains there.
    """
    out = Path(out)
    out.mkdir(parents=True, exist_ok=True)
    with Lock(out / LOCK):
        return _fit(network, objective, learnt, watched, held_out, config, out, settings, device, report)


def _fit(
    network: nn.Module,
    objective: Objective,
    learnt: Batches,
    watched: Batches,
    held_out: Batches,
    config: TrainingConfig,
    out: Path,
    settings: dict[str, Any],
    device: str,
    report: Callable[[dict[str, Any]], None],
) -> nn.Module:
    torch.manual_seed(config.seed)  # what happens from here on does not depend on how the network was made
    network = network.to(memory_format=torch.channels_last).to(device)
    weighting = create_weighting(config.weighting, objective.tasks, config.task_weights, config.weighting_options).to(
        device
    )
    average = AveragedModel(network, multi_avg_fn=get_ema_multi_avg_fn(config.average_decay), use_buffers=True)
    optimizer = _optimizer(network, weighting, config)
    schedule = _schedule(optimizer, config, config.epochs * learnt.steps())
    parts = {"network": network, "average": average, "weighting": weighting}
    done = resume(out / STATE, settings, parts, optimizer, schedule)
    history = _history(out / "log.jsonl", done)
    for epoch in range(done, config.epochs):
        if config.stopping.over(history, objective.tasks):
            break
        started = time.perf_counter()
        stopped = config.stopping.stopped(history, objective.tasks, config.task_weights)
        factors = {task: 0.0 if task in stopped else value for task, value in weighting.factors(history).items()}
        row: dict[str, Any] = {"epoch": epoch, "factors": factors, "stopped": stopped}
        cosines = Cosines(config.gradient_cosine, epoch * learnt.steps())
        row["train"] = _train_epoch(
            parts, objective, optimizer, schedule, learnt.batches(epoch), factors, config, device, cosines
        )
        if config.gradient_cosine:
            row["gradient_cosine"] = cosines.means()
        row["lr"] = schedule.get_last_lr()[0]
        if len(held_out):
            row["watched"] = validate(average.module, objective, watched, device)
            row["val"] = validate(average.module, objective, held_out, device)
        history.append(row)
        index = config.stopping.indices(history, objective.tasks, config.task_weights)
        row["stopping_index"] = {task: value if math.isfinite(value) else None for task, value in index.items()}
        row["seconds"] = round(time.perf_counter() - started, 2)
        _write_log(out / "log.jsonl", history)
        save_state(out / STATE, settings, epoch + 1, parts, optimizer, schedule)
        if config.stopping.kind == "global" and config.stopping.best_epoch(history, objective.tasks) == epoch:
            shutil.copyfile(out / STATE, out / BEST)
        report(row)
    if config.stopping.kind == "global":
        load_state(out / BEST, parts, optimizer, schedule)
    return average.module.eval()


def _train_epoch(
    parts: dict[str, Any],
    objective: Objective,
    optimizer: Optimizer,
    schedule: LRScheduler,
    batches: Iterable[dict[str, Tensor]],
    factors: dict[str, float],
    config: TrainingConfig,
    device: str,
    cosines: Cosines,
) -> dict[str, float]:
    """One pass over the training faces; mean of each loss."""
    network, average, weighting = parts["network"].train(), parts["average"], parts["weighting"]
    shared, last_shared = shared_parameters(network)
    kind = torch.device(device).type
    mixed = torch.autocast(kind, torch.bfloat16, enabled=config.precision == "bfloat16")
    sums: dict[str, Tensor] = {}  # on the device, which is not waited for
    count = 0
    for batch in batches:
        batch = {name: tensor.to(device, non_blocking=True) for name, tensor in batch.items()}
        with mixed:
            losses = objective.losses(network, batch)
        cosines(losses, objective.tasks, shared)
        optimizer.zero_grad(set_to_none=True)
        weighting.backward({task: losses[task] for task in objective.tasks}, factors, shared, last_shared)
        others = [loss for name, loss in losses.items() if name not in objective.tasks]
        if others:
            torch.stack(others).sum().backward()
        nn.utils.clip_grad_norm_(network.parameters(), 5.0)
        optimizer.step()
        weighting.after_step()
        if weighting.looks_again:
            with torch.no_grad(), mixed:
                weighting.look_again(objective.losses(network, batch))
        schedule.step()
        average.update_parameters(network)
        for name, loss in losses.items():
            sums[name] = sums.get(name, 0) + loss.detach().double()
        count += 1
    return {name: float(value) / count for name, value in sums.items()}


@torch.inference_mode()
def validate(network: nn.Module, objective: Objective, held_out: Batches, device: str = "cpu") -> dict[str, float]:
    """An objective's figures on held-out faces, which look the same every time: means over the faces that have the
    label."""
    network.eval()
    sums: dict[str, float] = defaultdict(float)
    faces: dict[str, int] = defaultdict(int)
    for batch in held_out.batches(0):
        batch = {name: tensor.to(device) for name, tensor in batch.items()}
        for name, (value, count) in objective.figures(network, batch).items():
            if count:
                sums[name] += value * count
                faces[name] += count
    return {name: sums[name] / faces[name] for name in sums}


def shared_parameters(network: nn.Module) -> tuple[list[nn.Parameter], list[nn.Parameter]]:
    """What more than one task learns: all of it, and the last layer of it. Towers share nothing."""
    encoder = getattr(network, "encoder", None)
    if encoder is None or isinstance(encoder, Towers):
        return [], []
    layers = [module for module in encoder.modules() if any(True for _ in module.parameters(recurse=False))]
    linear = [module for module in layers if isinstance(module, nn.Linear)]
    last = [*layers, *linear][-1:]  # an encoder of one's own may have no linear layer, or nothing to learn
    return list(encoder.parameters()), [parameter for module in last for parameter in module.parameters()]


def inner_kernels(network: nn.Module) -> list[nn.Parameter]:
    """What Muon takes of a network: all of its encoders, its locator's too, but the layers that read pixels. A network
    of another kind has none."""
    inner: list[nn.Parameter] = []
    for encoder in _encoders(network):
        kernels = [parameter for parameter in encoder.parameters() if parameter.ndim > 1]
        inner += kernels[1:]
    return inner


def _encoders(network: nn.Module) -> list[nn.Module]:
    encoder, locator = getattr(network, "encoder", None), getattr(network, "locator", None)
    own = list(encoder.towers.values()) if isinstance(encoder, Towers) else [encoder]
    return [one for one in [*own, getattr(locator, "encoder", None)] if isinstance(one, nn.Module)]


def _optimizer(network: nn.Module, weighting: Weighting, config: TrainingConfig) -> Optimizer:
    """Weight decay for matrices and kernels, none for biases, normalisation, cross-stitch units and task weights.

    The units learn at the rate of the rest: the 100 to 1000 times that Misra et al. (CVPR 2016, section 3.3) give them
    are for gradient descent; Adam's steps do not shrink with the gradient.
    """
    units = [unit for module in network.modules() if isinstance(module, CrossStitch) for unit in module.stitches()]
    muon_rate = config.muon_rate if config.optimizer == "muon" else 0.0
    bare = [*units, *weighting.parameters()]
    groups = groups_of(network, inner_kernels(network), muon_rate, config.weight_decay, bare)
    if config.optimizer == "sgd":
        return torch.optim.SGD(groups, lr=config.learning_rate, momentum=config.momentum)
    return Muon(groups, lr=config.learning_rate)


def _schedule(optimizer: Optimizer, config: TrainingConfig, steps: int) -> LRScheduler:
    if config.schedule == "constant":
        return torch.optim.lr_scheduler.ConstantLR(optimizer, factor=1.0, total_iters=0)
    # Of gradient descent the rate alone goes round: its momentum is what the configuration says.
    return torch.optim.lr_scheduler.OneCycleLR(
        optimizer,
        [group["lr"] for group in optimizer.param_groups],
        total_steps=steps,
        pct_start=0.15,
        cycle_momentum=config.optimizer != "sgd",
    )


def _history(path: Path, done: int) -> list[dict[str, Any]]:
    """The log's rows of the epochs done; rows of later ones, left by an interrupted run, are dropped."""
    lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
    return [row for row in map(json.loads, lines) if row["epoch"] < done]


def _write_log(path: Path, history: list[dict[str, Any]]) -> None:
    write_text(path, "".join(json.dumps(row) + "\n" for row in history))
