"""Kill a run with SIGKILL at random instants until it is done; its files must equal those of a run left alone.

    python -m tests.helpers.kill --kills 200

starts runs in a folder of its own, with a stub for the network unless --weights names one; with --video over a video
in place of images.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import cv2
import numpy as np

from tests.helpers.videos import encoded

ROOT = Path(__file__).resolve().parents[2]
TABLES = ("faces.csv", "images.csv", "failures.csv", "faces.jsonl", "review.csv", "schema.json")


def make_images(folder: Path, count: int) -> None:
    """Small images in two folders, some of them broken."""
    for i in range(count):
        path = folder / f"{i % 2}" / f"{i}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        data = cv2.imencode(".png", np.full((20 + i % 7, 30, 3), i % 256, np.uint8))[1].tobytes()
        path.write_bytes(data if i % 11 else data[: len(data) // 2])


def run_until_done(command: list[str], out: Path, kills: int, longest: float, seed: int = 0) -> int:
    """Kill the command after random times, at most so often, and let it end at last; how often it was killed.

    The time counts from the start or, as often, from the first image that it writes down in the folder `out`. Half of
    the time only the main process is killed, otherwise its workers with it. Raises if it fails by itself.
    """
    generator = random.Random(seed)
    done = 0
    while True:
        before = _size(out)
        process = subprocess.Popen(
            command, cwd=ROOT, start_new_session=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        if done < kills:
            if generator.random() < 0.5:
                while process.poll() is None and _size(out) == before:
                    time.sleep(0.005)
            time.sleep(generator.uniform(0, longest))
            if process.poll() is None:
                kill = os.killpg if generator.random() < 0.5 else os.kill
                kill(process.pid, signal.SIGKILL)
                process.communicate()
                done += 1
                continue
        _, text = process.communicate()
        if process.returncode not in (0, 1):
            raise AssertionError(f"exit code {process.returncode}: {text}")
        return done


def _size(out: Path) -> int:
    """Bytes of the journal."""
    try:
        return (out / "journal.jsonl").stat().st_size
    except OSError:
        return 0


def differing(one: Path, other: Path) -> list[str]:
    """Names of the tables that differ, and of leftovers."""
    names = [name for name in TABLES if (one / name).read_bytes() != (other / name).read_bytes()]
    return names + [str(path.relative_to(other)) for path in other.rglob("*.partial")]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--images", type=int, default=400)
    parser.add_argument("--video", action="store_true", help="a video of 140 frames in place of images")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--longest", type=float, default=3.0, help="seconds until a kill, at most")
    parser.add_argument("--seconds", type=float, default=0.05, help="that an image takes the stub")
    parser.add_argument("--weights", help="use this network and --detector, not the stub")
    parser.add_argument("--detector", default="whole-image")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    total = runs = 0
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        source = work / "in.mp4" if arguments.video else work / "in"
        if arguments.video:
            encoded(source, times=range(140), size=(32, 32), codec="libx264")
        else:
            make_images(source, arguments.images)

        def command(out: Path) -> list[str]:
            if arguments.weights:
                options = ["--weights", arguments.weights, "--detector", arguments.detector, "--quiet"]
                call = ["-m", "landmarks", "annotate", f"{source}", "--recursive", "--out", f"{out}", *options]
                call += ["--format", "csv,jsonl"]
            else:
                call = ["-m", "tests.helpers.stub", f"{out}", f"{source}", "--seconds", f"{arguments.seconds}"]
            return [sys.executable, *call, "--workers", f"{arguments.workers}"]

        run_until_done(command(work / "whole"), work / "whole", 0, 0)
        while total < arguments.kills:
            out = work / f"killed{runs}"
            left = arguments.kills - total
            total += run_until_done(command(out), out, left, arguments.longest, arguments.seed + runs)
            runs += 1
            differ = differing(work / "whole", out)
            print(f"{total} kills, {runs} runs, differing: {', '.join(differ) or 'none'}", flush=True)
            if differ:
                sys.exit(1)


if __name__ == "__main__":
    main()
