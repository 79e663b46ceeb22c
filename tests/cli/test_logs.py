from __future__ import annotations

import csv
import json
import logging

import pytest

from landmarks.cli.logs import logging_to, say
from landmarks.log import log
from tests.helpers.commands import run
from tests.helpers.faces import draw_face, write_png


@pytest.fixture(autouse=True)
def alone(monkeypatch):
    """Without what other packages that ran before have told Python's logging to do."""
    monkeypatch.setattr(logging.root, "handlers", [])


def test_nothing_is_told_unless_asked(capsys):
    log.warning("a")
    with logging_to(None, verbose=False):
        log.error("b")
    shown = capsys.readouterr()
    assert (shown.out, shown.err) == ("", "") and log.level == logging.NOTSET


def test_verbose_tells_each_thing_once(capsys):
    with logging_to(None, verbose=True):
        log.debug("a task\x1b[2J of %d", 8)
        say("a summary")
    assert capsys.readouterr().err.splitlines() == ["a task\\x1b[2J of 8", "a summary"]
    log.warning("later")
    assert capsys.readouterr().err == ""


def test_the_file_gets_all_and_keeps_what_it_had(tmp_path, capsys):
    path = tmp_path / "new" / "a.log"
    for word in ("one", "two"):
        with pytest.raises(ValueError), logging_to(path, verbose=False):
            log.info(word)
            say("a summary \udcff")
            raise ValueError("no such thing")
    text = path.read_text()
    assert "INFO one\n" in text and "INFO two\n" in text and text.count("INFO a summary \\udcff\n") == 2
    assert text.count("ERROR no such thing\nTraceback") == 2
    assert capsys.readouterr().err.count("summary") == 2


def test_annotate_tells_where_it_is(monkeypatch, small_weights, tmp_path, capsys):
    """The log, the file for Prometheus and the summary in run.json, of one run with a broken image."""
    write_png(tmp_path / "in" / "a.png", draw_face(0)[0])
    (tmp_path / "in" / "b.png").write_text("no image")
    options = ("--out", tmp_path / "out", "--weights", small_weights, "--whole-image", "--workers", 0, "--quiet")
    files = ("--log", tmp_path / "a.log", "--metrics", tmp_path / "a.prom", "--verbose")
    assert run(monkeypatch, "annotate", tmp_path / "in", *options, *files) == 1
    text = (tmp_path / "a.log").read_text()
    assert "WARNING b.png: unreadable: " in text and "2 images, 1 failed, 1 faces" in text
    assert "b.png: unreadable: " in capsys.readouterr().err
    lines = (tmp_path / "a.prom").read_text().splitlines()
    assert {'landmarks_images_total{status="ok"} 1', 'landmarks_images_total{status="unreadable"} 1'} <= set(lines)
    assert {"landmarks_faces_total 1", "landmarks_images_done 2", "landmarks_running 0"} <= set(lines)
    results = json.loads((tmp_path / "out" / "run.json").read_text())["results"]
    with open(tmp_path / "out" / "faces.csv", newline="") as file:
        assert len(list(csv.DictReader(file))) == results["faces"] == 1
    assert (results["images"], results["failed"], results["statuses"]) == (2, 1, {"ok": 1, "unreadable": 1})
    assert {"doubtful", "upside_down", "boxes_unused", "images_without_boxes"} <= set(results)
