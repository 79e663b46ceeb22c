"""An annotator that needs no network, and finds in every image what its name says; runs are killed with it.

    python -m tests.helpers.stub OUT SOURCE... [--workers N] [--seconds S] [--draw]

annotates with it. `python -m tests.helpers.kill` does so with a kill at random instants.
"""

from __future__ import annotations

import argparse
import os
import resource
import signal
import time
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np

from landmarks import images
from landmarks.batch.journal import digest
from landmarks.batch.options import RunOptions
from landmarks.batch.run import annotate
from landmarks.bounded import ask
from landmarks.clock import Clock
from landmarks.errors import ImageError, LandmarksError
from landmarks.faces import Faces
from landmarks.record import NO_FACE, OK, Record
from landmarks.schemes import ATTRIBUTES, POINTS_5
from landmarks.scores import AttributeScores
from landmarks.sources.find import expand, find
from landmarks.sources.source import Source


@dataclass(frozen=True)
class Stuck(Source):
    """An image whose file system gives no answer for a while."""

    def hold(self, limit: int) -> Source:
        ask(self.path, time.sleep, 20)
        return self


class Stub:
    """Like an Annotator. Names that hold a word misbehave: `segv`, `hang`, `stop`; `segv-once` only the first time.

    Every number of a face depends on all the images of its task, as a network's last digits do.
    """

    def __init__(self, seconds: float = 0.0, device: str = "cpu", salt: str = "", mark: str = "") -> None:
        """seconds: that an image takes; mark: a file that says that `segv-once` has happened."""
        salt = salt or os.environ.get("STUB_SALT", "")
        if salt == "refuse":
            raise LandmarksError("refused: no such weights")
        if salt == "die":
            os._exit(3)
        self.seconds, self.device, self.salt, self.mark = seconds, device, salt, mark
        self.clock = Clock()
        self.empty = Faces.empty(POINTS_5, tuple(ATTRIBUTES))

    def settings(self) -> dict:
        return {"salt": self.salt, "max_pixels": 10**6, "detector": {"name": "stub", "threshold": 0.5}}

    def stream(self, sources):
        task = []
        for source in expand(sources):
            self.misbehave(source.name)
            with self.clock("detect"):
                time.sleep(self.seconds)
            try:
                content = source.load(images.most_bytes(10**6))
                image = images.take(content, source.name, 10**6)
            except ImageError as error:
                task.append((source, error, None))
            else:
                task.append((source, None, image))
        seed = digest("".join(source.name for source, _, _ in task))
        for source, error, image in task:
            if error:
                yield Record(source.name, error.status, self.empty, error.reason, frame=source.frame, time=source.time)
            else:
                faces = self.faces(digest(source.name), seed)
                yield Record(
                    source.name, OK if len(faces) else NO_FACE, faces, "", image.width, image.height,
                    frame=source.frame, time=source.time, pixels=image.pixels,
                )  # fmt: skip

    def faces(self, name: int, seed: int) -> Faces:
        generator = np.random.default_rng([name, seed])
        n = name % 4
        return Faces(
            generator.random((n, 4)) * 50 + [0, 0, 60, 60],
            generator.random((n, 5, 2)) * 100,
            np.where(generator.random(n) < 0.2, np.nan, generator.random(n)),
            {
                key: AttributeScores(attribute, generator.dirichlet(np.ones(len(attribute)), n).astype(np.float32))
                for key, attribute in ATTRIBUTES.items()
            },
        )

    def misbehave(self, name: str) -> None:
        if "segv-once" in name:
            if not os.path.exists(self.mark):
                Path(self.mark).touch()
                die()
        elif "segv" in name:
            die()
        elif "stop" in name:
            os.kill(os.getpid(), signal.SIGSTOP)
        elif "hang" in name:
            time.sleep(1000)


def die() -> None:
    """By a signal, without a picture of the memory, which takes time on some systems."""
    resource.setrlimit(resource.RLIMIT_CORE, (1, resource.getrlimit(resource.RLIMIT_CORE)[1]))
    os.kill(os.getpid(), signal.SIGSEGV)


@dataclass(frozen=True)
class StubFactory:
    """Makes a Stub in each worker; most fields are the Stub's arguments. An AnnotatorFactory."""

    seconds: float = 0.0
    device: str = "cpu"
    salt: str = ""
    mark: str = ""
    every_second_dies: bool = False
    """As it starts."""
    preload: ClassVar[tuple[str, ...]] = (__name__,)

    def create(self, worker: int = 0) -> Stub:
        if self.every_second_dies and worker % 2:
            os._exit(3)
        return Stub(self.seconds, self.device, self.salt, self.mark)


def main() -> None:
    from tests.helpers.stub import StubFactory  # Not that of __main__, which workers do not know.

    parser = argparse.ArgumentParser()
    parser.add_argument("out")
    parser.add_argument("sources", nargs="+")
    parser.add_argument("--workers", type=int, default=0)
    parser.add_argument("--seconds", type=float, default=0.002)
    parser.add_argument("--draw", action="store_true")
    parser.add_argument("--format", default="csv,jsonl")
    arguments = parser.parse_args()
    summary = annotate(
        StubFactory(seconds=arguments.seconds),
        find(arguments.sources, recursive=True),
        arguments.out,
        RunOptions(arguments.format.split(","), drawings=arguments.draw, workers=arguments.workers),
    )
    print(summary.images, summary.done)


if __name__ == "__main__":
    main()
