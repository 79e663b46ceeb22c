"""How much a network minds where the first square lies: validation faces, squares moved away from the true one.

    python -m landmarks.studies.robustness compact prepared/mtfl --plot robustness.png

prints the mean error and the failure rate for squares that are too large, too small, off centre or turned, and draws
them as curves. The squares are made from the points, so this is for choosing and for limits, never for comparing with
others; it reads the validation part alone.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from landmarks import metrics
from landmarks.atomic import write_text
from landmarks.datasets.crops.squares import canonical_squares
from landmarks.datasets.dataset import Crops, load_crops
from landmarks.evaluation.placement import Placement, locate_crops, validation_faces
from landmarks.inference.backend import Backend, load_backend
from landmarks.inference.config import PASSES
from landmarks.metrics import THRESHOLD
from landmarks.schemes import SCHEMES

CURVES: dict[str, dict[float, Placement]] = {
    "in-plane rotation, degrees": {a: Placement(angle=a) for a in (0, 15, 30, 45, 60, 75, 90, 120, 150, 180)},
    "box scale": {s: Placement(scale=(s, s)) for s in (0.6, 0.7, 0.8, 0.9, 1.0, 1.1, 1.2, 1.3, 1.4, 1.5, 1.6)},
    "box shift, share of the side": {s: Placement(shift=s) for s in (0.0, 0.05, 0.1, 0.15, 0.2, 0.25)},
}
"""What is measured: by the name of a curve, a placement for each of its abscissae."""


def measure(
    backend: Backend, crops: Crops, placement: Placement, scheme_name: str, passes: int = PASSES
) -> tuple[float, float]:
    """Mean error and failure rate at 10 % of the validation faces, as shares of the inter-ocular distance."""
    scheme = SCHEMES[scheme_name]
    rows, true = validation_faces(crops, scheme)
    squares = placement.squares(canonical_squares(crops.table.iloc[rows], backend.config.crop_scale))
    predicted = locate_crops(backend, crops, rows, squares, passes).points[scheme.name]
    errors = metrics.nme(metrics.point_errors(predicted, true, metrics.interocular(true, scheme)))
    return float(errors.mean()), metrics.failure_rate(errors, THRESHOLD)


def main() -> None:
    parser = argparse.ArgumentParser(description="Error by placement of the first square, on validation faces.")
    parser.add_argument("weights", help="shipped name or file")
    parser.add_argument("data", help="prepared folder")
    parser.add_argument("--scheme", choices=sorted(SCHEMES), default="points_5")
    parser.add_argument("--out", type=Path, help="write the curves to this JSON file")
    parser.add_argument("--plot", type=Path, help="draw them to this PNG or SVG file")
    arguments = parser.parse_args()
    crops, backend = load_crops(arguments.data), load_backend(arguments.weights)
    curves: dict[str, dict[str, list[Any]]] = {}
    for name, placements in CURVES.items():
        rows = curves.setdefault(name, {"x": [], "1 pass": [], "2 passes": []})
        print(f"{name}: mean error / failures at 10 %, in % of the inter-ocular distance; 1 pass, 2 passes")
        for x, placement in placements.items():
            rows["x"].append(x)
            for passes, label in ((1, "1 pass"), (2, "2 passes")):
                rows[label].append(measure(backend, crops, placement, arguments.scheme, passes))
            shown = [
                f"{100 * error:6.2f} / {100 * failures:5.1f}"
                for error, failures in (rows[k][-1] for k in list(rows)[1:])
            ]
            print(f"{x:8g} {'   '.join(shown)}", flush=True)
    if arguments.out:
        write_text(arguments.out, json.dumps(curves, indent=1) + "\n")
    if arguments.plot:
        from landmarks.evaluation.plots import robustness_figure, save

        save(robustness_figure(curves), arguments.plot)


if __name__ == "__main__":
    main()
