"""What an exported file says of itself, so that nobody needs this package to use it: docs/export.md explains it."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from landmarks import __version__
from landmarks.detection.create import DETECTORS
from landmarks.export.file import ERROR_CUES, ERRORS, FACE, FORMAT, LOCATOR, LOGITS, NETWORK, QUALITY
from landmarks.geometry import FACE_BOX
from landmarks.models.calibration import Calibration
from landmarks.models.config import NetworkConfig
from landmarks.models.store import Model
from landmarks.schemes import POINTS_5, SCHEMES

SQUARES = "(N, H, W, 3) uint8 RGB, of any size: "
INPUTS = {
    NETWORK: {"crops": SQUARES + "upright face squares, see `square`"},
    LOCATOR: {"crops": SQUARES + "rough face squares, turned any way"},
    FACE: {
        "images": "(N, H, W, 3) or (1, H, W, 3) uint8 RGB, of any size: an image for each box, or one for all",
        "boxes": "(N, 4) float32: x0, y0, x1, y1 in pixels of the image, as `box_rule` takes them",
    },
}
"""What each graph takes, by name."""
POINTS = "x and y of each point in pixels of the image or crop given, pixel centres at integers"
CUES = "log expected error and log spread of each point before calibration, as shares of the side of the last crop"
EXPECTED = "expected error of each point as a share of the face size, which is the larger side of `extent`"
TRUST = "probability that the mean error of the points is below a tenth of the face size; low for what is no face"
RULES = {
    "pixels": "Pixel centres are at integers: a picture w pixels wide spans -0.5 to w - 0.5. x goes right, y down.",
    "extent": "The smallest rectangle, upright with the face, around its five anchors: eye centres, nose tip, mouth "
    "corners. Each is the mean of the points that `anchors` names.",
    "roll": "Angle of (right eye - left eye) + (d.y, -d.x), where d goes from the middle of the eyes to the middle of "
    "the mouth corners: atan2(y, x), clockwise as seen.",
    "square": "Centre of the extent; side: crop_scale times the extent's larger side; turned by roll.",
    "first_square": "Of a box: upright; centre: the box's plus (shift_x, shift_y) times sqrt(w h); side: crop_scale "
    "times extent times sqrt(w h), or the box's larger side where extent is null. The constants are the detector's, in "
    "`box_rules`.",
    "crop": "S x S pixels, bilinear, black outside the image; its middle, (S - 1) / 2, is the square's. Where f = "
    "floor(side / S) is 2 or more, the image is first averaged over blocks of f x f pixels.",
    "passes": "First square, locator (without one: the network), square of its points, network.",
}
"""The way from a detector's box to crops, in words."""


def header(model: Model, part: str) -> dict[str, Any]:
    """The header of a float graph, kept as JSON in the file's metadata."""
    config = model.network.config
    facts = {
        "format": FORMAT,
        "part": part,
        "version": __version__,
        "precision": "float32",
        "weights_sha256": model.sha256,
        "config": config.as_dict(),
        "calibration": model.calibration.as_dict(),
        "about": model.about,
        "inputs": INPUTS[part],
        "outputs": outputs(config, model.calibration, part),
        "rules": RULES,
        "anchors": {name: anchors(name) for name in dict.fromkeys((*config.schemes, POINTS_5.name))},
        "box_rules": {name: asdict(vars(kind)["rule"]) for name, kind in DETECTORS.items()},
    }
    return facts | ({"box_rule": asdict(FACE_BOX)} if part == FACE else {})


def outputs(config: NetworkConfig, calibration: Calibration, part: str) -> dict[str, dict[str, Any]]:
    """Shape and meaning of each output of a graph by its name, and the names of its points or classes in order."""
    schemes = (POINTS_5.name,) if part == LOCATOR else config.schemes
    found: dict[str, dict[str, Any]] = {}

    def add(name: str, meaning: str, *shape: int, **order: tuple[str, ...]) -> None:
        found[name] = {"shape": ["N", *shape], "meaning": meaning, **order}

    for name in schemes:
        count, points = len(SCHEMES[name]), SCHEMES[name].points
        add(name, POINTS, count, 2, points=points)
        if part == LOCATOR:
            return found
        add(name + ERROR_CUES, CUES, count, 2, points=points)
        if name in calibration.errors:
            add(name + ERRORS, EXPECTED, count, points=points)
    for name in config.attributes:
        attribute = config.attribute(name)
        note = f" {attribute.note}" if attribute.note else ""
        add(name + LOGITS, "logits of the classes before calibration", len(attribute), classes=attribute.labels)
        add(name, f"probability of each class.{note}", len(attribute), classes=attribute.labels)
    for name, quantity in config.quantities.items():
        unit = f" in {quantity.unit}" if quantity.unit else ""
        add(name, f"estimate{unit}. {quantity.note}".strip())
    if calibration.quality is not None and config.schemes and config.schemes[0] in calibration.errors:
        add(QUALITY, TRUST)
    return found


def anchors(scheme: str) -> dict[str, tuple[int, ...]]:
    """Which points of a scheme make each of the five anchors."""
    named = SCHEMES[scheme]
    return {name: getattr(named, name) for name in POINTS_5.points}
