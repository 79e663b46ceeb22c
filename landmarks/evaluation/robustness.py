"""How much a network minds where the first square lies: validation faces, squares moved away from the true one.

    python -m landmarks.evaluation.robustness prepared/mtfl compact

prints shift-free mean error and failure rate for squares that are too large and off centre, and for faces turned in
the plane. The squares are made from the points, so this is for choosing and for limits, never for comparing with
others; it reads the validation part alone.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass

import numpy as np

from landmarks import metrics
from landmarks.datasets.dataset import Crops, load_crops
from landmarks.datasets.table import points_of
from landmarks.geometry import face_squares
from landmarks.inference.locate import PASSES, locate
from landmarks.models.network import Network
from landmarks.models.store import load_model
from landmarks.schemes import SCHEMES, Scheme

THRESHOLD = 0.1


@dataclass(frozen=True)
class Placement:
    """How first squares lie."""

    name: str
    extents: tuple[float, float] = (1.7, 1.7)
    """Side over the larger side of the landmarks' extent, drawn uniformly."""
    shift: float = 0.0
    """Largest offset in x and in y as a share of the side, drawn uniformly."""
    angle: float = 0.0
    """How far the square is turned away from the upright face, degrees."""

    def squares(self, points: np.ndarray, scheme: Scheme, seed: int = 0) -> np.ndarray:
        """points: (N, K, 2) -> first squares (N, 4)."""
        generator = np.random.default_rng(seed)
        squares = face_squares(points, scheme, 1.0)
        count = len(squares)
        side = squares[:, 2] * generator.uniform(*self.extents, count)
        squares[:, :2] += generator.uniform(-self.shift, self.shift, (count, 2)) * side[:, None]
        squares[:, 2] = side
        squares[:, 3] += np.radians(self.angle)
        return squares


PLACEMENTS = (
    Placement("the true square"),
    Placement("2.8 to 3.5 extents, a tenth off", (2.8, 3.5), 0.1),
    Placement("1.0 extents", (1.0, 1.0)),
    Placement("a quarter off", shift=0.25),
    *(Placement(f"turned by {angle} degrees", angle=angle) for angle in (15, 30, 45, 60, 90, 180)),
)


def measure(network: Network, crops: Crops, placement: Placement, passes: int = PASSES) -> tuple[float, float]:
    """Shift-free mean error and failure rate at 10 % of the validation faces, shares of the inter-ocular distance."""
    scheme = SCHEMES[network.config.schemes[0]]
    rows = crops.part("val")
    true = points_of(crops.table.iloc[rows], scheme)
    squares = placement.squares(true, scheme)
    pictures = [crops.pixels[row] for row in rows]
    predicted = locate(network, pictures, np.arange(len(rows)), squares, passes).points[scheme.name]
    normaliser = metrics.interocular(true, scheme)
    errors = metrics.nme(metrics.point_errors(metrics.without_shift(predicted, true, normaliser), true, normaliser))
    return float(errors.mean()), metrics.failure_rate(errors, THRESHOLD)


def main() -> None:
    parser = argparse.ArgumentParser(description="Error by placement of the first square, on validation faces.")
    parser.add_argument("data", help="prepared folder")
    parser.add_argument("weights", help="shipped name or file")
    parser.add_argument("--passes", type=int, default=PASSES)
    arguments = parser.parse_args()
    crops, network = load_crops(arguments.data), load_model(arguments.weights).network.fuse()
    for placement in PLACEMENTS:
        error, failures = measure(network, crops, placement, arguments.passes)
        print(f"{placement.name:32} {100 * error:6.2f} / {100 * failures:.1f}", flush=True)


if __name__ == "__main__":
    main()
