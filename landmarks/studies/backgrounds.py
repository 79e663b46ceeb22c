"""Does the quality score tell a face from what is none? Random squares of photographs beside annotated faces.

    python -m landmarks.studies.backgrounds compact MTFL.zip photos

takes the quality of every test face, whole crops as boxes, and of random boxes of the photographs that touch no
detected face, and prints how many of these lie below the quality that 99 % of the faces reach.
"""

from __future__ import annotations

import argparse

import numpy as np

from landmarks import images
from landmarks.datasets.dataset import read_dataset
from landmarks.detection.create import create_detector
from landmarks.errors import WeightsError
from landmarks.evaluation.measures import predict_dataset
from landmarks.inference.annotator import Annotator
from landmarks.models.store import load_model
from landmarks.sources.find import find

SIDES = (40, 300)
"""Shortest and longest side of a box in pixels, drawn log-uniformly."""


def random_boxes(width: int, height: int, faces: np.ndarray, count: int, generator: np.random.Generator) -> np.ndarray:
    """At most `count` square boxes (n, 4) inside an image that touch none of the faces (N, 4)."""
    shortest, longest = np.log(SIDES)
    side = np.exp(generator.uniform(shortest, longest, count))
    side = np.minimum(side, min(width, height))
    x, y = generator.uniform(0, width - side), generator.uniform(0, height - side)
    boxes = np.column_stack([x, y, x + side, y + side])
    before = (boxes[:, None, 2:] < faces[None, :, :2]).any(axis=-1)
    behind = (boxes[:, None, :2] > faces[None, :, 2:]).any(axis=-1)
    apart: np.ndarray = np.logical_or(before, behind)
    return boxes[apart.all(axis=1)]


def separation(faces: np.ndarray, backgrounds: np.ndarray, share: float = 0.99) -> float:
    """Share of the backgrounds (M,) whose quality lies below what `share` of the faces (N,) reach."""
    return float(np.mean(backgrounds < np.quantile(faces, 1 - share)))


def main() -> None:
    parser = argparse.ArgumentParser(description="Quality of faces and of random squares without a face.")
    parser.add_argument("weights", help="shipped name or file")
    parser.add_argument("data", help="annotated faces: a dataset's archive or folder")
    parser.add_argument("photos", help="folder of photographs")
    parser.add_argument("--split", default="test")
    parser.add_argument("--boxes", type=int, default=40, help="random boxes tried an image")
    arguments = parser.parse_args()

    model = load_model(arguments.weights)
    annotator = Annotator(model, create_detector("centerface"))
    quality = predict_dataset(model, read_dataset(arguments.data), arguments.split).quality
    if quality is None:
        raise WeightsError(f"{arguments.weights}: has no quality score; calibrate it with `landmarks calibrate`")
    quality = quality[~np.isnan(quality)]
    generator = np.random.default_rng(0)
    others: list[np.ndarray] = []
    for source in find([arguments.photos]):
        pixels = images.read(source.path).pixels
        found = annotator.detector(pixels, source.name).boxes
        boxes = random_boxes(pixels.shape[1], pixels.shape[0], found, arguments.boxes, generator)
        seen = annotator.predict([pixels], [boxes])[0].quality
        others += [] if seen is None else [seen]
    background = np.concatenate(others)
    low = np.quantile(quality, 0.01)
    print(f"{len(quality)} faces: 99 % reach a quality of {low:.3f}, half of them {np.median(quality):.3f}")
    print(f"{len(background)} squares without a face: {separation(quality, background):.1%} below it")


if __name__ == "__main__":
    main()
