"""How far points tremble."""

from __future__ import annotations

import numpy as np
import pytest

from landmarks.errors import LandmarksError
from landmarks.faces import Faces
from landmarks.schemes import POINTS_5
from landmarks.studies import steadiness
from landmarks.studies.steadiness import main
from tests.helpers.faces import SAMPLES


class Trembling:
    """An annotator whose points tremble by so much, half as much in a given box; its own is half as wide as the
    picture."""

    def __init__(self, deviation: float) -> None:
        self.deviation, self.rng = deviation, np.random.default_rng(1)

    def __call__(self, picture: np.ndarray) -> Faces:
        side = picture.shape[1] / 2
        points = self.rng.normal(side, self.deviation, (1, len(POINTS_5), 2))
        return Faces(boxes=np.array([[0.0, 0, side, side]]), scores=np.ones(1), points=points, scheme=POINTS_5)

    def predict(self, pictures: list[np.ndarray], boxes: list[np.ndarray]) -> list[Faces]:
        side = pictures[0].shape[1] / 2
        assert boxes[0].tolist() == [[0.0, 0, side, side]]
        points = [self.rng.normal(0, self.deviation / 2, (1, len(POINTS_5), 2)) for _ in pictures]
        return [Faces(boxes=box, scores=np.ones(1), points=one, scheme=POINTS_5) for box, one in zip(boxes, points)]


@pytest.mark.parametrize("deviation", [0.0, 0.5, 2.0])
def test_the_deviation_is_found(deviation):
    found = steadiness.steadiness(Trembling(deviation), np.zeros((64, 80, 3), np.uint8), 100)
    assert found.width == pytest.approx(100, abs=1)
    assert found.pixels == pytest.approx(deviation, rel=0.1, abs=1e-6)
    assert found.boxed == pytest.approx(deviation / 2, rel=0.1, abs=1e-6)
    assert found.share == pytest.approx(deviation / 100, rel=0.1, abs=1e-6)


def test_a_picture_without_faces():
    annotator = Trembling(0)
    annotator.__class__ = type("Blind", (Trembling,), {"__call__": lambda self, picture: Faces.empty(POINTS_5)})
    with pytest.raises(LandmarksError, match="no face"):
        steadiness.steadiness(annotator, np.zeros((64, 80, 3), np.uint8), 100)


def test_the_command_on_a_sample(monkeypatch, capsys):
    monkeypatch.setattr(steadiness, "FRAMES", 3)
    main(["compact", str(SAMPLES / "grace_hopper.jpg"), "--size", "60", "--detector", "facegrid"])
    line = capsys.readouterr().out
    assert line.startswith("grace_hopper.jpg: 6") and "flips: pose 0" in line
