"""From names to figures: load weights and data, predict, measure."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from landmarks import __version__
from landmarks.datasets.dataset import read_dataset
from landmarks.evaluation.evaluate import evaluate, predict_dataset
from landmarks.inference.annotator import choose_device
from landmarks.inference.detect import create_detector
from landmarks.inference.locate import PASSES
from landmarks.models.store import load_model


def evaluate_weights(
    weights: str | Path,
    data: str | Path,
    split: str = "test",
    detector: str = "whole-image",
    passes: int = PASSES,
    device: str = "auto",
    report: Callable[[int, int], None] = lambda done, total: None,
) -> dict:
    """The figures of `evaluate` with the protocol they were measured by. Raises the errors of its parts."""
    model = load_model(weights)
    dataset = read_dataset(data)
    model.network.fuse().to(choose_device(device))
    source = None if detector == "whole-image" else create_detector(detector)
    predictions = predict_dataset(model, dataset, split, source, passes, report)
    return {
        "protocol": {
            "weights": Path(str(weights)).stem,
            "weights_sha256": model.sha256,
            "dataset": dataset.name,
            "split": split,
            "input": detector,
            "passes": passes,
            "version": __version__,
        },
        **evaluate(predictions),
    }
