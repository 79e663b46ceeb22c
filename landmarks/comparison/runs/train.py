"""One arm with one seed: train it on the kept views, see the test faces, return a row of results."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import nn

from landmarks.comparison.grid.arms import CASCADE, Arm
from landmarks.comparison.runs.labels import has_label, with_labels
from landmarks.comparison.runs.reconstruction import explained
from landmarks.comparison.runs.test_faces import Bench
from landmarks.datasets.crops.augment import Jitter
from landmarks.datasets.crops.samples import Samples
from landmarks.datasets.crops.views import Views
from landmarks.datasets.dataset import Crops
from landmarks.errors import LandmarksError
from landmarks.evaluation.calibrate import equal_priors
from landmarks.inference.backend import Backend
from landmarks.inference.cascade import CascadeBackend
from landmarks.inference.locate import Located, locate
from landmarks.inference.torch_backend import TorchBackend
from landmarks.models import cascade
from landmarks.models.cascade import LEVELS, Cascade
from landmarks.models.network import (
    Network,
    attribute_heads,
    count_multiply_adds,
    count_parameters,
    quantity_heads,
)
from landmarks.models.store import Model, save_model
from landmarks.schemes import ABSENT, ATTRIBUTES, RECONSTRUCTION, SCHEMES, Scheme
from landmarks.training.batches import Batches, CachedBatches, JoinedBatches
from landmarks.training.config import TrainingConfig
from landmarks.training.loop import BEST, STATE, WATCHED, fit
from landmarks.training.objective import CascadeObjective, Objective, TaskObjective

AVERAGE = "average.module."
"""What the running averages are called in the loop's state."""
BATCH = 256
"""Faces a forward pass where nothing is learnt."""
TIMED = 64
"""Faces at a time when time is taken."""


def train_arm(
    arm: Arm,
    seed: int,
    views: dict[str, Views],
    bench: Bench,
    out: Path,
    device: str = "cpu",
    report: Callable[[dict[str, Any]], None] = lambda row: None,
) -> dict[str, Any]:
    """Train an arm and see the bench's faces with it. views: `train` and `val`; out: folder of the run.

    Returns the row that `landmarks.comparison.results` keeps; its keys are explained there.
    """
    training = arm.training(seed)
    every = views["train"]
    there = every.of(np.flatnonzero(has_label(every, arm.tasks))) if arm.labelled_only else every
    chosen = choose_faces(len(there), arm.faces, seed)
    faces = with_labels(there.of(chosen), arm.labels, arm.shuffled, arm.tasks, seed)
    torch.manual_seed(seed)
    network, objective = make_network(arm, training)
    if isinstance(network, Network):
        for name, quantity in quantity_heads(network).items():
            quantity.standardise(torch.from_numpy(faces.arrays[name][:, faces.rows].ravel()))
    watched = faces.of(np.arange(min(WATCHED, len(faces))))
    steps = -(-len(every) // arm.batch_size)  # as many as with all faces
    wanted, share = ((arm.landmarks,), arm.share) if arm.share else (arm.labels, 0.5)
    learnt = learnt_batches(faces, has_label(faces, wanted), arm.batch_size, seed, steps, share)
    own, held_out = (CachedBatches(part, arm.batch_size, seed, shuffle=False) for part in (watched, views["val"]))
    settings = {"arm": arm.what_is_run(), "seed": seed, "training": training.as_dict(), "faces": len(faces)}
    trained = fit(network, objective, learnt, own, held_out, training, out, settings, device, report)
    if isinstance(trained, Network):
        for name, head in attribute_heads(trained):  # a class that no view showed is never answered
            shown = np.unique(faces.arrays[name][:, faces.rows])
            head.set_unseen(sorted(set(range(head.out_features)) - set(shown.tolist())))
        save_model(trained, out / "weights.safetensors", {"arm": arm.as_dict(), "seed": seed})
    log = [json.loads(line) for line in (out / "log.jsonl").read_text(encoding="utf-8").splitlines()]
    kept = training.stopping.kept(log, arm.tasks)
    squares, backend = bench.squares(arm.crop_scale), backend_of(arm, trained)
    once, twice = (locate_in(backend, bench.pictures, squares, passes) for passes in (1, 2))
    return {
        "arm": arm.name,
        "group": arm.group,
        "seed": seed,
        "config": json.dumps(arm.what_is_run()),
        "vectors": error_vectors(once.points.get(arm.landmarks), bench),
        "vectors_2": error_vectors(twice.points.get(arm.landmarks), bench),
        **{f"vectors_level_{level}": () for level in range(1, LEVELS)},
        **{f"vectors_level_{n}": error_vectors(level, bench) for n, level in enumerate(once.levels, start=1)},
        **{f"guess_{name}": () for name in ATTRIBUTES},
        **{
            f"guess_{name}": even_guesses(logits, faces.arrays[name][:, faces.rows])
            for name, logits in once.logits.items()
        },
        **{f"guess_{name}": values for name, values in once.values.items()},
        **{
            f"guess_{name}": explained(trained, bench.pictures, squares, BATCH)
            for name in arm.tasks
            if name == RECONSTRUCTION.name
        },
        "train_error": points_error(trained, watched, bench.scheme, device),
        "val_error": points_error(trained, views["val"], bench.scheme, device),
        "train_loss": json.dumps(kept["train"]),
        "val_loss": json.dumps(kept.get("val", {})),
        "parameters": count_arm_parameters(trained),
        "multiply_adds": multiply_adds_of(trained),
        "train_seconds": sum(row["seconds"] for row in log),
        "epochs_run": len(log),
    }


def trained_network(arm: Arm, seed: int, folder: Path) -> nn.Module:
    """The network that an arm's run left in its folder. Raises LandmarksError if it has not."""
    network, _ = make_network(arm, arm.training(seed))
    path = folder / (BEST if arm.stopping.kind == "global" else STATE)
    try:
        kept = load_file(path)
        network.load_state_dict(
            {name.removeprefix(AVERAGE): value for name, value in kept.items() if name.startswith(AVERAGE)}
        )
    except (OSError, SafetensorError, RuntimeError) as error:
        raise LandmarksError(f"{path}: not what training {arm.name!r} leaves ({str(error).splitlines()[0]})") from error
    return network.eval()


def make_network(arm: Arm, training: TrainingConfig) -> tuple[nn.Module, Objective]:
    """An arm's network with random weights, and what it is trained by."""
    config = arm.network_config()
    if arm.network == CASCADE:
        return Cascade(config.input_size), CascadeObjective()
    return Network(config), TaskObjective(config, training)


def backend_of(arm: Arm, network: nn.Module) -> Backend:
    """What runs an arm's network, on the device that it is on."""
    device = str(next(network.parameters()).device)
    if isinstance(network, Cascade):
        return CascadeBackend(network, arm.crop_scale, device)
    assert isinstance(network, Network)
    return TorchBackend(Model(network), device)


def locate_in(backend: Backend, pictures: np.ndarray, squares: np.ndarray, passes: int) -> Located:
    """Points and attributes of faces in pictures of their own. pictures: (N, H, W, 3) uint8; squares: (N, 4), what the
    first pass sees."""
    return locate(backend, list(pictures), np.arange(len(pictures)), squares, passes, BATCH)


def error_vectors(points: np.ndarray | None, bench: Bench) -> np.ndarray:
    """(N, K, 2) float32: predicted minus true, over the inter-ocular distance; nothing without points."""
    if points is None:
        return np.zeros(0, np.float32)
    true = bench.points
    left, right = bench.scheme.interocular
    size = np.linalg.norm(true[:, left] - true[:, right], axis=-1)
    return ((points - true) / size[:, None, None]).astype(np.float32)


def even_guesses(logits: np.ndarray, taught: np.ndarray) -> np.ndarray:
    """The class of each face, none favoured for having been taught more often, as balanced accuracy asks: logits (N, C)
    with `equal_priors` of the labels that the network was taught, any shape -> (N,) int8."""
    counts = np.bincount(taught[taught != ABSENT], minlength=logits.shape[1])
    return (logits + equal_priors(counts, np.flatnonzero(counts == 0))).argmax(axis=1).astype(np.int8)


def learnt_batches(faces: Views, labelled: np.ndarray, size: int, seed: int, steps: int, share: float = 0.5) -> Batches:
    """What an arm learns from: all faces alike; or, where only some are `labelled` (N,) bool, this share of each batch
    are of these. Else a task of few labels would meet one in few batches, and fall behind for want of turns, not of
    faces."""
    if labelled.all() or not labelled.any():
        return CachedBatches(faces, size, seed, shuffle=True, steps=steps)
    some, count = faces.of(np.flatnonzero(labelled)), min(max(round(share * size), 1), max(size - 1, 1))
    parts = ((faces, max(size - count, 1)), (some, count))
    return JoinedBatches(*(CachedBatches(part, of, seed, shuffle=True, steps=steps) for part, of in parts))


def choose_faces(count: int, wanted: int, seed: int) -> np.ndarray:
    """Places of `wanted` of `count` faces (0: all), the same ones for every arm with the seed."""
    if not 0 < wanted < count:
        return np.arange(count)
    return np.sort(np.random.default_rng((seed, wanted)).choice(count, wanted, replace=False))


def kept_samples(crops: Crops, rows: np.ndarray, arm: Arm, jitter: Jitter) -> Samples:
    """What views of an arm's network are made of: all labels, the detector's jitter, the picture as it is."""
    schemes = (name for name in SCHEMES if name == arm.landmarks or crops.table[name].notna().any())
    return Samples(
        crops,
        rows,
        (*schemes, *crops.tasks),
        arm.network_config().input_size,
        arm.crop_scale,
        jitter=jitter,
        pictures=False,
    )


@torch.inference_mode()
def points_error(network: nn.Module, views: Views, scheme: Scheme, device: str = "cpu") -> float:
    """Mean error over the inter-ocular distance on the first views of faces; NaN without landmarks."""
    errors = []
    for batch in CachedBatches(views, BATCH, 0, shuffle=False).batches(0):
        points = _points(network, batch["crop"].to(device), scheme.name)
        if points is None:
            return float("nan")
        true = batch[scheme.name]
        left, right = scheme.interocular
        size = (true[:, left] - true[:, right]).norm(dim=-1, keepdim=True)
        errors.append(((points.cpu() - true).norm(dim=-1) / size).nanmean(dim=1))  # NaN where not labelled
    return float(torch.cat(errors).nanmean())


def _points(network: nn.Module, crops: torch.Tensor, scheme: str) -> torch.Tensor | None:
    if isinstance(network, Cascade):
        return network(crops)[:, -1]
    assert isinstance(network, Network)
    return network.config.codec.decode(network(crops)[scheme]) if scheme in network.config.tasks else None


def count_arm_parameters(network: nn.Module) -> int:
    """Learnt values without those that tell expected errors, which the papers' networks do not have."""
    return count_parameters(network) - (count_parameters(network.errors) if isinstance(network, Network) else 0)


def multiply_adds_of(network: nn.Module) -> int:
    """Multiply-adds of one face in one pass."""
    if isinstance(network, Cascade):
        return cascade.count_multiply_adds(network)
    assert isinstance(network, Network)
    return count_multiply_adds(network)


def milliseconds(arms: Iterable[Arm], device: str = "cpu") -> dict[str, float]:
    """Milliseconds a face of one pass of each arm's network, by the arm's name: on one thread, the best of some batches
    of TIMED faces. The arms take turns, so that they can be compared if the machine does nothing else."""
    networks = {
        arm.name: (make_network(arm, arm.training(0))[0].eval(), arm.network_config().input_size) for arm in arms
    }
    best = dict.fromkeys(networks, float("inf"))
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        for name, (network, side) in [*networks.items()] * 3:
            network = network.to(memory_format=torch.channels_last).to(device)
            best[name] = min(best[name], _milliseconds(network, side, device))
    finally:
        torch.set_num_threads(threads)
    return best


@torch.inference_mode()
def _milliseconds(network: nn.Module, side: int, device: str) -> float:
    crops = torch.randint(0, 256, (TIMED, side, side, 3), dtype=torch.uint8, device=device)
    times = []
    for _ in range(6):
        started = time.perf_counter()
        network(crops)
        times.append(time.perf_counter() - started)
    return 1000 * min(times) / TIMED
