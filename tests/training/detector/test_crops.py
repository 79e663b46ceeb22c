"""Crops and batches: faces lie where the labels say, every kind is made, the same number gives the same batch."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from landmarks.datasets.photographs import read_photographs
from landmarks.detection.overlap import sizes
from landmarks.errors import DataError
from landmarks.training.detector.config import DetectorTraining, Shares
from landmarks.training.detector.crops import maker as crops
from landmarks.training.detector.crops.batches import Batches, load
from landmarks.training.detector.crops.maker import CropMaker
from landmarks.training.detector.crops.pictures import BySize, Pictures
from landmarks.training.detector.crops.pixels import STEPS, augment, cover, tone
from landmarks.training.detector.crops.place import crop_cells
from landmarks.training.detector.crops.store import INDEX, PIXELS, Store, open_store
from tests.helpers.faces import write_png
from tests.helpers.photographs import photographs

CONFIG = DetectorTraining(batch_size=4, side=128, largest=100.0, workers=0)


def only(**shares):
    return replace(
        CONFIG, shares=Shares(**dict.fromkeys(("face", "portrait", "mosaic", "anywhere", "empty"), 0.0) | shares)
    )


def alike(pictures):
    """All faces of a picture are drawn as often."""
    return lambda number: np.ones(len(pictures.faces(number).boxes))


def test_pictures_by_kind(pictures):
    assert [len(kind) for kind in (pictures.scenes, pictures.portraits, pictures.empty)] == [3, 4, 1]
    assert pictures.count() == 3 * 3 + 4 and len(pictures) == 8


@pytest.mark.parametrize("kind", ["face", "portrait", "mosaic", "anywhere"])
def test_points_lie_on_eyes(pictures, kind):
    """Eyes are drawn dark blue: where the labels say, the crop must be that."""
    make = CropMaker(pictures, only(**{kind: 1.0}))
    rng, seen = np.random.default_rng(3), 0
    for _ in range(100):
        if kind == "mosaic":
            crop = make.mosaic(rng)
        elif kind == "anywhere":
            crop = make.anywhere(False, rng)
        else:
            crop = make.around_face(kind == "portrait", (128, 128), (30.0, 100.0), rng)
        assert crop.pixels.shape == (128, 128, 3) and crop.boxes.shape[1:] == (4,)
        for box, points in zip(crop.boxes, crop.points):
            if sizes(box[None])[0] < 40:
                continue
            assert (points >= box[:2]).all() and (points <= box[2:]).all()
            for x, y in points[:2]:
                if 2 < x < 126 and 2 < y < 126:
                    patch = crop.pixels[int(y) - 1 : int(y) + 2, int(x) - 1 : int(x) + 2].reshape(-1, 3)
                    # In a mosaic the face may reach over its tile's seam.
                    seen += 1
                    assert kind == "mosaic" or (patch[:, 0] < 90).any()
    assert seen > 20


def test_no_face_no_crop_of_it(pictures):
    rng, make = np.random.default_rng(0), CropMaker(pictures, CONFIG)
    for _ in range(10):
        crop = make.anywhere(True, rng)
        assert not len(crop.boxes) and not len(crop.ignored)


def test_faces_are_drawn_by_size(pictures):
    drawn = BySize(pictures, np.concatenate([pictures.scenes, pictures.portraits]), alike(pictures))
    rng = np.random.default_rng(0)
    size = lambda number, i: sizes(pictures.faces(number).boxes)[i]  # noqa: E731
    found = [size(*drawn.draw(20, 40, rng)) for _ in range(50)]
    assert min(found) >= 20 and max(found) <= 40
    largest = max(sizes(pictures.faces(n).boxes).max() for n in pictures.portraits)
    assert size(*drawn.draw(5000, 9000, rng)) == largest, "the nearest where there is none"


@pytest.mark.parametrize(("weights", "share"), [({}, 0.5), ({"second": 3.0}, 0.75), ({"second": 0.0}, 0.0)])
def test_datasets_are_drawn_by_their_weights(tmp_path, weights, share):
    """Faces and pieces of photographs, of two datasets with the same photographs."""
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
    datasets = [
        replace(read_photographs(photographs(tmp_path / name, portraits=0, empty=0)), name=name)
        for name in ("first", "second")
    ]
    store = open_store(datasets, tmp_path / "store")
    pictures = Pictures(store, datasets, "train", weights)
    second = {n for n in pictures.scenes.tolist() if store.index["dataset"][n] == 1}
    assert 0 < len(second) == len(pictures.scenes) / 2
    rng, drawn = np.random.default_rng(0), BySize(pictures, pictures.scenes, alike(pictures))
    found = [drawn.draw(1, 1000, rng)[0] in second for _ in range(600)]
    assert np.mean(found) == pytest.approx(share, abs=0.06)
    taken, make = [], CropMaker(pictures, CONFIG)
    make._take = lambda number, *others: taken.append(number in second)
    for _ in range(600):
        make.anywhere(False, rng)
    assert np.mean(taken) == pytest.approx(share, abs=0.06)


def test_a_batch_depends_on_its_number_alone(pictures):
    first, second = Batches(pictures, CONFIG), Batches(pictures, CONFIG)
    second[3]
    for number in (0, 5):
        a, b = first[number], second[number]
        assert torch.equal(a.pixels, b.pixels)
        assert all(
            torch.equal(x, y) for x, y in zip(vars(a.truth).values(), vars(b.truth).values()) if not x.isnan().any()
        )
    assert not torch.equal(first[0].pixels, first[1].pixels)
    assert not torch.equal(first[0].pixels, Batches(pictures, replace(CONFIG, seed=1))[0].pixels)
    assert first[0].truth.ignored.shape == (4, len(crop_cells(128))) and first[0].truth.boxes.dtype == torch.float32


@pytest.mark.filterwarnings("error:This DataLoader")  # that it starts more processes than there are cores
@pytest.mark.parametrize("workers", [2, 500])
def test_workers_make_the_same_batches(pictures, workers):
    alone = list(load(Batches(pictures, CONFIG), 2, 5))
    helped = list(load(Batches(pictures, replace(CONFIG, workers=workers)), 2, 5))
    assert len(helped) == 3 and all(torch.equal(a.pixels, b.pixels) for a, b in zip(alone, helped))


@pytest.mark.parametrize("step", [tone, *(step for step, _ in STEPS)])
def test_augmentation_keeps_shape_and_source(step):
    crop = np.random.default_rng(0).integers(0, 256, (128, 128, 3), np.uint8)
    before = crop.copy()
    for seed in range(5):
        changed = step(crop, np.random.default_rng(seed))
        assert changed.shape == crop.shape and changed.dtype == np.uint8
        assert np.array_equal(crop, before)


def test_covering_stays_near_the_face():
    crop = np.zeros((128, 128, 3), np.uint8)
    crop[::2] = 255
    boxes = np.array([[40.0, 40, 80, 80], [120, 120, 200, 200], [-50, -50, -20, -20]])
    for seed in range(20):
        changed = cover(crop, boxes, np.random.default_rng(seed))
        assert (changed[:24, :24] == crop[:24, :24]).all()
        assert augment(crop, boxes, np.random.default_rng(seed)).shape == crop.shape
    assert cover(crop, boxes[:0], np.random.default_rng(0)).shape == crop.shape


def test_kinds_without_pictures_are_not_made(tmp_path):
    datasets = [read_photographs(photographs(tmp_path, scenes=0, portraits=2, empty=0, val=0))]
    store = open_store(datasets, tmp_path / "store")
    make = CropMaker(Pictures(store, datasets, "train"), CONFIG)
    assert make._kinds == ["portrait", "mosaic"]


def test_no_faces_at_all(tmp_path):
    datasets = [read_photographs(photographs(tmp_path, scenes=0, portraits=0, empty=2, val=0))]
    store = open_store(datasets, tmp_path / "store")
    with pytest.raises(DataError, match="no photograph of the split has a face"):
        CropMaker(Pictures(store, datasets, "train"), CONFIG)


def test_what_progress_raises_is_not_told_as_the_stores(drawn, tmp_path):
    own = OSError(28, "the caller's own")

    def fails(done, total):
        raise own

    with pytest.raises(OSError) as told:
        open_store([read_photographs(drawn)], tmp_path, fails)
    assert told.value is own and own.filename is None and not list(tmp_path.iterdir())


def test_the_store(drawn, tmp_path):
    datasets = [read_photographs(drawn)]
    store = open_store(datasets, tmp_path)
    for number, name in enumerate(store.index["image"]):
        assert np.array_equal(np.broadcast_to(store[number], (*store.shape(number), 3)), datasets[0].pixels(name))
    written = (tmp_path / PIXELS).stat().st_mtime_ns
    assert len(open_store(datasets, tmp_path)) == len(store) and (tmp_path / PIXELS).stat().st_mtime_ns == written
    (tmp_path / PIXELS).write_bytes((tmp_path / PIXELS).read_bytes()[:-1])
    with pytest.raises(DataError, match="too short"):
        Store(tmp_path)
    (tmp_path / INDEX).write_text("nothing")
    with pytest.raises(DataError, match="holds no decoded pictures"):
        open_store(datasets, tmp_path)


def test_large_grey_and_broken_pictures(tmp_path):
    root = tmp_path / "data"
    write_png(root / "large.png", np.random.default_rng(0).integers(0, 256, (600, 2048, 3), np.uint8))
    write_png(root / "grey.png", np.full((30, 40, 3), 7, np.uint8))
    (root / "broken.png").write_bytes(b"\x89PNG")
    rows = [
        "large.png,train,99.5,49.5,199.5,249.5",
        "grey.png,train,,,,",
        "broken.png,train,1,2,3,4",
        "gone.png,val,,,,",
    ]
    (root / "faces.csv").write_text("\n".join(["image,split,x0,y0,x1,y1", *rows]))
    datasets = [read_photographs(root)]
    with pytest.warns(UserWarning, match=r"2 of 4 photographs cannot be used.*left_out\.csv"):
        store = open_store(datasets, tmp_path / "store")
    pictures = Pictures(store, datasets, "train")
    names = store.index["image"].tolist()
    assert store[names.index("large.png")].shape == (300, 1024, 3) and store[names.index("grey.png")].shape == (
        30,
        40,
        1,
    )
    np.testing.assert_allclose(pictures.faces(names.index("large.png")).boxes, [[50, 25, 100, 125]])


@pytest.mark.parametrize("turned", [0.0, 0.5, 1.0])
def test_as_many_crops_are_turned_as_asked(pictures, turned):
    """The labelled eyes lie level, and so they do in a crop that is not turned."""
    make, rng, level = CropMaker(pictures, replace(only(face=1.0), turned=turned)), np.random.default_rng(0), []
    while len(level) < 200:
        eyes = [points[1] - points[0] for points in make(rng).points if np.isfinite(points).all()]
        level += [abs(eyes[0][1]) < 1e-6] if eyes else []
    assert np.mean(level) == pytest.approx(1 - turned, abs=0.1 if turned == 0.5 else 0.01)


@pytest.mark.parametrize("changed", [0.0, 0.5, 1.0])
def test_as_many_crops_are_changed_as_asked(pictures, monkeypatch, changed):
    calls = []
    monkeypatch.setattr(crops, "augment", lambda pixels, boxes, rng: calls.append(1) or pixels)
    make, rng = CropMaker(pictures, replace(CONFIG, changed=changed)), np.random.default_rng(0)
    for _ in range(200):
        make(rng)
    assert len(calls) == pytest.approx(200 * changed, abs=0.0 if changed in (0, 1) else 25)
