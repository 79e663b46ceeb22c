"""Videos made by the tests."""

from __future__ import annotations

import cv2
import numpy as np
import pytest


def make_video(path, frames=30, size=(64, 48)):
    """A video of 25 frames a second, whose frame i has the grey level 8 i."""
    code = cv2.VideoWriter.fourcc(*("MJPG" if path.suffix == ".avi" else "mp4v"))
    writer = cv2.VideoWriter(str(path), cv2.CAP_FFMPEG, code, 25, size)
    if not writer.isOpened():
        pytest.skip("this OpenCV writes no videos")
    for i in range(frames):
        writer.write(np.full((size[1], size[0], 3), 8 * i % 256, np.uint8))
    writer.release()
    return path
