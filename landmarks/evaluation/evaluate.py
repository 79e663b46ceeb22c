"""From names to figures: load weights and data, predict, measure."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from landmarks import __version__
from landmarks.datasets.dataset import read_dataset
from landmarks.detection.create import create_detector
from landmarks.detection.whole_image import WholeImage
from landmarks.evaluation.measures import measure, predict_dataset
from landmarks.evaluation.per_face import write_per_face
from landmarks.inference.backend import load_backend
from landmarks.inference.config import PASSES, AnnotatorConfig


def evaluate(
    weights: str | Path,
    data: str | Path,
    split: str = "test",
    detector: str | None = None,
    passes: int = PASSES,
    device: str = "auto",
    backend: str | None = None,
    report: Callable[[int, int], None] = lambda done, total: None,
    faces: str | Path | None = None,
) -> dict[str, Any]:
    """How good weights are on a split of a dataset: the figures of `measure` with the protocol they were measured by.

    weights: see AnnotatorConfig; data: a dataset's archive, its folder, or a prepared folder; detector: a name or a
    file of boxes, `whole-image` for none; None for `whole-image` where every image of the dataset is one face, cut out
    already, and AnnotatorConfig's detector elsewhere; passes: how often a face is cropped; report: is told how many
    faces are done, and of how many; faces: a Parquet file to write, a row a face (see `PerFace`). Raises WeightsError,
    DataError, DetectorError or ValueError for what is unusable.
    """
    network = load_backend(weights, device, backend)
    dataset = read_dataset(data)
    if detector is None:
        detector = WholeImage.name if dataset.cut_out else str(AnnotatorConfig.detector)
    source = None if detector == WholeImage.name else create_detector(detector)
    predictions = predict_dataset(network, dataset, split, source, passes, report)
    if faces is not None:
        rows = np.flatnonzero((dataset.table["split"] == split).to_numpy())
        write_per_face(Path(faces), predictions, rows, data)
    return {
        "protocol": {
            "weights": Path(str(weights)).stem,
            "weights_sha256": network.sha256,
            "backend": network.name,
            "precision": network.precision,
            "dataset": dataset.name,
            "split": split,
            "input": detector,
            "passes": passes,
            "version": __version__,
        },
        **measure(predictions),
    }
