"""The code in README.md and docs runs as it stands there, and what they refer to exists.

A block marked `<!-- skip: REASON -->` is not run. One marked `<!-- command -->` is run by `.ci/run` on a fresh clone.
One marked `<!-- file: NAME -->` is written to that file. The blocks of a page run in their order in one folder, which
holds the small data that the page speaks of. A command of ours runs in the test's process; bash runs other lines.
"""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from unittest.mock import patch

import pytest

from landmarks.datasets.dataset import READERS
from landmarks.export.file import LOCATOR, NETWORK
from landmarks.export.graph import export_model
from landmarks.formats import FORMATS
from tests.helpers.archives import make
from tests.helpers.commands import run
from tests.helpers.comparisons import hurry
from tests.helpers.exports import graphs_in, take_instead
from tests.helpers.faces import SAMPLES, draw_face, write_png
from tests.helpers.packages import needs_export
from tests.helpers.photographs import photographs
from tests.helpers.videos import make_video

ROOT = SAMPLES.parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
# Pages with measured figures: their commands take hours, and research data.
GRIDS = {
    f"{name}.md"
    for name in (
        "comparison", "corners", "longer", "map", "points-68", "points", "related", "sharing", "stop", "weightings",
    )
}  # fmt: skip
MEASURED = {*GRIDS, "benchmarks.md", "networks.md", "scaling.md"}
BLOCK = re.compile(r"(?:<!-- (?P<mark>.*?) -->\n)?^ *```(?P<kind>\w+)\n(?P<text>.*?)^ *```", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\((?!https?:)([^)#]+)[^)]*\)")


@dataclass(frozen=True)
class Block:
    """A piece of code of a page."""

    mark: str
    """What the comment above it says; empty without one."""
    kind: str
    """`bash`, `python`, `toml`, ..."""
    text: str


def blocks(page: Path) -> list[Block]:
    found = BLOCK.finditer(page.read_text(encoding="utf-8"))
    return [Block(match["mark"] or "", match["kind"], match["text"]) for match in found]


@pytest.fixture(scope="module")
def data(mtfl, tmp_path_factory) -> Path:
    """A folder with what the pages name."""
    folder = tmp_path_factory.mktemp("pages")
    photos = folder / "photos"
    (photos / "older").mkdir(parents=True)
    shutil.copy(SAMPLES / "astronaut.png", photos)
    shutil.copy(SAMPLES / "grace_hopper.jpg", photos / "older")
    face = write_png(folder / "crops" / "face.png", draw_face(0)[0])
    for name in ("trip.zip", "shards/0.tar"):
        (folder / name).parent.mkdir(exist_ok=True)
        make(folder / name, {"a.png": face.read_bytes()})
    make_video(folder / "clip.mp4", frames=20)
    photographs(folder / "scenes")
    (folder / "boxes.csv").write_text("image,x0,y0,x1,y1\nastronaut.png,170,60,280,200\n")
    files = (path for path in mtfl.rglob("*") if path.is_file())
    make(folder / "MTFL.zip", {path.relative_to(mtfl).as_posix(): path.read_bytes() for path in files})
    return folder


def run_shell(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for line in text.replace("\\\n", " ").splitlines():
        words = shlex.split(line, comments=True)
        if words[:1] == ["landmarks"]:
            assert run(monkeypatch, *words[1:]) == 0, line
        else:
            subprocess.run(["bash", "-euo", "pipefail", "-c", line], check=True)


@pytest.mark.parametrize("page", [page for page in PAGES if page.name not in MEASURED], ids=lambda page: page.name)
def test_code_runs(page, data, tmp_path, monkeypatch, request):
    if page.name == "export.md":
        take_instead(monkeypatch, "compact", graphs_in(request.getfixturevalue("compact_onnx")))
    else:  # Of what is exported elsewhere no page uses the graph of both passes, which takes longest.
        monkeypatch.setattr("landmarks.export.write.export_model", partial(export_model, wanted=(NETWORK, LOCATOR)))
    if any("landmarks export" in block.text for block in blocks(page) if not block.mark.startswith("skip: ")):
        needs_export()
    monkeypatch.setattr("landmarks.evaluation.calibrate.LEAST_FACES", 4)  # The made datasets have no more.
    hurry(monkeypatch)
    shutil.copytree(data, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)  # as the pages' PYTHONPATH has it
    with patch.dict(FORMATS), patch.dict(READERS):  # To which a page may add.
        run_blocks(page, monkeypatch)


def run_blocks(page: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the working folder."""
    for block in blocks(page):
        if block.mark.startswith("file: "):
            Path(block.mark.removeprefix("file: ")).write_text(block.text)
        elif block.mark == "command" or block.mark.startswith("skip: "):
            continue
        elif block.kind == "bash":
            run_shell(block.text, monkeypatch)
        else:
            assert block.kind == "python", f"{page.name}: nothing runs {block.kind}"
            exec(compile(block.text, f"<{page.name}>", "exec"), {"__name__": "__main__"})


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_marks_are_known_and_say_why(page):
    for block in blocks(page):
        assert re.fullmatch(r"|command|(skip|file): \S.*", block.mark), block.mark


@pytest.mark.parametrize("page", [*PAGES, *sorted(ROOT.glob("[A-Z]*.md"))], ids=lambda page: page.name)
def test_links_lead_somewhere(page):
    for target in LINK.findall(page.read_text(encoding="utf-8")):
        assert (page.parent / target).exists(), f"{page.name} links to {target}"


def test_readme_is_short_and_marks_its_two_commands():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert len(text.splitlines()) < 120
    assert [block.mark for block in blocks(ROOT / "README.md")].count("command") == 2


def test_formats_has_a_row_for_every_format():
    text = (ROOT / "docs" / "formats.md").read_text(encoding="utf-8")
    assert all(f"| `{name}` |" in text for name in FORMATS)


def test_compare_names_every_weighting():
    from landmarks.training.weightings.create import WEIGHTINGS

    text = (ROOT / "docs" / "compare.md").read_text(encoding="utf-8")
    assert f"| `weighting` | {', '.join(f'`{name}`' for name in WEIGHTINGS)} |" in text


def test_formats_names_every_column_of_images():
    from landmarks.formats.layout import IMAGE_COLUMNS

    text = (ROOT / "docs" / "formats.md").read_text(encoding="utf-8")
    table = text.split("### The table of images")[1].split("###")[0]
    assert [name for cell in re.findall(r"^\| `(.*?)`", table, re.MULTILINE) for name in cell.split()] == [
        *IMAGE_COLUMNS
    ]
