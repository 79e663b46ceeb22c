"""Whether the faces of low quality are the wrong ones, and whether `landmarks review` says how many are left.

    landmarks evaluate --weights compact --data prepared/mtfl --split val --detector centerface --faces --out val.json
    python -m landmarks.studies.doubt val.faces.parquet

prints, for a person who looks at the faces of lowest quality: how many wrong ones are expected among the rest, by
quality alone, and as `landmarks review` says it, with its range; how many there are; how often the range holds that
number when the faces are drawn anew, with replacement; and which share of the wrong ones was seen. A face is wrong if
its mean error is above a tenth of the face size, which is what quality is fitted to; failures, above a tenth of the
inter-ocular distance, are counted beside it.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from landmarks.corrections.remaining import Remaining, wrong_remaining
from landmarks.errors import DataError
from landmarks.evaluation.per_face import PerFace, read_per_face
from landmarks.metrics import THRESHOLD, face_errors
from landmarks.models.calibration import QUALITY_THRESHOLD
from landmarks.schemes import SCHEMES

COUNTS = (0, 20, 50, 100, 200)
SHARES = (0.05, 0.1, 0.2, 0.5)
"""How many faces a person looks at, and which shares of all, the most doubtful first."""
HEADER = (
    "seen     %  wrong left: by quality  expected  range       true  range holds, %"
    "  of the wrong seen, %  of the failures seen, %"
)
DRAWN = 200
"""Sets of faces that are drawn anew."""


@dataclass(frozen=True)
class Left:
    """What is left when a person has looked at the most doubtful faces."""

    seen: int
    """Faces that were looked at."""
    by_quality: float
    """Wrong faces among the rest by quality alone: the sum of 1 - quality."""
    told: Remaining
    """What `landmarks review` says of them."""
    wrong: int
    """How many there are: mean error above a tenth of the face size."""
    found: float
    """Share of the wrong faces that were looked at; NaN if none is wrong."""
    failures_found: float
    """The same of failures: mean error above a tenth of the inter-ocular distance."""


def steps(faces: int) -> list[int]:
    """COUNTS and SHARES of so many faces, each number once."""
    return sorted({count for count in COUNTS if count <= faces} | {round(share * faces) for share in SHARES})


def left_wrong(quality: np.ndarray, wrong: np.ndarray, failed: np.ndarray, counts: Sequence[int]) -> list[Left]:
    """What is left after each of `counts` faces. quality: (N,) 0 to 1, or NaN of images that could not be read, which
    count as 0; wrong, failed: (N,) bool."""
    quality = np.nan_to_num(quality.astype(float), nan=0.0)
    order = np.argsort(quality, kind="stable")
    quality, wrong, failed = quality[order], wrong[order], failed[order]
    return [
        Left(
            seen,
            float((1 - quality[seen:]).sum()),
            wrong_remaining(quality, np.arange(len(quality)) < seen, wrong),
            int(wrong[seen:].sum()),
            *(float(bad[:seen].sum() / bad.sum()) if bad.any() else float("nan") for bad in (wrong, failed)),
        )
        for seen in counts
    ]


def held(quality: np.ndarray, wrong: np.ndarray, counts: Sequence[int], drawn: int = DRAWN) -> np.ndarray:
    """How often the range that is told after each of `counts` faces holds the true number: shares of `drawn` sets of as
    many faces, drawn with replacement. quality: (N,), wrong: (N,) bool -> (len(counts),)."""
    generator, holds = np.random.default_rng(0), np.zeros(len(counts))
    for _ in range(drawn):
        rows = generator.integers(0, len(quality), len(quality))
        left = left_wrong(quality[rows], wrong[rows], wrong[rows], counts)
        holds += [row.told.least <= row.wrong <= row.told.most for row in left]
    return holds / drawn


def wrong_faces(faces: PerFace, name: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Of the faces with labels of a scheme: quality (N,), and which are wrong and which are failures, (N,) bool.

    Raises DataError if the network has no quality.
    """
    if "quality" not in faces.table:
        raise DataError("these faces have no quality: give the weights that `landmarks calibrate` wrote to `evaluate`")
    table = faces.table[faces.table[f"{name}_error"].notna()]
    true, predicted = (np.stack(table[column].tolist()).astype(float) for column in (name, f"{name}_predicted"))
    whole = np.isfinite(true).all(axis=(1, 2))
    errors = face_errors(predicted[whole], true[whole], SCHEMES[name])
    failed = table[f"{name}_error"].to_numpy()[whole] > THRESHOLD
    return table["quality"].to_numpy()[whole], ~(errors <= QUALITY_THRESHOLD), failed


def show(title: str, quality: np.ndarray, wrong: np.ndarray, failed: np.ndarray) -> None:
    """Print the table of some faces; see `left_wrong`."""
    print(f"{title}: {len(quality)} faces, {wrong.sum()} wrong, {failed.sum()} failures")
    print(HEADER)
    counts = steps(len(quality))
    for row, holds in zip(left_wrong(quality, wrong, failed, counts), held(quality, wrong, counts)):
        share, held_in, found, failures = (
            f"{100 * value:.0f}" for value in (row.seen / max(len(quality), 1), holds, row.found, row.failures_found)
        )
        told = row.told
        print(
            f"{row.seen:4d}{share:>6}{row.by_quality:24.1f}{told.expected:10.1f}  "
            f"{f'{told.least} to {told.most}':11}{row.wrong:4d}{held_in:>16}{found:>22}{failures:>25}"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description="Wrong faces among those of low quality, and among the rest.")
    parser.add_argument("faces", nargs="+", type=Path, help="NAME.faces.parquet of `landmarks evaluate --faces`")
    for path in parser.parse_args().faces:
        faces = read_per_face(path)
        if not faces.schemes:
            raise DataError(f"{path}: no face has landmarks, by which it could be wrong")
        for name in faces.schemes:
            show(f"{path}, {name}", *wrong_faces(faces, name))


if __name__ == "__main__":
    main()
