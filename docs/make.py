"""Make all cards and pages that hold measured figures anew.

    python docs/make.py --comparison comparison --map map
    python docs/make.py --samples --page

A card is made from the reports in `docs/results` that it names, in its order; `docs/comparison.md` and `docs/map.md`
from the folders of `landmarks compare` that are given; `docs/samples.jpg`, with --samples, by the shipped network;
`docs/page.jpg`, with --page, by `landmarks report` and Chromium. Nothing is measured here: run `landmarks evaluate` and
`landmarks compare` first.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
SAMPLES_HEIGHT = 675
"""Pixels of docs/samples.jpg."""
PAGE_SIZE = (1320, 1180)
"""Pixels of docs/page.jpg, width and height."""
COMPARISONS = ("comparison", "map")
"""Grids of `docs`, each with its page and facts."""


def reports_of(card: Path) -> list[Path]:
    """The reports of a network that a card names, in its order. A detector's card has none."""
    text = card.read_text(encoding="utf-8")
    named = [path for path in (ROOT / "docs" / "results").glob("*.json") if path.name in text]
    return sorted(
        (path for path in named if "weights" in json.loads(path.read_text(encoding="utf-8")).get("protocol", ())),
        key=lambda path: text.index(path.name),
    )


def draw_samples() -> None:
    """The photographs of `data/samples` with what `compact` finds, side by side."""
    import cv2

    from landmarks import Annotator, draw
    from landmarks.images import read

    annotator, drawn = Annotator("compact", scheme=68), []
    for path in sorted((ROOT / "data" / "samples").glob("*.[jp][pn]g")):
        pixels = read(path).pixels
        zoom = SAMPLES_HEIGHT / len(pixels)
        pixels = cv2.resize(pixels, None, fx=zoom, fy=zoom, interpolation=cv2.INTER_CUBIC)
        drawn.append(draw(pixels, annotator(pixels)))
    picture = np.concatenate(drawn, axis=1)
    cv2.imwrite(str(ROOT / "docs" / "samples.jpg"), picture[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 90])


def photograph_page() -> None:
    """The page of a run over the photographs of `data/samples`, which were turned, blurred and darkened for it.

    Raises StopIteration without Chromium.
    """
    import cv2

    from landmarks.images import read
    from landmarks.studies.detectors.curves import CHANGES, cases

    browser = next(path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name)))
    with tempfile.TemporaryDirectory() as place:
        photos, out, shot = Path(place) / "photos", Path(place) / "samples", Path(place) / "page.png"
        photos.mkdir()
        for path in sorted((ROOT / "data" / "samples").glob("*.[jp][pn]g")):
            pixels = read(path).pixels
            for change, strength in cases():
                seen, _ = CHANGES[change][0](pixels, np.zeros((0, 4)), strength)
                name = f"{path.stem}, {change.split(',')[0]} {strength:g}.png"
                cv2.imwrite(str(photos / name), seen[..., ::-1])
        program = [sys.executable, "-m", "landmarks"]
        subprocess.run([*program, "annotate", str(photos), "--out", str(out), "--scheme", "68", "--quiet"], check=True)
        subprocess.run([*program, "report", str(out)], check=True)
        options = ["--headless=new", "--no-sandbox", "--hide-scrollbars", "--virtual-time-budget=4000"]
        size = f"--window-size={PAGE_SIZE[0]},{PAGE_SIZE[1]}"
        subprocess.run([browser, *options, size, f"--screenshot={shot}", (out / "report.html").as_uri()], check=True)
        cv2.imwrite(str(ROOT / "docs" / "page.jpg"), cv2.imread(str(shot)), [cv2.IMWRITE_JPEG_QUALITY, 88])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name in COMPARISONS:
        parser.add_argument(f"--{name}", type=Path, help=f"folder of `landmarks compare docs/{name}.toml`")
    parser.add_argument("--samples", action="store_true", help="make docs/samples.jpg anew")
    parser.add_argument("--page", action="store_true", help="make docs/page.jpg anew, which takes Chromium")
    arguments = parser.parse_args()
    if arguments.samples:
        draw_samples()
    if arguments.page:
        photograph_page()
    commands: list[list[str | Path]] = [
        ["landmarks.evaluation.card", weights.with_suffix(".md"), *reports_of(weights.with_suffix(".md"))]
        for weights in sorted((ROOT / "weights").glob("*.safetensors"))
        if reports_of(weights.with_suffix(".md"))
    ]
    for name in COMPARISONS:
        folder: Path | None = getattr(arguments, name)
        if folder:
            of_page = [folder.resolve(), f"docs/{name}.md", "--facts", f"docs/{name}.facts.toml"]
            commands.append(["landmarks.comparison.page.document", *of_page])
    for command in commands:
        print("python -m", *command)
        subprocess.run([sys.executable, "-m", *command], cwd=ROOT, check=True)


if __name__ == "__main__":
    main()
