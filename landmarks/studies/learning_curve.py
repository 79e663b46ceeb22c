"""What a network learns from corrected faces of a kind that it never saw, and what it forgets of those that it knew.

    python -m landmarks.studies.learning_curve base.safetensors prepared/web \\
        --old prepared/lfw --old prepared/300w --out curve

For each seed, half of the new folder's training faces, drawn by chance, stand for a person's photographs. The network
orders them as `landmarks review` does. The first 25, 50, 100, 200 are put right, or as many that chance has chosen.
Then the network goes on learning by the recipe of docs/review.md: from these alone, or from these half of the time
and from the old folders the other half. Labels stand for the person: every chosen face gets its own. In the way
`accepted` only a face that `review` would call wrong gets them; the others keep the points that the network gave, as
they do when a person presses Enter. In the way `none` the old folders stand in for the corrected faces: what a network
gains by going on alone is no merit of corrections.

Errors are those of the validation faces of the new folder and of the old ones, in the boxes of the default detector. A
head that the corrected faces have no labels for is measured as it was.

`runs.jsonl` gets a line for each training; a command that was stopped goes on after the last one. `summary.json` has
means and spreads, `curve.png` draws them.
"""

from __future__ import annotations

import argparse
import copy
import json
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import torch

from landmarks.atomic import write_text
from landmarks.datasets.crops.squares import canonical_squares
from landmarks.datasets.dataset import Crops, load_crops
from landmarks.datasets.table import points_of
from landmarks.errors import LandmarksError, unknown
from landmarks.evaluation.calibrate import TYPICAL
from landmarks.evaluation.held_out import HeldOut, held_out, scheme_of
from landmarks.evaluation.placement import locate_crops
from landmarks.inference.backend import Backend, load_backend
from landmarks.metrics import face_errors
from landmarks.models.calibration import QUALITY_THRESHOLD
from landmarks.models.network import Network
from landmarks.models.store import Model, load_model
from landmarks.schemes import Scheme
from landmarks.training.config import TrainingConfig
from landmarks.training.loop import train

DOUBT, CHANCE, ACCEPTED, NONE = "doubt", "chance", "accepted", "none"
WAYS = (DOUBT, CHANCE, ACCEPTED, NONE)
SIZES = (25, 50, 100, 200)


class Arm(NamedTuple):
    """One training: what it learns from."""

    seed: int
    way: str
    """One of WAYS."""
    mixed: bool
    """Whether it also learns from the old folders."""
    faces: int
    """Corrected ones."""


@dataclass(frozen=True)
class Pool:
    """The training faces of the new folder, and what the network says of them."""

    crops: Crops
    """All folders, the new one first."""
    scheme: Scheme
    rows: np.ndarray
    """(N,) of the new folder's training faces."""
    quality: np.ndarray
    """(N,)"""
    points: np.ndarray
    """(N, K, 2) pixels of the cached crops, as the network sees them."""
    wrong: np.ndarray
    """(N,) bool: as `landmarks review` counts."""

    def chosen(self, arm: Arm) -> np.ndarray:
        """(n,) places in the pool: the faces that are put right, in the order in which a person gets them."""
        generator = np.random.default_rng(arm.seed)
        half = generator.permutation(len(self.rows))[: len(self.rows) // 2]
        if arm.faces > len(half):
            raise LandmarksError(
                f"{self.crops.folders[0]}: half of its training faces are {len(half)}, not {arm.faces}"
            )
        order = half if arm.way == CHANCE else half[np.argsort(self.quality[half], kind="stable")]
        return order[: 0 if arm.way == NONE else arm.faces]

    def lesson(self, arm: Arm) -> Crops:
        """The faces that an arm learns from: their `source` is the number of their folder."""
        chosen = self.chosen(arm)
        new = self.crops.table.iloc[self.rows[chosen]].copy()
        if arm.way == ACCEPTED:
            new[self.scheme.name] = pd.Series(
                [
                    corrected if wrong else seen
                    for corrected, seen, wrong in zip(new[self.scheme.name], self.points[chosen], self.wrong[chosen])
                ],
                index=new.index,
                dtype=object,
            )
        known = self.crops.table
        old = known[(known["cache"] > 0) & (known["split"] == "train")] if arm.mixed else known[:0]
        table = pd.concat([new, old], ignore_index=True)
        return Crops(self.crops.folders, table.assign(source=table["cache"].astype(str)), self.crops.declared)


def look(backend: Backend, data: str | Path, old: Sequence[str | Path]) -> Pool:
    """A network's first look at the new folder. Raises DataError, LandmarksError if it has no quality."""
    calibration, config = backend.calibration, backend.config
    if calibration.quality is None:
        raise LandmarksError("the weights know no doubt; calibrate them with `landmarks calibrate`")
    crops = load_crops(data, *old)
    rows = np.flatnonzero(((crops.table["cache"] == 0) & (crops.table["split"] == "train")).to_numpy())
    scheme = scheme_of(crops.table.iloc[rows], config, data)
    true = points_of(crops.table.iloc[rows], scheme)
    given = np.isfinite(true).all(axis=(1, 2))
    rows, true = rows[given], true[given]
    seen = locate_crops(
        backend, crops, rows, TYPICAL.squares(canonical_squares(crops.table.iloc[rows], config.crop_scale))
    )
    first = config.schemes[0]
    quality = calibration.quality(calibration.errors[first](seen.error_cues[first]))
    wrong = ~(face_errors(seen.points[scheme.name], true, scheme) <= QUALITY_THRESHOLD)
    return Pool(crops, scheme, rows, quality, seen.points[scheme.name], wrong)


def recipe(arm: Arm, lesson: Crops) -> TrainingConfig:
    """That of docs/review.md: as many draws for few faces as for many. Mixed, new faces are drawn half of the time, the
    old folders share the other half."""
    counts = lesson.table["source"].value_counts()
    weights = {source: arm.faces / count / max(len(counts) - 1, 1) for source, count in counts.items() if source != "0"}
    return TrainingConfig(
        epochs=12, draws=200, batch_size=50, learning_rate=1e-4, average_decay=0.95, workers=0, seed=arm.seed,
        source_weights=weights,
    )  # fmt: skip


def learn(start: Model, lesson: Crops, config: TrainingConfig, device: str) -> Model:
    """The model after a training that goes on from `start`; heads that had no labels are those of `start`."""
    with tempfile.TemporaryDirectory() as out:
        trained = train(start.network.config, config, lesson, out, device, start)
    network = Network(start.network.config)
    network.load_state_dict(start.network.state_dict() | trained.cpu().state_dict())
    return Model(network.eval(), start.calibration)


def measured(model: Model, new: HeldOut, old: Sequence[HeldOut]) -> dict[str, Any]:
    return {**new.errors(model), "old": {part.name: {"scheme": part.scheme.name, **part.errors(model)} for part in old}}


def summarise(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Of the seeds of each arm: mean, least and largest of every figure. From few faces to many, way by way."""
    ordered = sorted(rows, key=lambda row: (row["faces"] > 0, WAYS.index(row["way"]), not row["mixed"], row["faces"]))
    flat = pd.json_normalize(ordered)
    figures = [name for name in flat.columns if flat[name].dtype == float and name != "seconds"]
    summary = []
    for (way, mixed, faces), group in flat.groupby(["way", "mixed", "faces"], sort=False):
        values = {
            name: {"mean": group[name].mean(), "least": group[name].min(), "largest": group[name].max()}
            for name in figures
        }
        wrong = {"wrong": float(group["wrong"].mean())}
        summary.append({"way": way, "mixed": bool(mixed), "faces": int(faces), "seeds": len(group), **wrong, **values})
    return summary


def markdown(summary: Sequence[dict[str, Any]]) -> list[str]:
    """The summary as a table: means in per cent, from least to largest where there are several seeds."""
    olds = [key for key in summary[0] if key.startswith("old.") and key.endswith(".error")]
    columns = {
        "shift_free": "new faces",
        "failures": "new faces that fail",
        **{key: f"old: {key[4:-6]}" for key in olds},
    }
    lines = ["| learns from | corrected | wrong among them | seeds | " + " | ".join(columns.values()) + " |"]
    lines.append("|---" * (4 + len(columns)) + "|")
    for row in summary:
        what = {NONE: "old faces alone"}.get(row["way"], row["way"] + (", with old faces" if row["mixed"] else ""))
        cells = [what if row["faces"] else "nothing", *(f"{row[key]:.3g}" for key in ("faces", "wrong", "seeds"))]
        for key in columns:
            mean, least, largest = (f"{100 * row[key][which]:.2f}" for which in ("mean", "least", "largest"))
            cells.append(mean if row["seeds"] == 1 else f"{mean} ({least} to {largest})")
        lines.append("| " + " | ".join(cells) + " |")
    return lines


def arms(seeds: int, ways: Sequence[str], sizes: Sequence[int]) -> list[Arm]:
    """In the order in which they are trained."""
    return [
        Arm(seed, way, mixed, faces)
        for seed in range(seeds)
        for faces in sizes
        for mixed in (True, False)
        for way in ways
        if mixed or way != NONE
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description="What corrected faces teach a network, and what it forgets.")
    parser.add_argument(
        "weights", help="calibrated weights that have not seen the new folder: a shipped name or a file"
    )
    parser.add_argument("data", help="prepared folder with the new kind of faces")
    parser.add_argument("--old", action="append", required=True, help="prepared folder that the weights learnt from")
    parser.add_argument("--out", required=True, type=Path, help="write the runs, their summary and the curve here")
    parser.add_argument("--sizes", default=",".join(map(str, SIZES)), help="numbers of corrected faces")
    parser.add_argument("--ways", default=",".join(WAYS))
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=0)
    arguments = parser.parse_args()
    ways, sizes = arguments.ways.split(","), [int(size) for size in arguments.sizes.split(",")]
    for way in ways:
        if way not in WAYS:
            raise SystemExit(unknown("way", way, WAYS))
    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    run(
        arguments.weights,
        arguments.data,
        arguments.old,
        arguments.out,
        arms(arguments.seeds, ways, sizes),
        arguments.device,
    )


def run(
    weights: str | Path, data: str | Path, old: Sequence[str | Path], out: Path, planned: Sequence[Arm], device: str
) -> list[dict[str, Any]]:
    """Train and measure every arm that `out` does not have; write the summary and the curve; return the summary.

    Raises LandmarksError.
    """
    from landmarks.evaluation.plots import learning_figure, save

    model = load_model(weights)
    path = out / "runs.jsonl"
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()] if path.is_file() else []
    if any(row["weights"] != model.sha256 for row in rows):
        raise LandmarksError(f"{path}: holds the runs of other weights; give --out another folder")
    done = {tuple(row[name] for name in Arm._fields) for row in rows}

    def keep(arm: Arm, wrong: int, seconds: float, measures: dict[str, Any]) -> None:
        rows.append(
            {"weights": model.sha256, **arm._asdict(), "wrong": wrong, **measures, "seconds": round(seconds, 1)}
        )
        write_text(path, "".join(json.dumps(row) + "\n" for row in rows))
        print(f"{arm}: mean error {100 * measures['shift_free']:.2f} % ({seconds:.0f} s)", flush=True)

    new, known = held_out(data, model.network.config), [held_out(folder, model.network.config) for folder in old]
    start = Arm(0, NONE, False, 0)
    if start not in done:
        keep(start, 0, 0.0, measured(model, new, known))
    pool = look(load_backend(copy.deepcopy(model), "cpu"), data, old)
    for arm in planned:
        if arm not in done:
            started = time.perf_counter()
            lesson = pool.lesson(arm)
            learnt = learn(model, lesson, recipe(arm, lesson), device)
            seconds = time.perf_counter() - started
            keep(arm, int(pool.wrong[pool.chosen(arm)].sum()), seconds, measured(learnt, new, known))
    summary = summarise(rows)
    print("\n".join(markdown(summary)))
    write_text(out / "summary.json", json.dumps(summary, indent=1) + "\n")
    save(learning_figure(summary), out / "curve.png")
    return summary


if __name__ == "__main__":
    main()
