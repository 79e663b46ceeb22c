"""Correct faces while the server of a review is killed with SIGKILL again and again; nothing acknowledged is lost.

    python -m tests.helpers.kill_review --faces 2000 --kills 100

Every server is a process of its own, forked from this one, which has imported what it needs: so it is up at once, and
the kills come while corrections are written, not while Python starts.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import random
import signal
import socket
import sys
import tempfile
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from landmarks.corrections import read_corrections
from landmarks.formats import read_results
from landmarks.record import Record
from landmarks.review.open import open_review
from landmarks.review.server import TOKEN_VARIABLE
from tests.helpers.faces import write_png
from tests.helpers.results import some_faces, write

FACES = 50
"""An image."""
TOKEN = "kill"
PATIENCE = 600
"""How often a client asks again for one answer; a tenth of a second lies between."""


def make(root: Path, faces: int) -> Path:
    """A run of so many faces, in images of FACES."""
    names = [f"{i}.png" for i in range(-(-faces // FACES))]
    for name in names:
        write_png(root / "photos" / name, np.zeros((48, 64, 3), np.uint8))
    counts = [min(FACES, faces - FACES * i) for i in range(len(names))]
    records = [
        Record(name, "ok", some_faces(n, seed=i), width=640, height=480)
        for i, (name, n) in enumerate(zip(names, counts))
    ]
    write(root / "run", records, ["csv"])
    named = {"sources": [str(root / "photos")], "recursive": False, "every": 1, "folder": "/"}
    (root / "run" / "run.json").write_text(
        json.dumps({"settings": {"max_pixels": 10**6}, "starts": [{"named": named}]})
    )
    return root / "run"


@dataclass
class Server:
    """A server that is started again whenever it was killed."""

    run: Path
    port: int
    process: int = 0
    kills: int = 0
    said: int = 0
    """Corrections that were acknowledged."""
    wanted: int = 1
    """At how many of them the next kill is due, and what then happens."""
    reached: threading.Event = field(default_factory=threading.Event)
    ended: bool = False

    def start(self) -> None:
        self.process = os.fork()
        if not self.process:
            os.environ[TOKEN_VARIABLE] = TOKEN
            try:
                open_review(self.run, (), "compact", None, None, "script", "127.0.0.1", self.port, lambda address: None)
            finally:
                os._exit(1)

    def kill(self) -> None:
        os.kill(self.process, signal.SIGKILL)
        os.waitpid(self.process, 0)

    def kill_again_and_again(self, kills: int, every: int, longest: float, seed: int) -> None:
        """Kill it after about `every` corrections, at a random instant, and start it again."""
        dice = random.Random(seed)
        while self.kills < kills:
            self.wanted, self.reached = self.said + dice.randint(1, 2 * every - 1), threading.Event()
            if not self.ended:
                self.reached.wait()
            time.sleep(dice.uniform(0, longest) if self.kills else 0)  # Else a fast machine is done before.
            if self.ended:
                return
            self.kill()
            self.kills += 1
            self.start()

    def count(self) -> None:
        """One more correction was acknowledged."""
        self.said += 1
        if self.said >= self.wanted:
            self.reached.set()

    def end(self) -> None:
        """Kill it no more."""
        self.ended = True
        self.reached.set()


class Client:
    """Asks until it is answered."""

    def __init__(self, port: int) -> None:
        self.port, self.retries, self.connection = port, 0, None

    def __call__(self, method: str, path: str, document: Any = None) -> Any:
        patience = PATIENCE
        while True:
            try:
                if self.connection is None:
                    self.connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
                body = None if document is None else json.dumps(document)
                self.connection.request(method, f"/{TOKEN}/api/{path}", body, {"content-type": "application/json"})
                answer = self.connection.getresponse()
                text = answer.read()
                if answer.status != 200:
                    raise AssertionError(f"{answer.status}: {text[:300]!r}")
                return json.loads(text)
            except (OSError, http.client.HTTPException) as error:
                self.connection = None
                self.retries += 1
                patience -= 1
                if not patience:
                    raise AssertionError("the server does not come back") from error
                time.sleep(0.1)


def correct(faces: int, kills: int, longest: float, seed: int = 0) -> tuple[int, int, list[str]]:
    """Correct so many faces; how often the server was killed, how often a request was sent again, what is wrong."""
    with tempfile.TemporaryDirectory() as folder:
        run = make(Path(folder), faces)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        server, ask = Server(run, port), Client(port)
        server.start()
        killer = threading.Thread(
            target=server.kill_again_and_again, args=(kills, max(faces // (kills + 1), 1), longest, seed)
        )
        killer.start()
        acknowledged: dict[str, list[list[float]]] = {}
        try:
            queue = ask("GET", "queue?of=all")["faces"]
            for number, (image, name) in enumerate(queue):
                face = ask("GET", f"face/{image}?face={name}")
                points = [[x + 1.25, y - 0.5] for x, y in face["points"]]
                line = {
                    "id": f"{number:012}",
                    "kind": "correct",
                    "image": image,
                    "face": name,
                    "version": face["version"],
                }
                labels = {task: value["label"] for task, value in face["attributes"].items()}
                ask("POST", "say", line | {"box": face["box"], "points": points, "attributes": labels})
                acknowledged[line["id"]] = points
                server.count()
        finally:
            server.end()
            killer.join()
            server.kill()
        return server.kills, ask.retries, _wrong(run, acknowledged, faces)


def _wrong(run: Path, acknowledged: dict[str, list[list[float]]], faces: int) -> list[str]:
    """What was acknowledged and is not in the file as it was said, and what is there twice."""
    lines = read_corrections(run)
    kept = {line.id: [list(point or ()) for point in line.points.values()] for line in lines}
    wrong = [name for name, points in acknowledged.items() if name not in kept or not np.allclose(kept[name], points)]
    wrong += ["a line is there twice"] if len(kept) != len(lines) else []
    wrong += [f"{len(acknowledged)} of {faces} were acknowledged"] if len(acknowledged) != faces else []
    reviews = read_results(run, corrected=True)["review"]
    return wrong + ([] if (reviews == "corrected").all() else ["the table lacks some"])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--faces", type=int, default=2000)
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--longest", type=float, default=0.2, help="seconds from a correction to the kill, at most")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    started = time.monotonic()
    kills, again, wrong = correct(arguments.faces, arguments.kills, arguments.longest, arguments.seed)
    print(f"{arguments.faces} faces, {kills} kills, {again} requests sent again, {time.monotonic() - started:.0f} s")
    print(f"lost or wrong: {', '.join(wrong[:10]) or 'none'}")
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()
