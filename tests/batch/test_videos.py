"""Videos that are annotated and drawn as videos."""

from __future__ import annotations

import csv
import shutil
import sys
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from landmarks import RunOptions, read_results
from landmarks.batch import run
from landmarks.batch.plan import Shard
from landmarks.batch.run import annotate
from landmarks.batch.writers.videos import video_path
from landmarks.drawing import mp4
from landmarks.errors import LandmarksError
from landmarks.formats import FORMATS
from landmarks.sources.find import find
from landmarks.sources.videos.decoder_process import DecoderProcess
from tests.helpers.faces import draw_face, write_png
from tests.helpers.kill import differing, run_until_done
from tests.helpers.stub import Stub, StubFactory
from tests.helpers.videos import encoded, make_video, turn

pytestmark = pytest.mark.skipif(mp4.CODEC not in av.codecs_available, reason="this FFmpeg has no H.264 encoder")
ASK, SETTINGS = DecoderProcess.ask, Stub.settings
UNEVEN = [0, 1, 2, 3, 10, 11, 50, 51, 52, 75]


def drawn(source: Path, out: Path, **options) -> Path:
    """The video that a run draws of another one."""
    annotate(Stub(), find([source]), out, RunOptions((), drawings=True, **options))
    (path,) = (out / "drawings").iterdir()
    return path


def frames_of(path: Path) -> list[tuple[float, np.ndarray]]:
    """Seconds and upright pixels of each frame, by this FFmpeg."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        assert (stream.codec_context.name, stream.codec_context.pix_fmt) == ("h264", "yuv420p")
        return [(round(f.time, 4), f.to_ndarray(format="rgb24")) for f in container.decode(stream)]


def sounds_of(path: Path) -> tuple[str, int, float]:
    """Codec, packets and end in seconds of the sound."""
    with av.open(str(path)) as container:
        (sound,) = container.streams.audio
        packets = [packet for packet in container.demux(sound) if packet.pts is not None]
        return sound.codec_context.name, len(packets), float(packets[-1].pts * packets[-1].time_base)


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
@pytest.mark.parametrize("times", [range(20), UNEVEN], ids=["even", "uneven"])
def test_frames_keep_their_times(tmp_path, suffix, times):
    source = encoded(tmp_path / f"clip{suffix}", times=times)
    path = drawn(source, tmp_path / "out")
    assert path.name == {".mp4": "clip.mp4", ".mkv": "clip.mkv.mp4"}[suffix]
    found = frames_of(path)
    assert [time for time, _ in found] == [round(time / 25, 4) for time in times]
    with av.open(str(source)) as container:
        before = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    for (_, after), pixels in zip(found, before):
        assert after.shape == pixels.shape and np.median(np.abs(after.astype(int) - pixels)) < 8
    assert not list(tmp_path.rglob("*.partial"))


def test_every_nth_frame(tmp_path):
    annotate(Stub(), find([make_video(tmp_path / "a.mp4")], every=10), tmp_path / "out", RunOptions((), drawings=True))
    assert [time for time, _ in frames_of(tmp_path / "out" / "drawings" / "a.mp4")] == [0, 0.4, 0.8]


@pytest.mark.parametrize("quarters", [1, 2])
def test_a_telephone_that_was_held_upright(tmp_path, quarters):
    source = encoded(tmp_path / "a.mp4", times=range(3))
    turn(source, quarters)
    ((_, pixels), *_) = frames_of(drawn(source, tmp_path / "out"))
    assert pixels.shape[:2] == ((160, 96) if quarters == 1 else (96, 160))


def test_odd_sides(tmp_path):
    frame = cv2.resize(draw_face(0)[0], (97, 61))
    with av.open(str(tmp_path / "a.mkv"), "w") as container:
        stream = container.add_stream("ffv1", rate=25)
        stream.width, stream.height, stream.pix_fmt = 97, 61, "bgr0"
        container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, "rgb24")))
        container.mux(stream.encode())
    ((_, pixels),) = frames_of(drawn(tmp_path / "a.mkv", tmp_path / "out"))
    assert pixels.shape == (62, 98, 3)


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_sound_is_kept(tmp_path, suffix):
    """Copied as it is, or, where browsers would not play it, encoded anew (here PCM)."""
    source = encoded(tmp_path / f"a{suffix}", times=range(50), sound=2.0)
    codec, packets, end = sounds_of(drawn(source, tmp_path / "out"))
    before = sounds_of(source)
    assert codec == "aac" and end == pytest.approx(before[2], abs=0.3)
    assert suffix != ".mp4" or packets == before[1]


def test_damaged_frames_are_left_out_and_the_rest_is_drawn(tmp_path):
    source = encoded(tmp_path / "a.mp4", codec="libx264")
    data = bytearray(source.read_bytes())
    data[len(data) // 2 : len(data) // 2 + 600] = bytes(600)
    source.write_bytes(data)
    path = drawn(source, tmp_path / "out")
    with open(tmp_path / "out" / "images.csv", newline="") as file:
        good = [float(row["time"]) for row in csv.DictReader(file) if row["status"] in ("ok", "no_face")]
    assert [time for time, _ in frames_of(path)] == pytest.approx(good, abs=1e-3) and len(good) < 60


def test_a_video_without_frames_costs_a_warning(tmp_path):
    (tmp_path / "a.mp4").write_text("no video")
    make_video(tmp_path / "b.mp4", frames=3)
    (tmp_path / "out" / "drawings" / "b.mp4").mkdir(parents=True)  # Of an earlier run with --draw-frames.
    with pytest.warns(UserWarning, match=r"b.mp4: no drawing \(Is a directory\)"):
        annotate(Stub(), find(sorted(tmp_path.glob("*.mp4"))), tmp_path / "out", RunOptions(drawings=True))
    assert not list(tmp_path.rglob("*.partial")) and (tmp_path / "out" / "faces.csv").is_file()


def test_a_video_that_has_become_shorter_says_so(tmp_path, monkeypatch):
    source = make_video(tmp_path / "a.mp4", frames=10)
    shorter = make_video(tmp_path / "b.mp4", frames=4)
    with pytest.warns(UserWarning, match=r"a.mp4: 6 frames cannot be read again"):
        annotate(
            Stub(), find([source]), tmp_path / "out", RunOptions(drawings=True),
            progress=lambda done, total: shutil.copy(shorter, source) if done == 10 else None,
        )  # fmt: skip
    assert len(frames_of(tmp_path / "out" / "drawings" / "a.mp4")) == 4


def test_images_and_frames_as_pictures(tmp_path):
    """Images are drawn as before; frames are pictures where that is asked for."""
    write_png(tmp_path / "in" / "a.png", draw_face(0)[0])
    sources = [tmp_path / "in" / "a.png", make_video(tmp_path / "in" / "b.mp4", frames=3)]
    for frames, names in ((False, ["a.png.jpg", "b.mp4"]), (True, ["a.png.jpg", *(f"00000{i}.jpg" for i in range(3))])):
        out = tmp_path / f"out{frames}"
        annotate(Stub(), find(sources), out, RunOptions(drawings=True, draw_frames=frames))
        found = [path for path in sorted((out / "drawings").rglob("*")) if path.is_file()]
        assert [path.name for path in found] == names


def test_workers_and_being_stopped_change_nothing(tmp_path, monkeypatch):
    """Tracks, smoothing and drawings are made of the rows in their order, whoever computed them and when."""
    pytest.importorskip("trackers", reason="needs the extra `video`")
    videos = [encoded(tmp_path / "a.mp4", times=range(30)), encoded(tmp_path / "b.mp4", times=range(20))]
    options = {"formats": ("csv", "jsonl"), "drawings": True, "track": True, "smooth": True}
    annotate(Stub(), find(videos), tmp_path / "one", RunOptions(**options))
    annotate(StubFactory(), find(videos), tmp_path / "two", RunOptions(**options, workers=2))

    def stop(done: int, total: int | None) -> None:
        if done >= 24:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        annotate(Stub(), find(videos), tmp_path / "three", RunOptions(**options), progress=stop)
    assert not (tmp_path / "three" / "drawings").exists()
    summary = annotate(Stub(), find(videos), tmp_path / "three", RunOptions(**options))
    assert summary.images - summary.done == 30
    for name in ("faces.csv", "faces.jsonl", "drawings/a.mp4", "drawings/b.mp4"):
        first = (tmp_path / "one" / name).read_bytes()
        for other in ("two", "three"):
            assert (tmp_path / other / name).read_bytes() == first, name


@pytest.mark.parametrize("workers", [0, 2])
def test_a_video_goes_on_where_it_was(tmp_path, monkeypatch, workers):
    """It is not decoded from its first frame, and all is as if it had never been stopped; tracks and drawing, too."""
    pytest.importorskip("trackers", reason="needs the extra `video`")
    passed = []

    def ask(process, *request):
        answer = ASK(process, *request)
        if request[0] == "open":
            passed.append(answer["passed"])
        return answer

    monkeypatch.setattr(DecoderProcess, "ask", ask)
    video = encoded(tmp_path / "a.mp4", times=range(60), codec="libx264", sound=2.0)
    options = RunOptions(("csv", "jsonl"), drawings=True, track=True, workers=workers)
    # Slow enough that no worker has done much before the other has begun.
    factory = StubFactory(seconds=0.04 if workers else 0.0)
    annotate(StubFactory(), find([video]), tmp_path / "whole", options)
    for stop_after in (16, 40):

        def stop(done: int, total: int | None, most: int = stop_after) -> None:
            if done >= most:
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            annotate(factory, find([video]), tmp_path / "out", options, progress=stop)
    summary = annotate(StubFactory(), find([video]), tmp_path / "out", options)
    assert summary.done <= 60 - 40
    *_, first, second, third, drawing = passed
    # Workers may end their tasks in another order; what is done before the first gap is known.
    assert (first, drawing) == (0, 0) and 0 < second <= third and ((second, third) == (22, 46) or workers)
    for name in ("faces.csv", "faces.jsonl", "images.csv", "drawings/a.mp4"):
        assert (tmp_path / "out" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes(), name
    passed.clear()
    again = annotate(StubFactory(), find([video]), tmp_path / "out", options)
    assert (again.done, passed[0]) == (0, 60)


def test_killed_in_the_middle_of_a_video(tmp_path):
    """At random instants, with its workers or without; `python -m tests.helpers.kill --video` does any number."""
    video = encoded(tmp_path / "a.mp4", times=range(60), codec="libx264")
    command = [sys.executable, "-m", "tests.helpers.stub", "OUT", str(video), "--seconds", "0.02", "--workers", "2"]
    run_until_done([part.replace("OUT", str(tmp_path / "whole")) for part in command], tmp_path / "whole", 0, 0)
    command[3] = str(tmp_path / "out")
    killed = run_until_done(command, tmp_path / "out", kills=3, longest=0.4)
    assert killed and differing(tmp_path / "whole", tmp_path / "out") == []


def test_damaged_frames_that_are_taken_are_decoded_from_the_start(tmp_path, monkeypatch):
    """What a decoder paints over damage depends on all that it saw before."""
    video = encoded(tmp_path / "a.mp4", times=range(20))
    known = []
    work = run.Plan.work

    def spy(plan, sources, order):
        (video,) = sources
        known.append(len(video.known))
        return work(plan, [video], order)

    monkeypatch.setattr(run.Plan, "work", spy)
    for more in ({"accept_damaged": False}, {"accept_damaged": True}):
        monkeypatch.setattr(Stub, "settings", lambda self, more=more: SETTINGS(self) | more)
        for _ in range(2):
            annotate(Stub(), find([video]), tmp_path / f"{more}")
    assert known == [0, 20, 0, 0]


def test_whoever_waits_sees_how_the_writing_gets_on(tmp_path):
    steps = []
    video = make_video(tmp_path / "a.mp4", frames=20)
    annotate(Stub(), find([video]), tmp_path / "out", writing=lambda *step: steps.append(step))
    assert steps == [(0, 20), (8, 20), (16, 20), (20, 20)]


def test_stopped_while_it_draws_nothing_is_left_half(tmp_path, monkeypatch):
    source = make_video(tmp_path / "a.mp4", frames=10)
    calls = []

    def draw(*arguments):
        calls.append(arguments)
        if len(calls) == 5:
            raise KeyboardInterrupt
        return arguments[0]

    monkeypatch.setattr("landmarks.batch.writers.videos.draw", draw)
    with pytest.raises(KeyboardInterrupt):
        drawn(source, tmp_path / "out")
    assert not list((tmp_path / "out" / "drawings").iterdir())
    monkeypatch.undo()
    assert len(frames_of(drawn(source, tmp_path / "out"))) == 10


def test_tracks_are_in_every_format_that_has_room(tmp_path):
    pytest.importorskip("trackers", reason="needs the extra `video`")
    write_png(tmp_path / "a.png", draw_face(0)[0])
    sources = find([tmp_path / "a.png", make_video(tmp_path / "b.mp4", frames=6)])
    annotate(Stub(), sources, tmp_path / "out", RunOptions(tuple(FORMATS), track=True))
    wanted = read_results(tmp_path / "out", "parquet")
    frames = wanted["image"].str.startswith("b.mp4/")
    assert wanted["track"].dtype == "Int64" and (wanted["track"].notna() == frames).all() and frames.any()
    for name in FORMATS:
        found = read_results(tmp_path / "out", name)
        if name not in ("yolo", "pts"):
            assert found["track"].equals(wanted["track"]), name
        else:
            assert "track" not in found


def test_without_a_video_there_is_nothing_to_track(tmp_path):
    write_png(tmp_path / "a.png", draw_face(0)[0])
    with pytest.raises(LandmarksError, match="none of the sources is one"):
        annotate(Stub(), find([tmp_path / "a.png"]), tmp_path / "out", RunOptions(smooth=True))
    with pytest.raises(ValueError, match="a shard has a part of them"):
        RunOptions(track=True, shard=Shard(1, 2))


def test_names_of_drawings_are_apart():
    names = ["a.mp4", "a.avi", "a.avi.mp4", "a.mp4.mp4", "a~.mp4", "a.avi.mp4~.mp4", "x/a.MP4", "../a.mov"]
    places = [str(video_path(name)) for name in names]
    assert len(set(places)) == len(names) and places[0] == "a.mp4" and ".." not in places[-1].split("/")
    assert all(place.endswith(".mp4") for place in places)


@pytest.mark.skipif(not (shutil.which("chromium") and shutil.which("chromedriver")), reason="needs chromium")
def test_it_plays_in_a_browser(tmp_path):
    webdriver = pytest.importorskip("selenium.webdriver", reason="needs selenium")
    path = drawn(encoded(tmp_path / "a.mkv", times=UNEVEN, sound=2.0), tmp_path / "out")
    (tmp_path / "page.html").write_text(f'<video id="v" muted preload="auto" src="{path.as_uri()}"></video>')
    options = webdriver.ChromeOptions()
    usual = ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage")
    for argument in (*usual, "--allow-file-access-from-files"):
        options.add_argument(argument)
    browser = webdriver.Chrome(options=options, service=webdriver.ChromeService(shutil.which("chromedriver")))
    try:
        browser.set_script_timeout(60)
        browser.get((tmp_path / "page.html").as_uri())
        if not browser.execute_script("return v.canPlayType('video/mp4; codecs=\"avc1.42E01E\"')"):
            pytest.skip("this browser plays no H.264")
        seen = browser.execute_async_script("""
            const done = arguments[0], video = document.getElementById('v');
            const look = () => {
                const canvas = document.createElement('canvas');
                [canvas.width, canvas.height] = [video.videoWidth, video.videoHeight];
                const pen = canvas.getContext('2d');
                pen.drawImage(video, 0, 0);
                const data = Array.from(pen.getImageData(0, 0, canvas.width, canvas.height).data);
                done({size: [canvas.width, canvas.height], duration: video.duration, data: data});
            };
            video.onerror = () => done({error: video.error.message});
            const seek = () => { video.onseeked = look; video.currentTime = 1.0; };
            video.readyState >= 1 ? seek() : video.onloadedmetadata = seek;
        """)
    finally:
        browser.quit()
    assert "error" not in seen and seen["size"] == [160, 96] and 2.9 < seen["duration"] < 3.5
    shown = np.array(seen["data"]).reshape(96, 160, 4)[..., :3]
    before = [pixels for time, pixels in frames_of(path) if time <= 1.0][-1]
    assert np.abs(shown - before).mean() < 6  # The frame of .44 s, which stays until 2.0 s; colours included.
