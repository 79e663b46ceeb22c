"""What few validation faces say of a network's certainty, alone and held to earlier constants.

    python -m landmarks.studies.few_faces tuned.safetensors prepared/web --earlier base.safetensors

Of the validation faces of a prepared folder some are drawn by chance, and the network is calibrated on them: without
earlier constants, and held to those of `--earlier`, as `landmarks calibrate` does for weights whose training started
there. The others tell how good the constants are, in boxes as detectors give them: the ratio of expected errors to true
ones, the cross-entropy of the quality, how many faces are called doubtful, the calibration error and the cross-entropy
of the attributes. Means over the draws.
"""

from __future__ import annotations

import argparse
import copy
import warnings
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from landmarks.datasets.crops.squares import canonical_squares
from landmarks.datasets.dataset import Crops, load_crops
from landmarks.datasets.table import labels_of, points_of
from landmarks.evaluation.calibrate import TYPICAL, calibrate
from landmarks.evaluation.placement import locate_crops
from landmarks.geometry import face_squares
from landmarks.inference.backend import load_backend
from landmarks.inference.locate import Located
from landmarks.metrics import calibration_error
from landmarks.models.calibration import QUALITY_THRESHOLD, Calibration
from landmarks.models.store import Model, load_model
from landmarks.schemes import ABSENT, SCHEMES

SIZES = (1, 3, 10, 30, 100, 300)
FIGURES = (
    "expected / true error",
    "entropy of quality",
    "doubtful, %",
    "calibration error, %",
    "entropy of attributes",
)


def figures(calibration: Calibration, model: Model, seen: Located, table: pd.DataFrame) -> np.ndarray:
    """FIGURES of N faces that were seen, (5,). table: theirs."""
    name = model.network.config.schemes[0]
    true = points_of(table, SCHEMES[name])
    given = np.isfinite(true).all(axis=(1, 2))
    size = face_squares(true[given], SCHEMES[name], 1.0)[:, 2]
    errors = np.linalg.norm(seen.points[name][given] - true[given], axis=-1) / size[:, None]
    expected = calibration.errors[name](seen.error_cues[name][given])
    assert calibration.quality is not None
    quality = np.clip(calibration.quality(expected), 1e-6, 1 - 1e-6)
    entropy = -np.log(np.where(errors.mean(axis=1) < QUALITY_THRESHOLD, quality, 1 - quality)).mean()
    calibration_errors, entropies = [], []
    for attribute in model.network.config.attributes:
        labels = labels_of(table, model.network.config.attribute(attribute))
        known = labels != ABSENT
        chances = calibration.probabilities(attribute, seen.logits[attribute][known])
        own = chances[np.arange(len(chances)), labels[known]]
        entropies.append(-np.log(np.maximum(own, 1e-9)).mean())
        calibration_errors.append(calibration_error(chances.max(axis=1), chances.argmax(axis=1) == labels[known]))
    return np.array(
        [
            expected.mean() / errors.mean(),
            entropy,
            100 * (quality < 0.5).mean(),
            100 * np.mean(calibration_errors),
            np.mean(entropies),
        ]
    )


def measure(model: Model, earlier: Calibration, crops: Crops, faces: int, draws: int) -> dict[str, np.ndarray]:
    """Means of FIGURES by what the constants are made of. The warnings about few faces are what this is about."""
    rows = crops.part("val")
    backend = load_backend(replace(copy.deepcopy(model), calibration=Calibration()), "cpu")
    held = load_backend(replace(copy.deepcopy(model), calibration=earlier), "cpu")
    table = crops.table.iloc[rows]
    squares = TYPICAL.squares(canonical_squares(table, backend.config.crop_scale))
    found: dict[str, list[np.ndarray]] = {"these faces alone": [], "held to earlier ones": [], "earlier ones": []}
    for draw in range(draws):
        order = np.random.default_rng(draw).permutation(len(rows))
        few, rest = np.sort(order[:faces]), np.sort(order[faces:])
        lesson = pd.concat([crops.table.iloc[crops.part("train")], table.iloc[few]], ignore_index=True)
        chosen = Crops(crops.folders, lesson, crops.declared)
        seen = locate_crops(backend, crops, rows[rest], squares[rest])
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            made = calibrate(backend, chosen), calibrate(held, chosen), earlier
        for name, calibration in zip(found, made):
            found[name].append(figures(calibration, model, seen, table.iloc[rest]))
    return {name: np.mean(values, axis=0) for name, values in found.items()}


def markdown(model: Model, earlier: Calibration, crops: Crops, sizes: Sequence[int], draws: int) -> list[str]:
    """A line a number of faces and kind of constants."""
    lines = ["| faces | constants of | " + " | ".join(FIGURES) + " |", "|---" * (2 + len(FIGURES)) + "|"]
    for faces in sizes:
        for name, (ratio, quality, doubtful, error, entropy) in measure(model, earlier, crops, faces, draws).items():
            cells = [f"{ratio:.2f}", f"{quality:.2f}", f"{doubtful:.1f}", f"{error:.1f}", f"{entropy:.2f}"]
            lines.append(f"| {faces} | {name} | " + " | ".join(cells) + " |")
    return lines


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="What few validation faces say of a network's certainty.")
    parser.add_argument("weights", help="a shipped name or a file")
    parser.add_argument("data", help="prepared folder")
    parser.add_argument("--earlier", required=True, help="calibrated weights whose constants are the earlier ones")
    parser.add_argument("--draws", type=int, default=3)
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES)
    given = parser.parse_args(arguments)
    model, earlier = load_model(given.weights), load_model(given.earlier).calibration
    print("\n".join(markdown(model, earlier, load_crops(given.data), given.sizes, given.draws)))


if __name__ == "__main__":
    main()
