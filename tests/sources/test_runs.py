"""Results are never taken for input, wherever they lie."""

from __future__ import annotations

import json
from contextlib import nullcontext
from pathlib import Path

import pytest

from landmarks.batch.options import Resume, RunOptions
from landmarks.batch.run import annotate
from landmarks.errors import LandmarksError
from landmarks.sources.find import find
from landmarks.sources.runs import holds_run
from tests.helpers.faces import draw_face, write_png
from tests.helpers.stub import Stub

RUN = json.dumps({"settings": {}, "results": {}, "starts": []})


@pytest.fixture
def photos(tmp_path):
    """Two photographs, one in a subfolder."""
    for i, name in enumerate(("a.png", "sub/b.png")):
        write_png(tmp_path / "photos" / name, draw_face(i)[0])
    return tmp_path / "photos"


@pytest.mark.parametrize("left", ["run.json", "journal.jsonl", "both"])
def test_a_run_inside_the_folder_it_reads(photos, left):
    """Its drawings are no input the second time, whether it ended or was killed."""
    out = photos / "results"
    names = [source.name for source in find([photos], recursive=True)]
    for _ in range(2):
        with pytest.warns(UserWarning, match="results: passed over") if out.exists() else nullcontext():
            sources = find([photos], recursive=True)
        assert [source.name for source in sources] == names
        assert annotate(Stub(), sources, out, RunOptions(drawings=True), Resume(fresh=True)).images == 2
        for name in {"run.json", "journal.jsonl"} - {left} if left != "both" else ():
            (out / name).unlink()


@pytest.mark.parametrize("pattern", ["photos/**/*.png", "photos/**/*.jpg", "**/*.png", "photos/*/*/*.jpg"])
@pytest.mark.filterwarnings("ignore:.*passed over")
def test_globs_pass_over_results(photos, monkeypatch, pattern):
    monkeypatch.chdir(photos.parent)
    annotate(Stub(), find(["photos"], recursive=True), photos / "results", RunOptions(drawings=True))
    try:
        found = find([pattern])
    except LandmarksError as error:
        assert "matches no image files" in str(error)
    else:
        assert {Path(source.path).name for source in found} == {"a.png", "b.png"}


@pytest.mark.filterwarnings("ignore:.*passed over")
def test_a_run_above_the_photographs(photos, monkeypatch):
    """Results beside a folder of photographs do no harm to it; their pictures are still no input."""
    monkeypatch.chdir(photos.parent)
    for _ in range(2):
        assert annotate(Stub(), find(["photos"], recursive=True), ".", RunOptions(drawings=True)).images == 2
    assert {source.name for source in find(["./**/*.[jp][pn]g"])} == {"photos/a.png", "photos/sub/b.png"}


@pytest.mark.parametrize("out", ["photos", "photos/sub/..", "photos/sub", "link"])
def test_results_among_the_photographs_are_refused(photos, monkeypatch, out):
    monkeypatch.chdir(photos.parent)
    (photos.parent / "link").symlink_to("photos", target_is_directory=True)
    with pytest.raises(LandmarksError, match=r"holds images of this run.*--out"):
        annotate(Stub(), find(["photos"], recursive=True), out)
    assert not any((photos / "run.json").parent.rglob("*.json*"))


def test_a_folder_of_results_that_is_named_is_refused(photos):
    (photos / "run.json").write_text(RUN)
    with pytest.raises(LandmarksError, match="holds the results of a run"):
        find([photos])


@pytest.mark.parametrize(
    ("name", "content", "is_run"),
    [
        ("run.json", RUN, True),
        ("run.json", '{"speed": 12}', False),
        ("run.json", "[" * 100_000, False),
        ("run.json", "", False),
        ("run.json", "[1]", False),
        ("journal.jsonl", "", True),
        ("journal.jsonl", '0123abcd\t[["a.jpg"]]', True),
        ("journal.jsonl", '{"note": "went running"}\n', False),
        ("notes.txt", RUN, False),
    ],
)
def test_only_our_own_files_mark_a_run(tmp_path, name, content, is_run):
    (tmp_path / name).write_text(content)
    assert holds_run(tmp_path) is is_run
    assert holds_run(tmp_path, [name]) is is_run
