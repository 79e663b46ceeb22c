from __future__ import annotations

import json

import pytest

from landmarks import AnnotatorConfig, Resume, RunOptions, Style, annotate_folder, read_results
from landmarks.batch.writers.chips import Chips
from landmarks.batch.writers.drawings import Drawings
from landmarks.detection.create import DETECTORS
from landmarks.errors import LandmarksError
from tests.helpers.faces import draw_face, write_png
from tests.helpers.stub import StubFactory


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"formats": ["doc"]}, "unknown format 'doc'; known: parquet, jsonl, csv"),
        ({"formats": "csv"}, r"such as \['csv'\], not one name"),
        ({"coords": "polar"}, "unknown frame of coordinates 'polar'; known: upright, original"),
        ({"engine": "spark"}, "unknown engine 'spark'; known: local, ray"),
        ({"chips": 4}, "8 to 4096 pixels a side, not 4"),
        ({"chips": 64, "chip_format": "gif"}, r"\.png or \.jpg"),
        ({"workers": -1}, "not -1"),
        ({"timeout": 0}, "above 0, not 0"),
        ({"timeout": float("nan")}, "above 0, not nan"),
    ],
)
def test_values_that_cannot_be_meant(options, message):
    with pytest.raises(ValueError, match=message):
        RunOptions(**options)


@pytest.fixture
def photos(tmp_path):
    for i in range(3):
        write_png(tmp_path / "photos" / f"{i}.png", draw_face(i)[0])
    return tmp_path / "photos"


def test_a_folder_from_python(photos, small_weights, tmp_path):
    """The command's work without the command: one call, with progress as callbacks."""
    steps, seen = [], []
    config = AnnotatorConfig(small_weights, "whole-image", device="cpu")
    options = RunOptions(("csv", "coco"), drawings=True, chips=32, chip_format="jpg")
    calls = {"report": lambda record: seen.append(record.status), "progress": lambda *step: steps.append(step)}
    summary = annotate_folder(photos, tmp_path / "out", config, options, **calls)
    assert summary.statuses == {"ok": 3} and seen == ["ok"] * 3 and steps[-1] == (3, 3)
    assert len(read_results(tmp_path / "out", "coco")) == 3
    assert (
        len(list((tmp_path / "out" / "drawings").iterdir())) == len(list((tmp_path / "out" / "chips").iterdir())) == 3
    )
    assert annotate_folder(str(photos), str(tmp_path / "out"), config.create(), options).done == 0
    assert annotate_folder([photos], tmp_path / "out", config, options, Resume(fresh=True)).done == 3
    with pytest.raises(LandmarksError, match="no image files"):
        annotate_folder(tmp_path, tmp_path / "out", config)


def test_writers_and_detectors_say_what_their_results_depend_on(photos, tmp_path):
    writers = (Drawings(tmp_path, Style(names=True)), Chips(tmp_path, 64, ".jpg"))
    assert [writer.name for writer in writers] == ["drawings", "chips"]
    assert writers[0].settings()["names"] is True and writers[1].settings() == {"size": 64, "suffix": ".jpg"}
    assert json.loads(json.dumps([writer.settings() for writer in writers]))
    assert DETECTORS["centerface"](threshold=0.4).settings() == {"threshold": 0.4, "max_side": 640}
    assert DETECTORS["whole-image"]().settings() == {}


def test_workers_are_not_more_than_have_something_to_do(photos, tmp_path):
    annotate_folder(photos, tmp_path / "out", StubFactory(), RunOptions(workers=None))
    starts = json.loads((tmp_path / "out" / "run.json").read_text())["starts"]
    assert starts[0]["workers"] == 1
