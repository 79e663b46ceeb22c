"""What decoding large JPEGs only as far as is needed changes, and what it saves.

    python -m landmarks.benchmark.reduced photos [--detector centerface]

enlarges the photographs to SIDE pixels, adds noise as a camera does, and annotates each as it is by default and whole
(`exact`), in turns: faces of both, how far their 68 points lie apart, processor time.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import dataclass

import cv2
import numpy as np

from landmarks import images
from landmarks.faces import Faces
from landmarks.inference.annotator import Annotator
from landmarks.inference.choice import DEFAULT_DETECTOR
from landmarks.metrics import interocular
from landmarks.sources.find import find

SIDE, NOISE, QUALITY = 4000, 4.0, 92
"""Long side in pixels, noise in grey levels, JPEG quality."""
SURE = 0.5
"""Quality from which a face is counted among the good ones."""
LOST = 0.5
"""Points farther apart, in inter-ocular distances, are not of one face."""


@dataclass(frozen=True)
class Difference:
    """Of the faces of one photograph, by default and exact."""

    counts: tuple[int, int]
    distances: np.ndarray
    """(N,) mean distance of a face's points over the inter-ocular distance, of the exact faces found by default too."""
    quality: np.ndarray
    """(N,) of these."""


def enlarged(picture: np.ndarray, generator: np.random.Generator) -> bytes:
    """A JPEG of a photograph (H, W, 3) as a large camera's would be."""
    zoom = SIDE / max(picture.shape[:2])
    large = cv2.resize(picture, None, fx=zoom, fy=zoom, interpolation=cv2.INTER_CUBIC).astype(np.float32)
    grain = generator.normal(0, NOISE, (*large.shape[:2], 1)).astype(np.float32)
    noisy = np.clip(large + grain, 0, 255).astype(np.uint8)
    return cv2.imencode(".jpg", noisy[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, QUALITY])[1].tobytes()


def difference(by_default: Faces, exact: Faces) -> Difference:
    """Each exact face beside the nearest one found by default."""
    assert exact.quality is not None
    distances = np.full(len(exact), np.inf)
    if len(by_default) and len(exact):
        apart = np.linalg.norm(by_default.points[None] - exact.points[:, None], axis=-1).mean(axis=-1).min(axis=1)
        distances = apart / interocular(exact.points, exact.scheme)
    same = distances < LOST
    return Difference((len(by_default), len(exact)), distances[same], exact.quality[same])


def main() -> None:
    parser = argparse.ArgumentParser(description="Large JPEGs, decoded as far as is needed and whole.")
    parser.add_argument("photos", help="folder of photographs")
    parser.add_argument("--detector", default=DEFAULT_DETECTOR)
    arguments = parser.parse_args()
    cv2.setNumThreads(1)
    ways = [Annotator("compact", arguments.detector, 68, device="cpu", exact=exact) for exact in (False, True)]
    generator, seconds, decoding = np.random.default_rng(0), [0.0, 0.0], [0.0, 0.0]
    found: list[Difference] = []
    for source in find([arguments.photos]):
        data = enlarged(images.read(source.path).pixels, generator)
        faces = []
        for which, annotator in enumerate(ways):
            started = time.process_time()
            faces.append(annotator(data))
            seconds[which] += time.process_time() - started
            decoding[which] += annotator.clock.take().get("decode", 0.0)
        found.append(difference(*faces))
    distances = 100 * np.concatenate([one.distances for one in found])
    sure = np.concatenate([one.quality for one in found]) > SURE
    counts = np.sum([one.counts for one in found], axis=0)
    print(f"{len(found)} photographs; faces by default {counts[0]}, exact {counts[1]}, of both {len(distances)}")
    for name, of in (("all", distances), (f"quality above {SURE}", distances[sure])):
        print(f"{name}: {len(of)} faces, points apart by {of.mean():.2f} % on average, {of.max():.1f} % at most")
    print("processor seconds by default / exact: {:.1f} / {:.1f}".format(*seconds))
    print("seconds of decoding by default / exact: {:.1f} / {:.1f}".format(*decoding))


if __name__ == "__main__":
    main()
