"""Fit a trained network's head of one attribute anew, and nothing else:

    python -m landmarks.training.refit WEIGHTS gender --recipe accurate-gender.toml --data DIR --data DIR --out FILE

The head is linear in features that stay as they are, so this is a logistic regression: it takes minutes where training
takes hours, and points, their errors and the other attributes are the same to the last bit (linear probing; Kumar et
al., "Fine-tuning can distort pretrained features and underperform out-of-distribution", ICLR 2022, section 2). It
mends a head whose faces were few or of few people. Which faces are seen, and how often, says the recipe, as for a
training: `draws`, `balance`, `source_weights`, `conditions`. The result is not calibrated.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from landmarks.datasets.dataset import Crops, load_crops
from landmarks.datasets.table import labels_of
from landmarks.errors import DataError, unknown
from landmarks.models.heads import AttributeHead
from landmarks.models.network import Network, attribute_heads
from landmarks.models.store import load_model, save_model
from landmarks.schemes import ABSENT
from landmarks.training.batches import SampleBatches
from landmarks.training.config import TrainingConfig
from landmarks.training.from_config import read_config
from landmarks.training.loop import samples_of

ROUNDS = 200
"""Steps of L-BFGS at most; the loss is convex."""


def refit(network: Network, task: str, crops: Crops, config: TrainingConfig, ridge: float) -> None:
    """Fit the head of `task` to the labels of the training faces, in place.

    ridge: how much it costs to leave the head as it was: this times the squared change of its weights, for features of
    variance 1, is added to the mean cross-entropy. Raises ValueError for what is no attribute of
    the network, DataError without training faces of every class.
    """
    heads = dict(attribute_heads(network))
    if task not in heads:
        raise ValueError(unknown("attribute", task, heads))
    rows = crops.part("train")
    attribute = network.config.attribute(task)
    labels = labels_of(crops.table.iloc[rows], attribute)
    rows = rows[labels != ABSENT]
    for code, label in enumerate(attribute.labels):
        if not (labels == code).any():
            where = ", ".join(str(folder) for folder in crops.folders)
            raise DataError(f"{where}: no training face is {label!r}, so {task} would forget it; add faces that are")
    features, given = _seen(network, task, heads[task], crops, rows, config)
    _fit(heads[task], features, given, ridge)


@torch.no_grad()
def _seen(
    network: Network, task: str, head: AttributeHead, crops: Crops, rows: np.ndarray, config: TrainingConfig
) -> tuple[Tensor, Tensor]:
    """What the head reads of the faces that are drawn, (N, F), and their classes, (N,)."""
    read: list[Tensor] = []
    listener = head.register_forward_pre_hook(lambda _, inputs: read.append(inputs[0].float()))
    labels = []
    network.eval()
    for batch in SampleBatches(samples_of(crops, rows, network.config, config), config, draw=True).batches(0):
        network(batch["crop"])
        labels.append(batch[task])
    listener.remove()
    return torch.cat(read), torch.cat(labels)


def _fit(head: AttributeHead, features: Tensor, labels: Tensor, ridge: float) -> None:
    middle, spread = features.mean(dim=0), features.std(dim=0) + 1e-9
    standard = (features - middle) / spread
    before = head(features).detach()
    change = torch.zeros_like(head.weight, requires_grad=True)  # of standardised features, which are alike in size
    constant = torch.zeros_like(head.bias, requires_grad=True)
    optimizer = torch.optim.LBFGS([change, constant], max_iter=ROUNDS, line_search_fn="strong_wolfe")

    def loss() -> Tensor:
        optimizer.zero_grad()
        logits = before + standard @ change.T + constant
        value = F.cross_entropy(logits, labels) + ridge * change.square().sum()
        value.backward()
        return value

    optimizer.step(loss)
    with torch.no_grad():
        head.weight.add_(change / spread)
        head.bias.add_(constant - (change / spread) @ middle)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="Fit a trained network's head of one attribute anew.")
    parser.add_argument("weights", help="a shipped name or a file")
    parser.add_argument("task", help="one of its attributes")
    parser.add_argument("--recipe", type=Path, required=True, help="TOML file of a training: what is drawn")
    parser.add_argument("--data", action="append", required=True, help="folder of `landmarks data prepare`; repeatable")
    parser.add_argument("--ridge", type=float, default=1e-3, help="how much it costs to leave the head as it was")
    parser.add_argument("--out", type=Path, required=True, help="write the weights to this file")
    given = parser.parse_args(arguments)
    model, crops = load_model(given.weights), load_crops(*given.data)
    config = read_config(given.recipe, declared=crops.declared).training
    config.check(model.network.config.tasks, crops.sources("train"))
    refit(model.network, given.task, crops, config, given.ridge)
    learnt_from = sorted(Path(folder).name for folder in given.data)
    about = {**model.about, "refitted": {**model.about.get("refitted", {}), given.task: learnt_from}}
    save_model(model.network, given.out, about, model.calibration)
    print(given.out)


if __name__ == "__main__":
    main()
