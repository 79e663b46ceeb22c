"""Which faces detectors miss, by how far they look aside and lean, as a network tells from their true boxes.

    python -m landmarks.studies.detectors.pose /data/wider --detectors facegrid,centerface --out pose.json

Photographs are shrunk and faces counted as in `landmarks.studies.detectors.curves`, on the validation part unless told
otherwise. Faces of which the network is unsure (quality below SURE) are a group of their own: most show no two eyes.
"""

from __future__ import annotations

import argparse
import itertools
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from landmarks.atomic import write_text
from landmarks.datasets.photographs import Photographs, read_photographs
from landmarks.detection.base import Detector
from landmarks.detection.create import create_detector
from landmarks.detection.overlap import overlaps
from landmarks.errors import DataError, WeightsError
from landmarks.evaluation.detection import LEAST_OVERLAP
from landmarks.inference.annotator import Annotator
from landmarks.studies.detectors.curves import LEAST, pictures, protocol

SURE = 0.5
"""Quality from which the network's angles are believed."""
LIMITS = (0.0, 15.0, 30.0, 180.0)
"""Degrees, either way, that part the groups of yaw and of roll."""
ANGLES = {"yaw": 0, "roll": 2}
"""Which of `Faces.angles` are looked at."""


def found_by_pose(
    photographs: Photographs, names: Sequence[str], detectors: dict[str, Detector], annotator: Annotator
) -> list[dict[str, Any]]:
    """A row a group: what it is of, from and to which angle in degrees, its faces, the share that each detector finds.

    annotator: takes the labelled boxes as its detector's. Raises DataError if no face counts,
    WeightsError if the network is not calibrated.
    """
    angles, sure, hits = [], [], []
    for picture, boxes, counts in pictures(photographs, names):
        if not counts.any():
            continue
        seen = annotator.predict([picture], [boxes[counts] - 0.5])[0]
        angles.append(np.abs(seen.angles))
        if seen.quality is None:
            raise WeightsError("the weights do not say how sure they are of a face; calibrate them first")
        sure.append(seen.quality >= SURE)
        found = (overlaps(detector(picture, name).boxes + 0.5, boxes) for name, detector in detectors.items())
        hits.append(np.stack([(of.max(axis=0, initial=0) >= LEAST_OVERLAP)[counts] for of in found], axis=1))
    if not hits:
        raise DataError(f"{photographs.files.root}: no labelled faces of {LEAST:.0f} pixels or more; give others")
    turned, believed, hit = np.concatenate(angles), np.concatenate(sure), np.concatenate(hits)
    groups = [("unsure", np.nan, np.nan, ~believed)]
    for name, column in ANGLES.items():
        for low, high in itertools.pairwise(LIMITS):
            groups.append((name, low, high, believed & (turned[:, column] >= low) & (turned[:, column] < high)))
    return [
        {"of": of, "from": low, "to": high, "faces": int(among.sum())}
        | {name: float(hit[among, k].mean()) for k, name in enumerate(detectors) if among.any()}
        for of, low, high, among in groups
    ]


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="Faces found, by how far they look aside and lean.")
    parser.add_argument("data", help="photographs with boxes, as for `landmarks evaluate`")
    parser.add_argument("--detectors", default="facegrid,centerface", help="comma-separated")
    parser.add_argument("--weights", default="accurate", help="of the network that tells the angles")
    parser.add_argument("--split", default="val")
    parser.add_argument("--out", type=Path, help="write the figures to this JSON file")
    given = parser.parse_args(arguments)
    photographs = read_photographs(given.data)
    names = photographs.names(given.split)
    detectors = {name: create_detector(name) for name in given.detectors.split(",")}
    annotator = Annotator(given.weights, "centerface", device="cpu", scheme=68, tasks=())
    rows = found_by_pose(photographs, names, detectors, annotator)
    table = Table("", "degrees", "faces", *detectors, title=f"faces of {LEAST:.0f} pixels or more: found, %")
    for row in rows:
        span = "" if np.isnan(row["from"]) else f"{row['from']:g} to {row['to']:g}"
        cells = [f"{100 * row[name]:.1f}" if name in row else "" for name in detectors]
        table.add_row(row["of"], span, str(row["faces"]), *cells)
    Console().print(table)
    if given.out:
        how = protocol(photographs, given.split, names, detectors) | {"angles_by": given.weights}
        poses = [{key: None if value != value else value for key, value in row.items()} for row in rows]
        write_text(given.out, json.dumps({"protocol": how, "poses": poses}, indent=1) + "\n")


if __name__ == "__main__":
    main()
