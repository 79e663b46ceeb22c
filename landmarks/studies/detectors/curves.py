"""What detectors mind: faces found as photographs are turned, blurred, darkened, compressed and shrunk.

    python -m landmarks.studies.detectors.curves /data/wider --detectors facegrid,centerface --out curves.json

prints, for each change and strength, the share of the labelled faces found at each detector's own threshold and its
false ones a photograph. Photographs are first shrunk to SIDE pixels; faces smaller than LEAST pixels there do not
count. It reads the validation part unless told otherwise. With --sheet FILE it also draws what the first one finds.
"""

from __future__ import annotations

import argparse
import json
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from rich.console import Console
from rich.table import Table

from landmarks.atomic import replacing, write_text
from landmarks.datasets.photographs import Photographs, read_photographs
from landmarks.detection.base import Detector
from landmarks.detection.create import create_detector
from landmarks.detection.overlap import overlaps
from landmarks.errors import DataError, ImageError
from landmarks.evaluation.detection import LEAST_OVERLAP

SIDE, LEAST = 640, 24.0
"""Longest side of the photographs, and sqrt(width x height) of the smallest faces that count there, in pixels."""
TILE, COLUMNS = 240, 6
"""Side of a picture in the sheet, in pixels, and pictures in a row."""
SHEET_QUALITY = 80
"""Of the sheet as JPEG."""
HIT, MISSED, FALSE = (60, 200, 60), (240, 190, 0), (230, 40, 40)
"""Colours of the sheet: found faces, faces that were not found, boxes where no face is."""

Changed = tuple[np.ndarray, np.ndarray]
"""A picture (H, W, 3) uint8 RGB and its boxes (M, 4), measured from the picture's corner."""


def turned(picture: np.ndarray, boxes: np.ndarray, degrees: float) -> Changed:
    """Turned clockwise on a canvas that holds all of it; a box becomes that of the ellipse in it."""
    height, width = picture.shape[:2]
    matrix = np.array(cv2.getRotationMatrix2D((width / 2, height / 2), -degrees, 1.0), float)
    cos, sin = np.abs(matrix[0, :2])
    size = round(height * sin + width * cos), round(height * cos + width * sin)
    matrix[:, 2] += (np.array(size) - (width, height)) / 2
    centres = (boxes[:, :2] + boxes[:, 2:]) / 2 @ matrix[:, :2].T + matrix[:, 2]
    halves = np.sqrt(((boxes[:, 2:] - boxes[:, :2]) / 2) ** 2 @ (matrix[:, :2] ** 2).T)
    pixels = matrix.copy()
    pixels[:, 2] += matrix[:, :2] @ [0.5, 0.5] - 0.5  # Pixel centres lie half a pixel from the corner.
    return cv2.warpAffine(picture, pixels, size), np.concatenate([centres - halves, centres + halves], axis=1)


def blurred(picture: np.ndarray, boxes: np.ndarray, sigma: float) -> Changed:
    """Out of focus, by a Gaussian of `sigma` pixels."""
    return cv2.GaussianBlur(picture, (0, 0), sigma) if sigma else picture, boxes


def dark(picture: np.ndarray, boxes: np.ndarray, share: float) -> Changed:
    """With a share of its light, and the noise that goes with that."""
    noise = np.random.default_rng(0).normal(0, 8 * (1 - share), picture.shape)
    return np.clip(picture * share + noise, 0, 255).astype(np.uint8), boxes


def compressed(picture: np.ndarray, boxes: np.ndarray, quality: float) -> Changed:
    """As a JPEG of this quality."""
    data = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, int(quality)])[1]
    return np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR)), boxes


def shrunk(picture: np.ndarray, boxes: np.ndarray, zoom: float) -> Changed:
    """Smaller, faces too."""
    small = cv2.resize(picture, None, fx=zoom, fy=zoom, interpolation=cv2.INTER_AREA)
    return small, boxes * np.tile(np.array(small.shape[1::-1]) / picture.shape[1::-1], 2)


CHANGES: dict[str, tuple[Callable[[np.ndarray, np.ndarray, float], Changed], tuple[float, ...]]] = {
    "turned, degrees": (turned, (0, 15, 30, 45, 60, 90, 180)),
    "blur, sigma in pixels": (blurred, (1, 2, 3)),
    "light left": (dark, (0.5, 0.25, 0.1)),
    "JPEG quality": (compressed, (40, 20, 10)),
    "shrunk to": (shrunk, (0.75, 0.5, 0.25)),
}
"""What is measured: by name, the change and its strengths."""


def cases() -> Iterator[tuple[str, float]]:
    """All changes with all strengths."""
    return ((name, strength) for name, (_, strengths) in CHANGES.items() for strength in strengths)


def pictures(photographs: Photographs, names: Sequence[str]) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Of each photograph that can be read: pixels of at most SIDE, boxes from the corner, whether a face counts."""
    for name in names:
        faces = photographs.labels(name)
        try:
            pixels = photographs.pixels(name)
        except ImageError:
            continue
        small, boxes = shrunk(pixels, faces.boxes + 0.5, min(1.0, SIDE / max(pixels.shape[:2])))
        sizes = np.sqrt((boxes[:, 2:] - boxes[:, :2]).prod(axis=1))
        yield small, boxes, ~faces.ignore & (sizes >= LEAST)


def curves(
    photographs: Photographs,
    names: Sequence[str],
    detectors: dict[str, Detector],
    report: Callable[[int], None] = lambda done: None,
) -> list[dict[str, Any]]:
    """A row a change and strength: its name, and of each detector the share found and the false ones a photograph."""
    counted = 0
    sums: defaultdict[tuple[str, float, str], np.ndarray] = defaultdict(lambda: np.zeros(2))
    for done, (picture, boxes, counts) in enumerate(pictures(photographs, names), 1):
        for change, strength in cases():
            seen, true = CHANGES[change][0](picture, boxes, strength)
            for name, detector in detectors.items():
                overlap = overlaps(detector(seen, name).boxes + 0.5, true)
                hits = (overlap.max(axis=0, initial=0) >= LEAST_OVERLAP)[counts].sum()
                false = (overlap.max(axis=1, initial=0) < LEAST_OVERLAP).sum()
                sums[change, strength, name] += np.array([hits, false])
        counted += int(counts.sum())
        report(done)
    if not counted:
        raise DataError(f"{photographs.files.root}: no labelled faces of {LEAST:.0f} pixels or more; give others")
    return [
        {"change": change, "strength": strength, "faces": counted}
        | {
            name: {"recall": float(of[0]) / counted, "false_per_picture": float(of[1]) / done}
            for name in detectors
            for of in [sums[change, strength, name]]
        }
        for change, strength in cases()
    ]


def sheet(photographs: Photographs, names: Sequence[str], detector: Detector) -> np.ndarray:
    """What a detector finds in every photograph under every change, as one picture (H, W, 3) uint8 RGB: found faces,
    missed ones and boxes where none is, in three colours."""
    tiles = []
    for picture, boxes, counts in pictures(photographs, names):
        for change, strength in cases():
            seen, true = CHANGES[change][0](picture, boxes, strength)
            found = detector(seen, change).boxes + 0.5
            overlap = overlaps(found, true)
            missed = true[counts & (overlap.max(axis=0, initial=0) < LEAST_OVERLAP)]
            false = overlap.max(axis=1, initial=0) < LEAST_OVERLAP
            colours = [FALSE if wrong else HIT for wrong in false] + [MISSED] * len(missed)
            tiles.append(_tile(seen, np.concatenate([found, missed]), colours, f"{change}: {strength:g}"))
    tiles += [np.full_like(tiles[0], 255)] * (-len(tiles) % COLUMNS)
    return np.vstack([np.hstack(tiles[at : at + COLUMNS]) for at in range(0, len(tiles), COLUMNS)])


def _tile(picture: np.ndarray, boxes: np.ndarray, colours: Sequence[tuple[int, int, int]], title: str) -> np.ndarray:
    zoom = TILE / max(picture.shape[:2])
    small = cv2.resize(picture, None, fx=zoom, fy=zoom, interpolation=cv2.INTER_AREA if zoom < 1 else cv2.INTER_LINEAR)
    tile = np.full((TILE, TILE, 3), 255, np.uint8)
    tile[: small.shape[0], : small.shape[1]] = small[:TILE, :TILE]
    for box, colour in zip(boxes * zoom, colours):
        x0, y0, x1, y1 = (round(float(side)) for side in box)
        cv2.rectangle(tile, (x0, y0), (x1, y1), colour, 2, cv2.LINE_AA)
    cv2.rectangle(tile, (0, 0), (TILE, 20), (255, 255, 255), -1)
    cv2.putText(tile, title, (6, 15), cv2.FONT_HERSHEY_SIMPLEX, 0.45, (0, 0, 0), 1, cv2.LINE_AA)
    return tile


def protocol(
    photographs: Photographs, split: str, names: Sequence[str], detectors: dict[str, Detector]
) -> dict[str, Any]:
    """What a report says of how its figures came about."""
    return {
        "data": photographs.name,
        "split": split,
        "photographs": len(names),
        "side": SIDE,
        "least_face": LEAST,
        "detectors": {name: detector.settings() for name, detector in detectors.items()},
    }


def main() -> None:
    parser = argparse.ArgumentParser(description="Faces found in photographs that are turned, blurred, darkened.")
    parser.add_argument("data", help="photographs with boxes, as for `landmarks evaluate`")
    parser.add_argument("--detectors", default="facegrid,centerface", help="comma-separated")
    parser.add_argument("--split", default="val")
    parser.add_argument("--most", type=int, default=200, help="photographs that are read")
    parser.add_argument("--out", type=Path, help="write the figures to this JSON file")
    parser.add_argument("--sheet", type=Path, help="draw what the first detector finds to this JPEG or PNG file")
    arguments = parser.parse_args()
    console = Console()
    photographs = read_photographs(arguments.data)
    names = photographs.names(arguments.split)[: arguments.most]
    detectors = {name: create_detector(name) for name in arguments.detectors.split(",")}
    rows = curves(photographs, names, detectors)
    of = f"{rows[0]['faces']} faces of {LEAST:.0f} pixels or more in {len(names)} photographs"
    title = f"{of}: found, %; false a photograph"
    table = Table("change", "strength", *detectors, title=title)
    for row in rows:
        cells = [f"{100 * row[name]['recall']:.1f}; {row[name]['false_per_picture']:.2f}" for name in detectors]
        table.add_row(row["change"], f"{row['strength']:g}", *cells)
    console.print(table)
    if arguments.out:
        told = {"protocol": protocol(photographs, arguments.split, names, detectors), "curves": rows}
        write_text(arguments.out, json.dumps(told, indent=1) + "\n")
    if arguments.sheet:
        drawn = sheet(photographs, names, next(iter(detectors.values())))
        data = cv2.imencode(arguments.sheet.suffix, drawn[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, SHEET_QUALITY])[1]
        with replacing(arguments.sheet) as partial:
            partial.write_bytes(data.tobytes())


if __name__ == "__main__":
    main()
