from __future__ import annotations

import av
import cv2
import numpy as np
import pytest

from landmarks.drawing import mp4
from landmarks.errors import LandmarksError
from landmarks.live.frames import frames_of
from landmarks.live.run import show_live
from landmarks.live.screen import NoScreen, Window
from tests.helpers.commands import run
from tests.helpers.results import some_faces
from tests.helpers.videos import make_video


class Desk:
    """A Screen at which keys are pressed at these pictures."""

    def __init__(self, keys: dict[int, str]) -> None:
        self.keys, self.pictures, self.closed = keys, [], False

    def show(self, picture: np.ndarray) -> str:
        self.pictures.append(picture)
        return self.keys.get(len(self.pictures), "")

    def close(self) -> None:
        self.closed = True


def annotate(pixels: np.ndarray):
    return some_faces(1)


def test_keys_save_and_end(tmp_path):
    desk = Desk({3: "s", 5: "x", 9: "q"})
    seen = show_live(frames_of(str(make_video(tmp_path / "a.mp4", size=(640, 480)))), annotate, desk, tmp_path / "kept")
    assert seen.frames == len(desk.pictures) == 9 and desk.closed and seen.speed > 0
    (path,) = seen.saved
    assert list((tmp_path / "kept").iterdir()) == [path]
    np.testing.assert_array_equal(cv2.imread(str(path))[..., ::-1], desk.pictures[2])
    assert desk.pictures[0][:40, :200].max() > 200  # The speed, on a black frame; thin strokes are not white in full.


@pytest.mark.skipif(mp4.CODEC not in av.codecs_available, reason="this FFmpeg has no H.264 encoder")
def test_all_is_recorded_without_a_screen(tmp_path):
    pytest.importorskip("trackers", reason="needs the extra `video`")
    video = make_video(tmp_path / "a.mp4", frames=6, size=(320, 240))
    seen = show_live(frames_of(str(video)), annotate, NoScreen(), record=tmp_path / "new" / "b.mp4", smooth=True)
    with av.open(str(tmp_path / "new" / "b.mp4")) as container:
        assert len(list(container.decode(video=0))) == seen.frames == 6


def test_ctrl_c_ends_it_and_keeps_the_recording(tmp_path):
    def interrupted(pixels):
        if pixels.mean() > 30:
            raise KeyboardInterrupt
        return some_faces(1)

    video = make_video(tmp_path / "a.mp4", size=(320, 240))
    seen = show_live(frames_of(str(video)), interrupted, NoScreen(), record=tmp_path / "b.mp4")
    assert 3 <= seen.frames <= 6 and (tmp_path / "b.mp4").stat().st_size and not list(tmp_path.glob("*.partial"))


@pytest.mark.parametrize(
    ("source", "words"),
    [("gone.mp4", "no such file"), ("a.png", "is no video; give a video file"), ("97", "camera 97: gives no picture")],
)
def test_what_is_no_camera_and_no_video(tmp_path, monkeypatch, source, words):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.png").write_text("")
    with pytest.raises(LandmarksError, match=words):
        show_live(frames_of(source), annotate, NoScreen(), record=tmp_path / "b.mp4")
    assert not list(tmp_path.glob("b.mp4*"))


def test_without_a_window_system_it_says_so(monkeypatch):
    monkeypatch.setattr("sys.platform", "linux")
    for name in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(LandmarksError, match="no window system here; give --no-window"):
        Window("a")


def test_the_command(monkeypatch, small_weights, tmp_path, capsys):
    video = make_video(tmp_path / "a.mp4", frames=3)
    options = ("--weights", small_weights, "--detector", "whole-image", "--device", "cpu", "--no-window")
    assert run(monkeypatch, "live", video, *options) == 0
    assert "3 frames, " in capsys.readouterr().err


def test_annotate_says_what_to_type_for_a_camera(monkeypatch, tmp_path, capsys):
    monkeypatch.chdir(tmp_path)
    assert run(monkeypatch, "annotate", "0", "--out", "out") == 2
    assert "type: landmarks live 0" in " ".join(capsys.readouterr().err.split())
