"""A decoder of videos that misbehaves. It imports little, as the real one does."""

from __future__ import annotations

import os
import signal
import time

from landmarks.sources.videos import decoder_process, frames


def serve_badly(deed: str, number: int, at: str = "frame") -> None:
    """What the process of a decoder does, but for one `deed`: `segv`, `stop`, `hang` or `raise`, at a frame.

    at: `frame` when it is decoded, `pixels` when it is converted.
    """
    decode, upright = frames.Decoder.__iter__, frames.upright

    def misbehave() -> None:
        if deed == "raise":
            raise RuntimeError("out of luck")
        if deed == "hang":
            time.sleep(1000)
        os.kill(os.getpid(), signal.SIGSEGV if deed == "segv" else signal.SIGSTOP)

    def frames_until_then(decoder):
        for i, frame in enumerate(decode(decoder)):
            if i == number and at == "frame":
                misbehave()
            yield frame

    def upright_until_then(frame):
        if frame.pts == number * 512 and at == "pixels":  # mp4's time base: 1/12800 s.
            misbehave()
        return upright(frame)

    frames.Decoder.__iter__, frames.upright = frames_until_then, upright_until_then
    decoder_process.serve()
