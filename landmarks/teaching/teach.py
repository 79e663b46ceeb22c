"""Have a detector label photographs: `python -m landmarks.teaching.teach SOURCE --out FOLDER`

SOURCE is whatever `landmarks train` takes for a detector, or with --unlabelled a folder of photographs. CenterFace
looks three times at every photograph of the parts train and val; what came with it is kept; see
`landmarks.teaching.believe`. Faces that are large enough get their five points from shipped weights.

FOLDER becomes a dataset that the training takes: `faces.csv`, and `photographs.json` with the place of the images. A
call that was stopped goes on where it was, from FOLDER/found.jsonl.
"""

from __future__ import annotations

import argparse
import json
import sys
import warnings
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pandas as pd

from landmarks.atomic import Lock, write_bytes
from landmarks.datasets.left_out import MEASURED, LeftOut
from landmarks.datasets.photographs import COLUMNS, POINTS, FaceLabels, Photographs, read_photographs, write_photographs
from landmarks.datasets.readers.dataset_files import Files
from landmarks.detection.base import Detector
from landmarks.detection.centerface import CenterFace
from landmarks.detection.overlap import overlaps, sizes
from landmarks.errors import DataError, ImageError, LandmarksError, WeightsError
from landmarks.faces import Faces
from landmarks.sources.names import is_image
from landmarks.teaching.believe import DOUBTFUL, SAME, boxes_from, label
from landmarks.teaching.copies import Held
from landmarks.teaching.turned import Turned
from landmarks.teaching.views import ENLARGED, Views

FOUND = "found.jsonl"
LEAST_POINTED = 24.0
"""Size in pixels from which a face gets points."""
LEAST_QUALITY = 0.5
"""Quality from which the network's points are believed."""


class Locator(Protocol):
    """Tells the points of faces whose boxes are known and how good they are, as a calibrated `Annotator` does."""

    def predict(self, pictures: Sequence[np.ndarray], boxes: Sequence[np.ndarray]) -> list[Faces]:
        """(H, W, 3) uint8 RGB images and their (n, 4) boxes -> their faces."""


def teach(
    photographs: Photographs,
    labelled: bool,
    out: str | Path,
    teacher: Detector,
    locator: Locator,
    apart_from: Sequence[Photographs] = (),
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Photographs:
    """Label the train and val photographs and write them to `out`; return them with their labels.

    labelled: whether people looked for their faces; apart_from: datasets to be measured on, of whose val and test
    photographs no copy may be learned from. Such copies, and photographs that cannot be decoded, are left out, which a
    warning says. Raises DataError if `out` holds other photographs' labels, LandmarksError if another process writes
    there.
    """
    out = Path(out)
    out.mkdir(parents=True, exist_ok=True)
    lock = Lock(out / "lock")
    try:
        return _teach(photographs, labelled, out, teacher, locator, apart_from, progress)
    finally:
        lock.release()


def _teach(
    photographs: Photographs,
    labelled: bool,
    out: Path,
    teacher: Detector,
    locator: Locator,
    apart_from: Sequence[Photographs],
    progress: Callable[[int, int], None],
) -> Photographs:
    split = {name: part for part in ("train", "val") for name in photographs.names(part)}
    ignored = photographs.table.loc[photographs.table["x0"].notna(), "ignore"]
    by_points = labelled and len(ignored) > 0 and bool(ignored.all())
    settings = {
        "root": str(photographs.files.root.resolve()),
        "labelled": labelled,
        "teacher": {teacher.name: teacher.settings()},
        "apart_from": sorted(str(data.files.root.resolve()) for data in apart_from),
    }
    done = _done_already(out / FOUND, settings)
    held = Held(apart_from)
    left_out = LeftOut()
    with open(out / FOUND, "a", encoding="utf-8") as file:
        for count, name in enumerate(split):
            progress(count, len(split))
            if name in done:
                continue
            given = photographs.labels(name) if labelled else None
            try:
                pixels = photographs.pixels(name)
            except ImageError as error:
                left_out.add(name, error.status, str(error))
                continue
            if of := held.copy_of(pixels):
                left_out.add(name, MEASURED, f"{name}: is a copy of a photograph to be measured on, {of}")
                continue
            faces = _look(pixels, given, by_points, teacher, locator)
            done[name] = _plain(faces)
            file.write(json.dumps({"image": name, "faces": done[name]}) + "\n")
            file.flush()
    progress(len(split), len(split))
    left_out.write(out)
    if left_out.rows:
        warnings.warn(f"left out: {left_out.counts()}; {out / 'left_out.csv'} names them", stacklevel=3)
    nothing: list[float | None] = [None] * len(COLUMNS[2:])
    rows = [[name, part, *face] for name, part in split.items() if name in done for face in done[name] or [nothing]]
    table = pd.DataFrame(rows, columns=COLUMNS)
    table[COLUMNS[2:]] = table[COLUMNS[2:]].astype(float)
    table[COLUMNS[-4:]] = table[COLUMNS[-4:]].fillna(0) > 0
    result = replace(photographs, table=table)
    write_photographs(result, out)
    return result


def _look(
    pixels: np.ndarray, given: FaceLabels | None, by_points: bool, teacher: Detector, locator: Locator
) -> FaceLabels:
    """All labels of one photograph."""
    found = teacher(pixels)
    faces = label(given, found, by_points)
    bare = ~faces.ignore & np.isnan(faces.points).any(axis=(1, 2)) & (sizes(faces.boxes) >= LEAST_POINTED)
    rows = np.flatnonzero(bare)
    if not len(rows):
        return faces
    boxes = _as_found(faces.boxes[rows], boxes_from(found, DOUBTFUL))
    told, points = locator.predict([pixels], [boxes])[0], faces.points.copy()
    assert told.quality is not None
    for row, five, quality in zip(rows, told.points, told.quality):
        if quality > LEAST_QUALITY and np.isfinite(five).all():
            points[row] = five
    return replace(faces, points=points)


def _as_found(boxes: np.ndarray, found: np.ndarray) -> np.ndarray:
    """Boxes (N, 4), each as the teacher has it (M, 4) where it found the face: such boxes the network knows best."""
    if not len(found):
        return boxes
    table = overlaps(boxes, found)
    return np.where((table.max(axis=1) > SAME)[:, None], found[table.argmax(axis=1)], boxes)


def _plain(faces: FaceLabels) -> list[list[float | None]]:
    """A row a face of COLUMNS[2:], None where there is no number."""
    points = faces.points.reshape(-1, len(POINTS))
    values = np.concatenate([faces.boxes, points, faces.ignore[:, None], faces.levels], axis=1).round(3)
    return [[None if np.isnan(value) else value for value in row] for row in values.tolist()]


def _done_already(path: Path, settings: dict[str, Any]) -> dict[str, list[list[float | None]]]:
    """The faces of photographs that an earlier call has looked at; a line half written is cut off. Raises DataError."""
    first = json.dumps({"settings": settings}) + "\n"
    data = path.read_bytes() if path.is_file() else b""
    whole = data[: data.rfind(b"\n") + 1]
    try:
        head, *lines = whole.decode("utf-8").splitlines(keepends=True) or [first]
        rows = [json.loads(line) for line in lines]
        done = {str(row["image"]): list(row["faces"]) for row in rows}
    except (ValueError, KeyError, TypeError) as error:
        raise DataError(f"{path}: is damaged ({error}); delete it to begin again") from error
    if head != first:
        raise DataError(f"{path}: is of other photographs or another teacher; give another --out or delete it")
    if whole != data or not whole:
        write_bytes(path, whole or first.encode())
    return done


def plain_folder(path: str | Path) -> Photographs:
    """All images of a folder or zip archive as photographs of which nothing is known. Raises DataError."""
    files = Files(path)
    names = [name for name in files.names if is_image(name)]
    if not names:
        raise DataError(f"{path}: no images are in it")
    table = pd.DataFrame({"image": names, "split": "train"}).reindex(columns=COLUMNS)
    table[COLUMNS[-4:]] = False
    return Photographs(Path(path).stem, table, files, "Photographs without labels, labelled by a detector.")


def the_teacher(side: int) -> Detector:
    """CenterFace in three looks, of the first at a copy of `side` pixels. Raises DetectorError if it is missing."""
    return Views(CenterFace(DOUBTFUL, side), CenterFace(DOUBTFUL, round(ENLARGED * side)))


def main(words: Sequence[str] | None = None) -> None:
    from landmarks.inference.annotator import Annotator

    parser = argparse.ArgumentParser(prog="python -m landmarks.teaching.teach", description=__doc__)
    parser.add_argument("source", type=Path, help="a dataset with boxes or points, or a folder of photographs")
    parser.add_argument("--out", type=Path, required=True, help="write the labelled dataset to this folder")
    parser.add_argument("--unlabelled", action="store_true", help="take all images, whatever labels are there")
    parser.add_argument("--turned", action="store_true", help="look at each photograph in four turns: people lie in it")
    parser.add_argument(
        "--apart-from", action="append", type=Path, default=[], metavar="DATASET",
        help="leave out copies of this dataset's val and test photographs; give it again for more",
    )  # fmt: skip
    parser.add_argument("--side", type=int, default=640, help="long side in pixels of what the first look is at")
    parser.add_argument("--weights", default="compact", help="the network that tells the points")
    chosen = parser.parse_args(words)
    try:
        photographs = plain_folder(chosen.source) if chosen.unlabelled else read_photographs(chosen.source)
        upright = the_teacher(chosen.side)
        teacher: Detector = Turned(upright) if chosen.turned else upright
        locator = Annotator(chosen.weights, detector=upright, scheme=5, device="cpu", tasks=())
        if locator.empty.quality is None:
            raise WeightsError(f"{chosen.weights}: is not calibrated and cannot tell which of its points are good")
        apart_from = [read_photographs(path) for path in chosen.apart_from]
        taught = teach(photographs, not chosen.unlabelled, chosen.out, teacher, locator, apart_from, _told())
    except LandmarksError as error:
        raise SystemExit(str(error)) from error
    faces = taught.table["x0"].notna()
    ignored = int((faces & taught.table["ignore"]).sum())
    count = taught.table["image"].nunique()
    print(f"{count} photographs, {int(faces.sum()) - ignored} faces, {ignored} ignored, by {teacher.name}")


def _told() -> Callable[[int, int], None]:
    """Progress on stderr, a line for every hundredth part."""
    told = [0]

    def step(done: int, total: int) -> None:
        share = 100 * done // max(total, 1)
        if share > told[0]:
            told[0] = share
            print(f"{done} of {total} photographs", file=sys.stderr, flush=True)

    return step


if __name__ == "__main__":
    main()
