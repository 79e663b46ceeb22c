"""What a report of many faces costs: the time to make it, its size, the time until a browser shows it.

    python -m tests.helpers.many_faces [--faces 5000] [--threads 2] [--out FOLDER]

The run is made up: photographs of the package's two samples side by side, in several sizes and brightnesses, with the
68 landmarks that `compact` finds in the samples; qualities and expected errors are at random. Needs Chromium for the
last figure.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from landmarks import Annotator, Faces
from landmarks.formats import Results
from landmarks.images import read
from landmarks.record import Record
from landmarks.report.report import Options, write_report
from landmarks.sources.named import Named
from tests.helpers.browser import NoBrowser, browser
from tests.helpers.faces import SAMPLES

DISTINCT = 60
"""Photographs; further ones are links to them."""


def make_run(folder: Path, faces: int, zooms: tuple[float, float] = (0.6, 2.0)) -> Path:
    """A run over photographs with two faces each; its folder. zooms: at 1, a side has about 1,000 pixels."""
    annotator = Annotator("compact", scheme=68)
    pixels = [read(SAMPLES / name).pixels for name in ("astronaut.png", "grace_hopper.jpg")]
    found = [annotator(one)[0] for one in pixels]
    height = max(len(one) for one in pixels)
    padded = [cv2.copyMakeBorder(one, 0, height - len(one), 0, 0, cv2.BORDER_REPLICATE) for one in pixels]
    scene = np.concatenate(padded, axis=1)
    both = Faces.concatenate([found[0], _moved(found[1], 1.0, pixels[0].shape[1])])
    generator = np.random.default_rng(0)
    photographs = folder / "photographs"
    photographs.mkdir(parents=True)
    sizes = []
    for i in range(min(DISTINCT, -(-faces // 2))):
        zoom = float(generator.uniform(*zooms))
        picture = cv2.resize(scene, None, fx=zoom, fy=zoom, interpolation=cv2.INTER_AREA)
        picture = cv2.convertScaleAbs(picture, alpha=generator.uniform(0.6, 1.1), beta=generator.uniform(-20, 30))
        cv2.imwrite(str(photographs / f"{i:05}.jpg"), picture[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 90])
        sizes.append((zoom, picture.shape[1], picture.shape[0]))
    out = folder / "run"
    results = Results(out, both[:0], ["parquet"], "upright")
    for i in range(-(-faces // 2)):
        name, (zoom, width, height) = f"{i:05}.jpg", sizes[i % DISTINCT]
        if i >= DISTINCT:
            os.link(photographs / f"{i % DISTINCT:05}.jpg", photographs / name)
        errors = both.point_errors * generator.uniform(0.5, 3, (2, 1))
        seen = replace(_moved(both, zoom, 0), quality=generator.beta(6, 1, 2), point_errors=errors)
        results.write(Record(name, "ok", seen, width=width, height=height))
    results.close()
    named = Named.here([photographs], False, 1).as_dict()
    run = {"settings": {"scheme": "points_68", "max_pixels": 10**8}, "results": {}, "starts": [{"named": named}]}
    (out / "run.json").write_text(json.dumps(run))
    return out


def _moved(faces: Faces, zoom: float, right: float) -> Faces:
    """The faces in a picture that was enlarged, then moved to the right."""
    boxes, points = ((values + 0.5) * zoom - 0.5 for values in (faces.boxes, faces.points))
    return replace(faces, boxes=boxes + np.array([right, 0, right, 0]), points=points + np.array([right, 0]))


def seconds_to_open(page: Path) -> tuple[float, float]:
    """From the call of a page to its gallery, the least of three, and what the page's own thread worked for that, which
    other programs on the machine change little. Raises NoBrowser."""
    took = []
    with browser() as driver:
        driver.execute_cdp_cmd("Performance.enable", {"timeDomain": "threadTicks"})
        for _ in range(3):
            driver.get("about:blank")
            before = _worked(driver)
            driver.get(page.absolute().as_uri())
            script = "return performance.getEntriesByName('gallery')[0]?.startTime"
            while (milliseconds := driver.execute_script(script)) is None:
                time.sleep(0.02)
            took.append((milliseconds / 1000, _worked(driver) - before))
    return min(took)


def _worked(driver: Any) -> float:
    """Seconds that the thread of a tab has worked."""
    metrics = driver.execute_cdp_cmd("Performance.getMetrics", {})["metrics"]
    return next(one["value"] for one in metrics if one["name"] == "TaskDuration")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--faces", type=int, default=5000)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--out", type=Path, help="keep the run and its page in this folder")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        run = make_run(arguments.out or Path(temporary), arguments.faces)
        started, spent = time.perf_counter(), time.process_time()
        page = write_report(run, Options(threads=arguments.threads)).path
        seconds, spent = time.perf_counter() - started, time.process_time() - spent
        rate = f"{arguments.faces / seconds:.0f} faces/s ({arguments.faces / spent:.0f} a second of one core)"
        print(f"{arguments.faces} faces: made in {seconds:.1f} s, {rate}; {page.stat().st_size / 1e6:.1f} MB")
        try:
            seconds, worked = seconds_to_open(page)
            print(f"opened in {seconds:.2f} s, of which the page's thread worked {worked:.2f} s")
        except NoBrowser as reason:
            print(f"not opened: {reason}")


if __name__ == "__main__":
    main()
