"""What a detector finds hard: faces that it does not see, and places that it takes for one."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from landmarks.detection.overlap import overlaps
from landmarks.errors import LandmarksError
from landmarks.models.facegrid import FaceGrid, FaceGridConfig
from landmarks.training.detector.config import DetectorTraining, Shares
from landmarks.training.detector.crops import hard as module
from landmarks.training.detector.crops.hard import Hard, look, looked
from landmarks.training.detector.crops.maker import CropMaker
from landmarks.training.detector.crops.pictures import BySize
from landmarks.training.detector.from_config import HARD, train_detector
from tests.training.detector.test_from_config import TOML

CONFIG = DetectorTraining(batch_size=4, side=128, largest=100.0, workers=0)


class Skin(FaceGrid):
    """Says that a face as wide as six cells of 8 pixels lies around every such cell that is bright."""

    def folded(self):
        return self

    def forward(self, pixels):
        grids = []
        for stride in (8, 16, 32, 64):
            bright = nn.functional.avg_pool2d(pixels.float().mean(1, keepdim=True), stride)
            grid = torch.full((*bright.shape[:1], 15, *bright.shape[2:]), 3.0)
            grid[:, :1] = torch.where(bright > 150, 1.0, -9.0) if stride == 8 else -9.0
            grids.append(grid)
        return grids


@pytest.fixture
def skin():
    return Skin(FaceGridConfig(8, (8, 8, 8, 8), (0, 0, 0, 0))).eval()


def test_scores_are_of_the_boxes_of_faces_and_decoys_lie_elsewhere(pictures, skin):
    found = look(skin, pictures)
    assert list(found.scores) == pictures.numbers()
    for number, scores in found.scores.items():
        assert scores.shape == (len(pictures.faces(number).boxes),)
        assert set(np.round(scores, 2)) <= {0.0, 0.73}
    assert found.decoys.shape[1] == 6
    for number, *box, score in found.decoys:
        faces = pictures.faces(int(number)).boxes
        assert overlaps(np.array([box]), faces).max(initial=0) < module.APART
        assert score == pytest.approx(1 / (1 + np.exp(-1)), abs=1e-5)


def test_a_face_that_is_seen_and_one_that_is_not(pictures, skin, monkeypatch):
    number = int(pictures.scenes[0])
    first = pictures.faces(number).boxes[0]
    off = first + 500
    monkeypatch.setattr(module, "_find", lambda network, pixels: (np.array([first, off]), np.array([0.7, 0.4])))
    found = look(skin, pictures)
    assert found.scores[number].tolist() == [0.7, 0.0, 0.0]
    assert found.decoys[found.decoys[:, 0] == number].tolist() == [[number, *off, 0.4]]
    assert found.times(number, 3, 4.0).tolist() == [1.0, 5.0, 5.0]


@pytest.mark.parametrize(("score", "times"), [(0.0, 5.0), (0.3, 3.0), (0.6, 1.0), (0.9, 1.0)])
def test_how_often_a_face_is_drawn(score, times):
    assert Hard({0: np.array([score])}).times(0, 1, 4.0) == pytest.approx([times])
    assert Hard().times(0, 2, 4.0).tolist() == [1.0, 1.0], "nothing is known of it"


def test_hard_faces_are_drawn_more_often(pictures):
    number = int(pictures.scenes[0])
    known = Hard({number: np.array([0.0, 0.9, 0.9])})
    drawn = BySize(pictures, np.array([number]), lambda n: known.times(n, 3, 4.0))
    rng = np.random.default_rng(0)
    which = [drawn.draw(1.0, 1000.0, rng)[1] for _ in range(3000)]
    assert np.bincount(which, minlength=3) / 3000 == pytest.approx([5 / 7, 1 / 7, 1 / 7], abs=0.03)


def test_crops_around_decoys_show_them(pictures):
    empty = int(pictures.empty[0])
    decoys = np.array([[empty, 30.0, 40, 60, 70, 0.9], [empty, 100, 100, 200, 200, 0.3]])
    shares = Shares(**dict.fromkeys(("portrait", "mosaic", "anywhere", "empty"), 0.0), face=0.5, decoy=0.5)
    make = CropMaker(pictures, replace(CONFIG, shares=shares), Hard({}, decoys))
    rng = np.random.default_rng(0)
    crops = [make.around_decoy(rng) for _ in range(20)]
    assert all(crop.pixels.shape == (128, 128, 3) and not len(crop.boxes) for crop in crops)
    kinds = [len(make(rng).boxes) == 0 for _ in range(60)]
    assert 15 < sum(kinds) < 45, "half of all crops are of the picture without faces"


def test_what_was_seen_is_kept(pictures, skin, tmp_path, monkeypatch):
    path = tmp_path / "hard.safetensors"
    found = looked(path, skin, pictures, "these")
    monkeypatch.setattr(module, "look", lambda *_: pytest.fail("it was looked at again"))
    again = looked(path, skin, pictures, "these")
    assert found.scores.keys() == again.scores.keys() and np.array_equal(found.decoys, again.decoys)
    assert all(np.array_equal(found.scores[n], again.scores[n]) for n in found.scores)
    monkeypatch.setattr(module, "look", lambda *_: Hard({}, np.zeros((0, 6))))
    assert not looked(path, skin, pictures, "others").scores
    path.write_bytes(b"damaged")
    assert not looked(path, skin, pictures, "others").scores and path.stat().st_size > 10


def test_training_looks_first(drawn, tmp_path):
    config = tmp_path / "detector.toml"
    config.write_text(TOML)
    more = ["hard=4.0", "shares.decoy=0.2", "further=[0,2,1,1]"]
    with pytest.raises(LandmarksError, match="about weights to start from; give --start"):
        train_detector(config, [drawn], tmp_path / "none", "cpu", more)
    first = train_detector(config, [drawn], tmp_path / "first", "cpu", ["further=[0,1,1,1]"])
    seen = []
    told = {"progress": lambda done, total: seen.append(total)}
    path = train_detector(config, [drawn], tmp_path / "second", "cpu", more, start=first, **told)
    assert path.is_file() and (tmp_path / "second" / HARD).is_file() and seen.count(8) == 9
    rows = [json.loads(line) for line in (tmp_path / "second" / "log.jsonl").read_text().splitlines()]
    assert [row["step"] for row in rows if "train" in row] == [1, 2]
