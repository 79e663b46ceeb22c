"""The decoder of videos in a process of its own: one that crashes or hangs costs the video a row, not the run.

The process is given requests, a line of JSON each: `open` with a path and which frames are wanted
and which are known, `next`, `pixels`. It
answers each with a line of JSON, after which the bytes of `pixels` follow; an empty answer says that it is alive. It
serves one video after the other, and ends with the process that it belongs to.
"""

from __future__ import annotations

import atexit
import faulthandler
import json
import os
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from multiprocessing import spawn
from typing import IO, Any

import numpy as np

from landmarks.record import ERROR, TIMEOUT

SILENCE_SECONDS = 300
"""A decoder that gives no sign of life for so long is ended."""
DEATH_SECONDS = 5.0
"""For so long we wait for a process that was killed."""
PROGRAM = "from landmarks.sources.videos.decoder_process import serve; serve()"


class DecoderLost(Exception):
    """The process died, or was ended since it hung."""

    def __init__(self, status: str, reason: str) -> None:
        super().__init__(reason)
        self.status, self.reason = status, reason


class DecoderProcess:
    """The process as its owner sees it; one video and one thread at a time."""

    def __init__(self) -> None:
        # Not by multiprocessing: that would run the user's script anew, and refuses to start any from a worker.
        self._process = subprocess.Popen(
            [spawn.get_executable(), "-c", f"import sys; sys.path[:] = {sys.path!a}; {PROGRAM}"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True,
        )  # fmt: skip
        self._answers: queue.SimpleQueue[tuple[dict[str, Any], bytearray] | None] = queue.SimpleQueue()
        self._lost: DecoderLost | None = None
        threading.Thread(target=self._receive, daemon=True).start()

    def ask(self, *request: Any) -> dict[str, Any]:
        """What it answers. Raises DecoderLost."""
        return self._ask(request)[0]

    def pixels(self) -> np.ndarray:
        """The frame that the video stands at: (H, W, 3) uint8 RGB, upright.

        Raises DecoderLost, or ValueError if the frame cannot be converted.
        """
        answer, data = self._ask(["pixels"])
        if "error" in answer:
            raise ValueError(answer["error"])
        return np.frombuffer(data, np.uint8).reshape(answer["shape"])

    def end(self) -> None:
        """Kill it, if it is alive."""
        self._process.kill()
        with suppress(subprocess.TimeoutExpired):  # It may be stuck in the kernel.
            self._process.wait(DEATH_SECONDS)
        if self._process.stdin:
            with suppress(OSError):
                self._process.stdin.close()

    def _ask(self, request: Any) -> tuple[dict[str, Any], bytearray]:
        if self._lost:
            raise self._lost
        with suppress(OSError):  # If it has died, its answers end.
            assert self._process.stdin
            self._process.stdin.write(json.dumps(request).encode() + b"\n")
            self._process.stdin.flush()
        answer = self._next_answer()
        while answer and not answer[0]:
            answer = self._next_answer()
        if answer is None:
            raise self._loss()
        return answer

    def _next_answer(self) -> tuple[dict[str, Any], bytearray] | None:
        """None if there is none in time, or none any more."""
        for _ in range(SILENCE_SECONDS):  # Second by second: those for which this process is stopped do not count.
            with suppress(queue.Empty):
                return self._answers.get(timeout=1)
        self._lost = DecoderLost(TIMEOUT, f"the decoder gave no sign of life for {SILENCE_SECONDS} s")
        return None

    def _loss(self) -> DecoderLost:
        self.end()
        if not self._lost:
            code = self._process.returncode
            how = f"exit code {code}"
            if code is not None and -code in list(signal.Signals):
                how = signal.Signals(-code).name
            self._lost = DecoderLost(ERROR, f"the process that decoded this video died ({how})")
        return self._lost

    def _receive(self) -> None:
        """Take answers as they come; None at the end."""
        stream = self._process.stdout
        assert stream
        with stream:
            while line := stream.readline():
                answer = json.loads(line)
                data = bytearray(answer.get("bytes", 0))
                if stream.readinto(data) < len(data):  # type: ignore[attr-defined]
                    break
                self._answers.put((answer, data))
        self._answers.put(None)


_idle: list[DecoderProcess] = []
"""Those that wait for another video: it takes some tenths of a second to start one."""


@contextmanager
def decoder_process() -> Iterator[DecoderProcess]:
    """A process to decode one video with; it is ended if the block raises or is left before its end."""
    try:
        process = _idle.pop()
    except IndexError:
        process = DecoderProcess()
    try:
        yield process
    except BaseException:
        process.end()
        raise
    _idle.append(process)


def end_idle() -> None:
    """End those that wait."""
    while _idle:
        _idle.pop().end()


atexit.register(end_idle)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_idle.clear)  # They are their parent's.


def serve() -> None:
    """The process itself: answers on its standard output until nobody asks any more."""
    out = os.fdopen(os.dup(1), "wb")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # A library that prints must not do so among the answers.
    with open(os.devnull, "w") as nowhere, suppress(BrokenPipeError):
        frames: Iterator[tuple[dict[str, Any], Any]] = iter(())
        frame = None
        for line in sys.stdin.buffer:
            kind, *arguments = json.loads(line)
            if kind == "pixels":
                _answer(out, *_pixels(frame))
                continue
            if kind == "open":
                frames = _frames(*arguments)
            answer: dict[str, Any] = {}
            while not answer:
                # While a decoder hangs, whoever waits for this process may die.
                faulthandler.dump_traceback_later(2 * SILENCE_SECONDS, exit=True, file=nowhere)
                answer, frame = next(frames)
                _answer(out, answer)
            faulthandler.cancel_dump_traceback_later()


def _answer(out: IO[bytes], answer: dict[str, Any], data: bytes = b"") -> None:
    out.write(json.dumps(answer | ({"bytes": len(data)} if data else {})).encode() + b"\n" + data)
    out.flush()


def _frames(path: str, every: int, *known: Any) -> Iterator[tuple[dict[str, Any], Any]]:
    """An answer for each frame, empty for those that are not wanted; at last what is wrong with the video, if anything.

    path: may hold the surrogates by which Python keeps bytes that are no UTF-8; JSON keeps them. known: which frames
    may be passed over, see KnownFrames; each answer says how many were.
    """
    from av.error import FFmpegError

    from landmarks.bounded import open_file
    from landmarks.sources.videos.frames import Decoder

    try:
        file = open_file(path)
    except (OSError, ValueError) as error:
        yield {"passed": 0, "fault": f"the file cannot be opened ({getattr(error, 'strerror', None) or error})"}, None
        return
    passed = 0
    with file:
        try:
            if _is_text(file.read(16)):
                raise ValueError("text")
            file.seek(0)
            decoder = Decoder(file)
            if known:
                try:
                    yield from (({}, None) for _ in decoder.pass_over(every, *known))
                    passed = known[0]
                except Exception:  # Libraries raise anything at all; it is not sure to be exact, and all is decoded.
                    decoder.close()
                    file.seek(0)
                    decoder = Decoder(file)
        except (FFmpegError, OSError, ValueError, IndexError):
            yield {"passed": 0, "fault": "this is not a video that can be read"}, None
            return
        with closing(decoder):
            number = 0
            try:
                for time, frame, damaged in decoder:
                    number = decoder.count - 1
                    about = {"frame": number, "time": time, "size": [frame.width, frame.height], "damaged": damaged}
                    yield ({"passed": passed} | about, frame) if number % every == 0 else ({}, None)
                fault = decoder.fault()
            except Exception as error:  # Libraries raise anything at all on broken files.
                fault = f"the video cannot be decoded beyond frame {number} ({error or type(error).__name__})"
            yield {"passed": passed, "fault": fault}, None


def _pixels(frame: Any) -> tuple[dict[str, Any], bytes]:
    from landmarks.sources.videos.frames import upright

    try:
        pixels = upright(frame)
    except Exception as error:  # FFmpeg's errors are of many kinds.
        return {"error": str(error) or type(error).__name__}, b""
    return {"shape": pixels.shape}, pixels.tobytes()


def _is_text(start: bytes) -> bool:
    """Whether a file begins like text: perhaps a playlist, with which FFmpeg would fetch whatever it names."""
    return not any(byte < 32 and byte not in b"\t\n\r" for byte in start)
