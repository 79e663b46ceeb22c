"""How a network learns: one loop for every network and every set of tasks."""

from __future__ import annotations

import json
import math
import os
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import cast

import cv2
import numpy as np
import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from torch.utils.data import DataLoader, WeightedRandomSampler

from landmarks.datasets.dataset import Crops
from landmarks.datasets.samples import Samples
from landmarks.datasets.table import labels_of
from landmarks.errors import DataError, WeightsError
from landmarks.models.network import Network, NetworkConfig
from landmarks.models.store import Model
from landmarks.schemes import ABSENT, POSE
from landmarks.training.checkpoint import load_state, save_state
from landmarks.training.losses import PointsLoss, task_losses


@dataclass(frozen=True)
class TrainingConfig:
    """How to train. Raises ValueError for values that cannot be."""

    epochs: int = 40
    batch_size: int = 128
    learning_rate: float = 2e-3
    """Peak of the one-cycle schedule (Smith and Topin, 2018)."""
    weight_decay: float = 0.05
    task_weights: dict[str, float] = field(default_factory=dict)
    """Weight of each task's loss; 1 where not given."""
    divergence_weight: float = 1.0
    """Weight, in the landmarks' loss, of the divergence of their bins."""
    distance_weight: float = 150.0
    """Weight, in the landmarks' loss, of the decoded points' distance, in sides of the crop."""
    distance: str = "euclidean"
    """`euclidean`, `least_squares`, `smooth_l1` or `wing`."""
    pose_balance: float = 0.5
    """Faces are drawn with probability n^-pose_balance, n the number of faces in their pose class."""
    source_weights: dict[str, float] = field(default_factory=dict)
    """How often the faces of a source are drawn; 1 where not given."""
    draws: int = 0
    """Faces an epoch; 0: as many as there are."""
    average_decay: float = 0.995
    """Decay a step of the running average of the weights, which is what is kept."""
    precision: str = "float32"
    """`float32` or `bfloat16` (mixed precision)."""
    seed: int = 0
    workers: int = 1
    """Processes that make samples; 0 makes them in the training process."""

    def __post_init__(self) -> None:
        if self.epochs < 1 or self.batch_size < 2 or self.learning_rate <= 0 or self.workers < 0:
            raise ValueError(
                "epochs must be 1 or more, batch_size 2 or more, learning_rate positive, workers 0 or more"
            )
        PointsLoss(distance=self.distance)
        if self.precision not in ("float32", "bfloat16"):
            raise ValueError(f"precision must be float32 or bfloat16, not {self.precision!r}")

    @property
    def points_loss(self) -> PointsLoss:
        return PointsLoss(self.divergence_weight, self.distance_weight, self.distance)


def train(
    network_config: NetworkConfig,
    config: TrainingConfig,
    crops: Crops,
    out: str | Path,
    device: str = "cpu",
    start: Model | None = None,
    report: Callable[[dict], None] = lambda row: None,
) -> Network:
    """Train a network on the `train` faces and watch it on the `val` faces; return the averaged network.

    start: a model whose weights are the first ones, wherever name and shape fit; its encoder must.

    Writes to `out`: `log.jsonl`, a row an epoch with every task's loss, and `state.safetensors`, from which an
    interrupted call with the same settings goes on. Equal settings give equal numbers on a CPU. Raises DataError
    without training faces, WeightsError if `out` holds another training.
    """
    out = Path(out)
    out.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(config.seed)
    network = Network(network_config)
    if start is not None:
        _begin_with(network, start)
    network = network.to(memory_format=torch.channels_last).to(device)
    average = AveragedModel(network, multi_avg_fn=get_ema_multi_avg_fn(config.average_decay), use_buffers=True)
    optimizer = torch.optim.AdamW(_parameter_groups(network, config.weight_decay), lr=config.learning_rate)
    rows = {split: crops.part(split) for split in ("train", "val")}
    make = lambda split: Samples(  # noqa: E731
        crops, rows[split], network_config.tasks, network_config.input_size, network_config.crop_scale,
        network_config.locator_size, config.seed,
    )  # fmt: skip
    samples, held_out = make("train"), make("val")
    if not len(samples):
        where = ", ".join(str(folder) for folder in crops.folders)
        raise DataError(f"{where}: no faces in the split 'train'; nothing to learn from")
    steps = config.epochs * math.ceil((config.draws or len(samples)) / config.batch_size)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, config.learning_rate, total_steps=steps, pct_start=0.15)

    settings = {"network": network_config.as_dict(), "training": asdict(config), "faces": len(samples)}
    if start is not None:
        settings["start"] = start.sha256
    done = _resume(out, settings, network, average, optimizer, schedule)
    for epoch in range(done, config.epochs):
        started = time.perf_counter()
        samples.epoch = epoch
        losses = _train_epoch(network, average, optimizer, schedule, samples, config, epoch, device)
        row = {"epoch": epoch, "lr": schedule.get_last_lr()[0], "train": losses}
        if len(held_out):
            row["val"] = validate(cast(Network, average.module), held_out, config, device)
        row["seconds"] = round(time.perf_counter() - started, 2)
        _append(out / "log.jsonl", row, epoch)
        save_state(out / "state.safetensors", settings, epoch + 1, network, average, optimizer, schedule)
        report(row)
    return cast(Network, average.module.eval())


def _begin_with(network: Network, start: Model) -> None:
    """Give a network the weights of a model. Raises WeightsError if their encoders differ."""
    own, given = network.state_dict(), start.network.state_dict()
    fitting = {name: value for name, value in given.items() if name in own and own[name].shape == value.shape}
    lacking = [name for name in own if name.startswith("encoder.") and name not in fitting]
    if lacking:
        raise WeightsError(
            f"the weights to start from have another encoder ({lacking[0]} differs); give the config the network "
            f"section that they were trained with: {start.network.config.encoder}, "
            f"{start.network.config.input_size} px, {start.network.config.features} features"
        )
    network.load_state_dict(own | fitting)


def _train_epoch(network, average, optimizer, schedule, samples, config, epoch, device) -> dict[str, float]:
    """One pass over the training faces; mean loss of each task."""
    network.train()
    sums: dict[str, float] = defaultdict(float)
    batches = 0
    for batch in _loader(samples, config, epoch, shuffle=True):
        batch = {name: tensor.to(device, non_blocking=True) for name, tensor in batch.items()}
        with torch.autocast(device_type=torch.device(device).type, dtype=torch.bfloat16, enabled=_mixed(config)):
            losses = _losses(network, batch, config)
        total = sum(config.task_weights.get(task, 1.0) * loss for task, loss in losses.items())
        optimizer.zero_grad(set_to_none=True)
        total.backward()
        nn.utils.clip_grad_norm_(network.parameters(), 5.0)
        optimizer.step()
        schedule.step()
        average.update_parameters(network)
        for task, loss in losses.items():
            sums[task] += float(loss.detach())
        batches += 1
    return {task: value / batches for task, value in sums.items()}


def _losses(network: Network, batch: dict[str, Tensor], config: TrainingConfig) -> dict[str, Tensor]:
    """Every task's loss and, under its name, the locator's."""
    losses = task_losses(network.config, network(batch["crop"]), batch, config.points_loss)
    if network.locator is not None:
        coarse = network.locator.coded(batch["coarse"])
        losses["locator"] = config.points_loss(network.locator.codec, coarse, batch["coarse_points"])
    return losses


@torch.inference_mode()
def validate(network: Network, samples: Samples, config: TrainingConfig, device: str = "cpu") -> dict[str, float]:
    """Loss of each task on held-out faces, augmented the same way every time; and the landmarks' mean error in % of
    the canonical face square's side (`NAME_distance`). Means over the batches that have the label."""
    network.eval()
    sums: dict[str, float] = defaultdict(float)
    faces: dict[str, int] = defaultdict(int)
    for batch in _loader(samples, config, epoch=0, shuffle=False):
        batch = {name: tensor.to(device) for name, tensor in batch.items()}
        values = _losses(network, batch, config)
        outputs, codec = network(batch["crop"]), network.config.codec
        for name in network.config.schemes:
            mask = codec.inside(batch[name])
            distance = (codec.decode(outputs[name]) - batch[name]).norm(dim=-1)[mask].mean()
            values[f"{name}_distance"] = 100 * distance / codec.size
        if network.locator is not None:
            away = network.locator(batch["coarse"]) - batch["coarse_points"]
            values["locator_distance"] = 100 * away.norm(dim=-1).nanmean() / network.locator.size
        for name, value in values.items():
            count = _labelled(batch, name)
            if count:
                sums[name] += float(value) * count
                faces[name] += count
    return {name: sums[name] / faces[name] for name in sums}


def _labelled(batch: dict[str, Tensor], name: str) -> int:
    """How many faces of a batch have the label that a loss is made of."""
    if name.startswith("locator"):
        return int(torch.isfinite(batch["coarse_points"]).all(dim=(1, 2)).sum())
    labels = batch[name.removesuffix("_distance").removesuffix("_error")]
    return int((labels != ABSENT).sum()) if labels.ndim == 1 else int(torch.isfinite(labels).all(dim=(1, 2)).sum())


def _loader(samples: Samples, config: TrainingConfig, epoch: int, shuffle: bool) -> DataLoader:
    generator = torch.Generator().manual_seed(config.seed * 100_003 + epoch)
    sampler = None
    if shuffle:
        weights = _draw_weights(samples, config)
        sampler = WeightedRandomSampler(weights.tolist(), config.draws or len(samples), generator=generator)
    return DataLoader(
        samples,
        batch_size=config.batch_size,
        sampler=sampler,
        num_workers=config.workers,
        generator=generator,
        worker_init_fn=_one_thread,
    )


def _one_thread(worker: int) -> None:
    """Workers make samples side by side; threads of OpenCV's in each of them would only fight."""
    cv2.setNumThreads(0)


def _draw_weights(samples: Samples, config: TrainingConfig) -> np.ndarray:
    """(N,) float64: how often each face is drawn, relative to the others."""
    table = samples.crops.table.iloc[samples.rows]
    pose = labels_of(table, POSE)
    labelled = pose != ABSENT
    weights = np.ones(len(table))
    if labelled.any():
        _, inverse, counts = np.unique(pose[labelled], return_inverse=True, return_counts=True)
        rarity = counts[inverse].astype(float) ** -config.pose_balance
        weights[labelled] = rarity / rarity.mean()
    return weights * table["source"].map(config.source_weights).fillna(1.0).to_numpy(float)


def _parameter_groups(network: nn.Module, weight_decay: float) -> list[dict]:
    """Weight decay for matrices and kernels, none for biases and normalisation."""
    matrices = [p for p in network.parameters() if p.ndim > 1]
    vectors = [p for p in network.parameters() if p.ndim <= 1]
    return [{"params": matrices, "weight_decay": weight_decay}, {"params": vectors, "weight_decay": 0.0}]


def _mixed(config: TrainingConfig) -> bool:
    return config.precision == "bfloat16"


def _resume(out: Path, settings: dict, network, average, optimizer, schedule) -> int:
    """Epochs already done, after loading their state; 0 without one. Raises WeightsError if the settings changed."""
    path = out / "state.safetensors"
    if not path.is_file():
        return 0
    saved, done = load_state(path, network, average, optimizer, schedule)
    if saved != json.loads(json.dumps(settings)):
        raise WeightsError(
            f"{path}: belongs to a training with other settings; give another output folder or delete it"
        )
    return done


def _append(path: Path, row: dict, epoch: int) -> None:
    """Add an epoch's row to the log; rows of this and later epochs, left by an interrupted run, go first."""
    lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
    kept = [line for line in lines if json.loads(line)["epoch"] < epoch]
    temporary = path.with_name(path.name + ".tmp")
    temporary.write_text("\n".join([*kept, json.dumps(row)]) + "\n", encoding="utf-8")
    os.replace(temporary, path)
