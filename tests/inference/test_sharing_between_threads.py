"""One Annotator for several threads, and in a process that was forked off."""

from __future__ import annotations

import multiprocessing
import os
import sys
from concurrent.futures import ThreadPoolExecutor

import cv2
import numpy as np
import pytest

from landmarks import Annotator, images
from landmarks.errors import ProcessError
from tests.helpers.faces import SAMPLES, draw_face, shared, write_png

SIDES = ((256, 256), (190, 320), (320, 150), (96, 96))


def pictures() -> list[np.ndarray]:
    """Photographs in several sizes, one without a face."""
    seen = [images.read(SAMPLES / name).pixels for name in ("astronaut.png", "grace_hopper.jpg")]
    found = [np.ascontiguousarray(cv2.resize(one, side)) for one in seen for side in SIDES]
    return [*found, np.full((300, 400, 3), 128, np.uint8)]


def same(faces, wanted) -> bool:
    return len(faces) == len(wanted) and np.allclose(faces.points, wanted.points, atol=0.01, equal_nan=True)


@pytest.mark.parametrize("backend", ["torch", "onnx"])
@pytest.mark.parametrize("detector", ["centerface", "yunet", "whole-image"])
def test_threads_get_what_they_would_get_alone(detector, backend, monkeypatch):
    if detector == "yunet":
        monkeypatch.setenv("LANDMARKS_YUNET", str(shared("models/face_detection_yunet_2023mar.onnx")))
    annotator, given = Annotator("compact", detector=detector, backend=backend, device="cpu"), pictures()
    alone = [annotator(picture) for picture in given]
    assert sum(map(len, alone)) >= 6
    with ThreadPoolExecutor(8) as pool:
        again = list(pool.map(lambda i: annotator(given[i % len(given)]), range(4 * len(given))))
    assert [i for i, faces in enumerate(again) if not same(faces, alone[i % len(given)])] == []


def test_threads_share_streams_and_boxes(small_weights, tmp_path):
    paths = [write_png(tmp_path / f"{i}.png", draw_face(i)[0]) for i in range(6)]
    rows = "".join(f"{path},10,10,{90 + i},{99 + i}\n" for i, path in enumerate(paths))
    (tmp_path / "boxes.csv").write_text("image,x0,y0,x1,y1\n" + rows)
    annotator = Annotator(small_weights, tmp_path / "boxes.csv", device="cpu")
    alone = [record.faces for record in annotator.stream(paths)]
    with ThreadPoolExecutor(8) as pool:
        for seen in pool.map(lambda _: [record.faces for record in annotator.stream(paths)], range(8)):
            assert all(map(same, seen, alone))
    assert set(annotator.clock.seconds) == {"read", "decode", "detect", "locate"}


def _ask(annotator: Annotator, path: str, answers: multiprocessing.SimpleQueue) -> None:
    said = []
    for call in (lambda: annotator(path), lambda: list(annotator.stream([path])), lambda: annotator.predict([], [])):
        try:
            call()
        except ProcessError as error:
            said.append(str(error))
    answers.put(said)


@pytest.mark.skipif(not hasattr(os, "fork") or sys.platform == "darwin", reason="this system does not fork")
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_fork_is_told_what_to_do(small_weights, tmp_path):
    """It would wait for threads that are not there."""
    path = write_png(tmp_path / "a.png", draw_face(0)[0])
    annotator = Annotator(small_weights, detector="whole-image", device="cpu")
    assert len(annotator(path)) == 1
    context = multiprocessing.get_context("fork")
    answers = context.SimpleQueue()
    child = context.Process(target=_ask, args=(annotator, str(path), answers))
    child.start()
    said = answers.get()
    child.join()
    assert len(said) == 3 and all("spawn" in sentence for sentence in said)
