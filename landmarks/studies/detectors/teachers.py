"""How good the labels of teachers would be, measured on photographs whose faces people labelled.

    python -m landmarks.studies.detectors.teachers /data/wider --most 260 --out teachers.json

Three ways to believe detectors: CenterFace in one look, in three (`landmarks.teaching.views`), and where YuNet agrees,
if LANDMARKS_YUNET names its file. For each way and score: the share of the boxes that are of a labelled face, and of
the faces that get one. Photographs of WIDER FACE's validation part are new to both.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from landmarks.atomic import write_text
from landmarks.datasets.photographs import FaceLabels, read_photographs
from landmarks.detection.base import Detections, Detector
from landmarks.detection.centerface import CenterFace
from landmarks.detection.overlap import overlaps, sizes
from landmarks.detection.yunet import YuNet
from landmarks.errors import DataError, DetectorError
from landmarks.evaluation.detection import LEAST_OVERLAP
from landmarks.studies.detectors.curves import protocol
from landmarks.teaching.believe import DOUBTFUL
from landmarks.teaching.views import ENLARGED, Views

SIDE = 640
"""Long side of a photograph, as sizes are counted."""
LEAST = (16.0, 32.0, 64.0)
"""Sizes from which boxes and faces count."""
SCORES = (0.2, 0.3, 0.4, 0.5, 0.6, 0.7)
AGREES = 0.6
"""Score from which YuNet agrees."""


def agreeing(first: Detections, second: Detections) -> Detections:
    """What the first detector found and the second, from AGREES on, confirms."""
    others = second.boxes[second.scores >= AGREES]
    confirmed = overlaps(first.boxes, others).max(axis=1, initial=0) >= LEAST_OVERLAP
    return Detections(first.boxes[confirmed], first.scores[confirmed])


def figures(
    labels: Sequence[FaceLabels], zooms: Sequence[float], ways: dict[str, list[Detections]]
) -> list[dict[str, Any]]:
    """A row a way, least size and score: how many boxes, the share of a labelled face, of faces with such a box.

    labels, zooms and what each way finds are of photographs in one order; a zoom times a size is the size that counts.
    Faces to be ignored and smaller ones make no box right or wrong. Raises DataError if no face counts.
    """
    rows = []
    for way, found in ways.items():
        for least in LEAST:
            scores, right, hits = [], [], []
            for given, zoom, of in zip(labels, zooms, found):
                same = np.asarray(overlaps(of.boxes, given.boxes) >= LEAST_OVERLAP)
                counted = ~given.ignore & (sizes(given.boxes) * zoom >= least)
                judged = (sizes(of.boxes) * zoom >= least) & ~same[:, ~counted].any(axis=1)
                scores.append(of.scores[judged])
                right.append(same[judged].any(axis=1))
                hits.append(np.where(same[:, counted], of.scores[:, None], 0).max(axis=0, initial=0))
            score, true, best = np.concatenate(scores), np.concatenate(right), np.concatenate(hits)
            if not len(best):
                raise DataError(f"no labelled faces of {least:.0f} pixels or more; give other photographs")
            for low in SCORES:
                taken = true[score >= low]
                rows.append(
                    {"way": way, "size": least, "score": low, "boxes": len(taken), "faces": len(best)}
                    | {"right": float(taken.mean()) if len(taken) else None, "found": float((best >= low).mean())}
                )
    return rows


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="How good teachers' labels would be where people have labelled.")
    parser.add_argument("data", help="photographs with boxes, as for `landmarks evaluate`")
    parser.add_argument("--split", default="train")
    parser.add_argument("--most", type=int, default=260, help="take no more photographs than this, drawn at random")
    parser.add_argument("--out", type=Path, help="write the figures to this JSON file")
    given = parser.parse_args(arguments)
    photographs = read_photographs(given.data)
    every = photographs.names(given.split)
    names = [every[i] for i in np.random.default_rng(0).permutation(len(every))[: given.most]]
    once = CenterFace(DOUBTFUL, SIDE)
    detectors: dict[str, Detector] = {
        "one look": once,
        "three looks": Views(once, CenterFace(DOUBTFUL, round(ENLARGED * SIDE))),
    }
    try:
        detectors["yunet"] = YuNet(None, DOUBTFUL, SIDE)
    except DetectorError as error:
        print(f"without YuNet's agreement: {error}")
    ways: dict[str, list[Detections]] = {way: [] for way in detectors}
    zooms = []
    for name in names:
        pixels = photographs.pixels(name)
        zooms.append(min(1.0, SIDE / max(pixels.shape[:2])))
        for way, detector in detectors.items():
            ways[way].append(detector(pixels, name))
    if "yunet" in ways:
        ways["agreement"] = [agreeing(*pair) for pair in zip(ways["one look"], ways.pop("yunet"))]
    rows = figures([photographs.labels(name) for name in names], zooms, ways)
    table = Table("", "pixels", "score", "boxes", "right, %", "faces", "found, %", title=f"{len(names)} photographs")
    for row in rows:
        right = "" if row["right"] is None else f"{100 * row['right']:.1f}"
        table.add_row(
            row["way"], f"{row['size']:g}", f"{row['score']:g}", str(row["boxes"]), right, str(row["faces"]),
            f"{100 * row['found']:.1f}",
        )  # fmt: skip
    Console().print(table)
    if given.out:
        how = protocol(photographs, given.split, names, detectors)
        write_text(given.out, json.dumps({"protocol": how, "teachers": rows}, indent=1) + "\n")


if __name__ == "__main__":
    main()
