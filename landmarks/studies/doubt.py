"""Whether the faces of low quality are the wrong ones, and whether `landmarks review` says how many are left.

    landmarks evaluate --weights compact --data prepared/mtfl --split val --detector centerface --faces --out val.json
    python -m landmarks.studies.doubt val.faces.parquet

prints, for a person who looks at the 0, 5, 10, 20 and 50 % of lowest quality, how many wrong faces are expected among
the rest, the sum of 1 - quality, how many there are, and which share of the wrong ones was seen. A face is wrong if its
mean error is above a tenth of the face size, which is what quality is fitted to; failures, above a tenth of the
inter-ocular distance, are counted beside it.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from landmarks.errors import DataError
from landmarks.evaluation.per_face import PerFace, read_per_face
from landmarks.geometry import face_squares
from landmarks.metrics import THRESHOLD
from landmarks.models.calibration import QUALITY_THRESHOLD
from landmarks.schemes import SCHEMES, Scheme

SHARES = (0.0, 0.05, 0.1, 0.2, 0.5)
"""Of the faces, the most doubtful first, that a person has looked at."""


@dataclass(frozen=True)
class Left:
    """What is left when a person has looked at the most doubtful faces."""

    share: float
    """Of the faces that were looked at."""
    seen: int
    """Faces that were looked at."""
    expected: float
    """Wrong faces among the rest, as `landmarks review` says: the sum of 1 - quality."""
    wrong: int
    """Wrong faces among the rest: mean error above a tenth of the face size."""
    found: float
    """Share of the wrong faces that were looked at; NaN if none is wrong."""
    failures_found: float
    """The same of failures: mean error above a tenth of the inter-ocular distance."""


def left_wrong(
    quality: np.ndarray, wrong: np.ndarray, failed: np.ndarray, shares: Sequence[float] = SHARES
) -> list[Left]:
    """quality: (N,) 0 to 1, or NaN of images that could not be read, which count as 0; wrong, failed: (N,) bool."""
    quality = np.nan_to_num(quality.astype(float), nan=0.0)
    order = np.argsort(quality, kind="stable")
    quality, wrong, failed = quality[order], wrong[order], failed[order]
    return [
        Left(
            share,
            seen,
            float((1 - quality[seen:]).sum()),
            int(wrong[seen:].sum()),
            *(float(bad[:seen].sum() / bad.sum()) if bad.any() else float("nan") for bad in (wrong, failed)),
        )
        for share in shares
        for seen in [round(share * len(quality))]
    ]


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


def face_errors(predicted: np.ndarray, true: np.ndarray, scheme: Scheme) -> np.ndarray:
    """(N, K, 2), (N, K, 2) -> (N,): mean error of each face as a share of the face size, to which quality is fitted;
    NaN where a face was not found."""
    size = face_squares(true, scheme, 1.0)[:, 2]
    return np.linalg.norm(predicted - true, axis=-1).mean(axis=1) / size


def main() -> None:
    parser = argparse.ArgumentParser(description="Wrong faces among those of low quality, and among the rest.")
    parser.add_argument("faces", nargs="+", type=Path, help="NAME.faces.parquet of `landmarks evaluate --faces`")
    for path in parser.parse_args().faces:
        faces = read_per_face(path)
        for name in faces.schemes:
            quality, wrong, failed = wrong_faces(faces, name)
            print(f"{path}, {name}: {len(quality)} faces, {wrong.sum()} wrong, {failed.sum()} failures")
            print("seen, %  wrong left: expected    true  of the wrong seen, %  of the failures seen, %")
            for row in left_wrong(quality, wrong, failed):
                found, failures = (f"{100 * share:.0f}" for share in (row.found, row.failures_found))
                print(f"{100 * row.share:7g}{row.expected:22.1f}{row.wrong:8d}{found:>22}{failures:>25}")


if __name__ == "__main__":
    main()
