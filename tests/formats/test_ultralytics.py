"""Ultralytics loads a run's labels with the photographs beside them. Skipped where it is not installed."""

from __future__ import annotations

import os
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from tests.helpers.results import HEIGHT, WIDTH, record, some_faces, write


def test_every_image_is_loaded_with_its_labels(tmp_path, monkeypatch):
    monkeypatch.setenv("YOLO_CONFIG_DIR", str(tmp_path / "settings"))
    pytest.importorskip("ultralytics")
    from ultralytics.data.dataset import YOLODataset
    from ultralytics.data.utils import check_det_dataset

    faces = some_faces(2)
    boxes, points = faces.boxes.copy(), faces.points.copy()
    boxes[0], points[0, 0] = (-30, -20, WIDTH + 9, 300), (-5, 9)
    found = [record(replace(faces, boxes=boxes, points=points), "a.jpg"), record(some_faces(1), "sub/b c.jpg")]
    write(tmp_path, found, ["yolo"])
    for one in found:
        photograph, beside = tmp_path / "photos" / one.image, tmp_path / "yolo" / "images" / one.image
        for path in (photograph, beside):
            path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.zeros((HEIGHT, WIDTH, 3), np.uint8)).save(photograph)
        os.link(photograph, beside)
    data = check_det_dataset(str(tmp_path / "yolo" / "data.yaml"), autodownload=False)
    loaded = YOLODataset(img_path=data["train"], data=data, task="pose", augment=False, imgsz=64)
    assert len(loaded) == 2
    first, second = sorted(loaded.labels, key=lambda label: label["im_file"])
    assert first["keypoints"].shape == (2, 5, 3) and second["keypoints"].shape == (1, 5, 3)
    assert first["keypoints"][0, 0].tolist() == [0, 0, 0]
    wanted = (found[1].faces.points[0] + 0.5) / (WIDTH, HEIGHT)
    np.testing.assert_allclose(second["keypoints"][0, :, :2], wanted, atol=1e-6)
