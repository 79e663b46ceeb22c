"""How long `landmarks review` takes from the key that accepts a face until the next one is painted.

    python -m tests.helpers.right_faces [--faces 60] [--zoom 4]

The server is a process of its own, the page is open in Chromium, and each photograph is another file: with a zoom of 4
they have about 4,000 pixels a side. The faces are accepted once with a second to look at each, as a person does, and
then, in a run of their own, as fast as the page lets. Prints the median, the slowest tenth and the slowest, and the
load of the machine: others that work on it are in the figures.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from tests.helpers.browser import browser
from tests.helpers.many_faces import make_run

PRESS = """
const done = arguments[arguments.length - 1];
const root = document.documentElement;
const started = performance.now();
const seen = new MutationObserver(() => {
  seen.disconnect();
  requestAnimationFrame(() => setTimeout(() => done(performance.now() - started)));
});
seen.observe(root, { attributeFilter: ["data-face"] });
document.body.dispatchEvent(new KeyboardEvent("keydown", { bubbles: true, cancelable: true, key: "Enter" }));
"""
"""Press Enter; the milliseconds until the frame with the next face is painted."""


def seconds_per_face(run: Path, faces: int, pause: float) -> np.ndarray:
    """(faces - 1,) seconds from each key to the next face, with `pause` seconds before each key."""
    server = subprocess.Popen(
        [sys.executable, "-m", "landmarks", "review", str(run)], stdout=subprocess.PIPE, text=True
    )
    try:
        assert server.stdout is not None
        address = server.stdout.readline().strip()
        with browser() as driver:
            driver.set_script_timeout(60)
            driver.get(address)
            wait_for_face(driver)
            took = []
            for _ in range(faces - 1):
                time.sleep(pause)
                took.append(driver.execute_async_script(PRESS) / 1000)
            return np.array(took)
    finally:
        server.terminate()
        server.wait()


def wait_for_face(driver: Any) -> None:
    while not driver.execute_script("return document.documentElement.dataset.face ?? null"):
        time.sleep(0.05)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--faces", type=int, default=60)
    parser.add_argument("--zoom", type=float, default=4.0)
    arguments = parser.parse_args()
    for pause in (1.0, 0.0):
        with tempfile.TemporaryDirectory() as folder:
            run = make_run(Path(folder), arguments.faces, (arguments.zoom, arguments.zoom))
            took = 1000 * seconds_per_face(run, arguments.faces, pause)
        median, slow, slowest = np.quantile(took, [0.5, 0.9, 1.0])
        print(
            f"{pause:g} s to look: {median:.0f} ms to the next face, one in ten above {slow:.0f}, slowest {slowest:.0f}"
            f"; {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}"
        )


if __name__ == "__main__":
    main()
