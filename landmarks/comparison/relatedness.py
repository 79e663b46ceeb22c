"""How much of each task the landmarks alone say: a measure of relatedness that is taken before any network is trained.

    python -m landmarks.comparison.relatedness prepared/mtfl

prints, for each attribute, how well a linear classifier tells it from the true shape of the five points, on validation
faces. A task that the shape says much of is one that landmarks should help, and one that adds little to them.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch.nn import functional as F

from landmarks.datasets.dataset import load_crops
from landmarks.datasets.table import labels_of, points_of
from landmarks.metrics import balanced_accuracy
from landmarks.schemes import ABSENT, POINTS_5, Attribute

DECAY = 1e-3
"""Of the squared weights."""


def shapes(points: np.ndarray) -> np.ndarray:
    """(N, 5, 2) points -> (N, 10) what is left of them without place, size and angle in the plane: the eyes' middle at
    the origin, the right end of the line between them at (1, 0)."""
    left, right = (points[:, place] for place in POINTS_5.interocular)
    plain = (points - ((left + right) / 2)[:, None]) @ np.array([1, 1j])
    turned = plain / ((right - left) @ np.array([1, 1j]))[:, None]
    return np.stack([turned.real, turned.imag], axis=-1).reshape(len(points), -1)


def told_by_shape(train: pd.DataFrame, held_out: pd.DataFrame, attribute: Attribute) -> float:
    """Balanced accuracy with which the shape tells an attribute of held-out faces: multinomial logistic regression on
    the shape and its squares, each class weighed alike. NaN where one class at most is known on either side.

    train, held_out: tables of faces with five points and the attribute.
    """
    parts = []
    for table in (train, held_out):
        points, labels = points_of(table, POINTS_5), labels_of(table, attribute)
        known = (labels != ABSENT) & np.isfinite(points).all(axis=(1, 2))
        shape = shapes(points[known])
        parts.append((np.concatenate([shape, shape**2], axis=1), labels[known]))
    (features, labels), (others, true) = parts
    if min(len(np.unique(labels)), len(np.unique(true))) < 2:
        return float("nan")
    middle, spread = features.mean(axis=0), features.std(axis=0) + 1e-9
    guesses = _logistic((features - middle) / spread, labels, (others - middle) / spread, len(attribute))
    return float(balanced_accuracy(guesses, true))


def _logistic(features: np.ndarray, labels: np.ndarray, others: np.ndarray, classes: int) -> np.ndarray:
    """Classes that a linear classifier gives to `others`, (M,). features: (N, D); labels: (N,); others: (M, D)."""
    seen, given = torch.from_numpy(features), torch.from_numpy(labels)
    weight = torch.zeros(features.shape[1] + 1, classes, dtype=torch.float64, requires_grad=True)
    counts = torch.bincount(given, minlength=classes).double()
    balance = torch.where(counts > 0, 1 / counts.clamp(min=1), 0.0)
    optimizer = torch.optim.LBFGS([weight], max_iter=200, line_search_fn="strong_wolfe")

    def loss() -> torch.Tensor:
        optimizer.zero_grad()
        value = F.cross_entropy(seen @ weight[1:] + weight[0], given, balance) + DECAY * weight[1:].square().sum()
        value.backward()
        return value

    optimizer.step(loss)
    logits = torch.from_numpy(others) @ weight[1:] + weight[0]
    return logits.masked_fill(counts == 0, -torch.inf).argmax(dim=1).detach().numpy()


def main() -> None:
    parser = argparse.ArgumentParser(description="Say how well the landmarks' shape alone tells each attribute.")
    parser.add_argument("data", type=Path, help="folder of `landmarks data prepare`")
    crops = load_crops(parser.parse_args().data)
    train, held_out = (crops.table.iloc[crops.part(part)] for part in ("train", "val"))
    for name, attribute in crops.attributes.items():
        told, guess = told_by_shape(train, held_out, attribute), 1 / len(attribute)
        print(f"{name}: {100 * told:.1f} % (a guess: {100 * guess:.1f} %)")


if __name__ == "__main__":
    main()
