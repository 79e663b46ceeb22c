"""From names to figures: load weights and data, predict, measure."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from landmarks import __version__
from landmarks.datasets.dataset import read_dataset
from landmarks.detection.create import create_detector
from landmarks.evaluation.measures import evaluate, predict_dataset
from landmarks.inference.backend import load_backend
from landmarks.inference.locate import PASSES


def evaluate_weights(
    weights: str | Path,
    data: str | Path,
    split: str = "test",
    detector: str = "whole-image",
    passes: int = PASSES,
    device: str = "auto",
    backend: str | None = None,
    report: Callable[[int, int], None] = lambda done, total: None,
) -> dict:
    """The figures of `evaluate` with the protocol they were measured by. Raises the errors of its parts."""
    network = load_backend(weights, device, backend)
    dataset = read_dataset(data)
    source = None if detector == "whole-image" else create_detector(detector)
    predictions = predict_dataset(network, dataset, split, source, passes, report)
    return {
        "protocol": {
            "weights": Path(str(weights)).stem,
            "weights_sha256": network.sha256,
            "backend": network.name,
            "dataset": dataset.name,
            "split": split,
            "input": detector,
            "passes": passes,
            "version": __version__,
        },
        **evaluate(predictions),
    }
