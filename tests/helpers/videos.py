"""Videos made by the tests."""

from __future__ import annotations

import struct
from fractions import Fraction

import av
import cv2
import numpy as np
import pytest

from landmarks.drawing.mp4 import OPTIONS


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


def encoded(path, times=range(60), size=(160, 96), codec="mpeg4", sound=0.0, shift=0, gop=12, coding=None, **options):
    """A video of textured frames at these times, in units of 1/25 s; with a second stream of `sound` seconds.

    coding, options: what the encoder and the file's format are told.
    """
    base = cv2.resize(
        np.random.default_rng(0).integers(0, 256, (24, 40, 3), dtype=np.uint8),
        (320, 192),
        interpolation=cv2.INTER_CUBIC,
    )
    coding = dict(coding or {})
    if codec == "libx264":  # The same bytes every time, see there.
        wanted = [coding.get("x264-params"), OPTIONS.get("x264-params"), "threads=1"]
        coding["x264-params"] = ":".join(filter(None, wanted))
    with av.open(str(path), "w", options=options) as container:
        stream = container.add_stream(codec, rate=25, options=coding)
        stream.width, stream.height = size
        stream.pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
        stream.codec_context.gop_size, stream.codec_context.time_base = gop, Fraction(1, 25)
        audio = container.add_stream("pcm_s16le" if path.suffix == ".mkv" else "aac", rate=8000) if sound else None
        packets = []
        for i, time in enumerate(times):
            frame = av.VideoFrame.from_ndarray(
                np.ascontiguousarray(base[i : i + size[1], 2 * i : 2 * i + size[0]]), "rgb24"
            )
            frame.pts, frame.time_base = time, Fraction(1, 25)
            packets += stream.encode(frame)
        packets += stream.encode()
        for packet in packets:
            packet.pts, packet.dts = packet.pts - shift, packet.dts - shift
            container.mux(packet)
        if audio:
            silence = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.int16), "s16", "mono")
            silence.sample_rate = 8000
            for i in range(int(sound * 8000 / 1024)):
                silence.pts, silence.time_base = 1024 * i, Fraction(1, 8000)
                container.mux(audio.encode(silence))
            container.mux(audio.encode())
    return path


def turn(path, quarters):
    """Have the header of an MP4 file ask for its picture to be turned by so many quarters."""
    one = struct.pack(">9i", *(1 << 16, 0, 0, 0, 1 << 16, 0, 0, 0, 1 << 30))
    sine, cosine = [(0, 1), (1, 0), (0, -1), (-1, 0)][quarters]
    turned = struct.pack(">9i", *(cosine << 16, sine << 16, 0, -sine << 16, cosine << 16, 0, 0, 0, 1 << 30))
    data = path.read_bytes()
    assert data.count(one) == 2 + (b"soun" in data)  # Of the file and of its tracks.
    head, middle, tail = data.split(one, 2)
    path.write_bytes(head + one + middle + turned + tail)


def write_frames(path, frames, step=1):
    """A video of 25 / step frames a second of (H, W, 3) uint8 RGB pictures."""
    with av.open(str(path), "w") as container:
        stream = None
        for i, pixels in enumerate(frames):
            if stream is None:
                stream = container.add_stream("mpeg4", rate=25)
                stream.height, stream.width = pixels.shape[:2]
                stream.pix_fmt, stream.bit_rate = "yuv420p", 4_000_000
                stream.codec_context.time_base = Fraction(1, 25)
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(pixels), "rgb24")
            frame.pts, frame.time_base = i * step, Fraction(1, 25)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path
