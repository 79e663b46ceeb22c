"""Runs as they are corrected: where their images are, what is refused, what every format brings."""

from __future__ import annotations

import json
import sys

import numpy as np
import pytest

from landmarks import annotate_folder, read_results
from landmarks.corrections import CorrectionLog
from landmarks.errors import DataError, LandmarksError
from landmarks.formats import FORMATS
from landmarks.review.run import faces_of, read_run, sources_of
from landmarks.review.server import default_who, needed
from tests.helpers.commands import run
from tests.helpers.drawn_runs import NAMES, make_run
from tests.helpers.faces import draw_face, write_png
from tests.helpers.results import calibrated, record, some_faces, write
from tests.helpers.stub import Stub


def test_a_run_says_where_its_images_are(tmp_path, monkeypatch):
    for name in ("in/a.png", "in/sub/b.png"):
        write_png(tmp_path / name, draw_face(0)[0])
    monkeypatch.chdir(tmp_path)
    annotate_folder("in", "out", Stub(), recursive=True)
    monkeypatch.chdir("/")
    found = sources_of(tmp_path / "out")
    assert list(found) == ["a.png", "sub/b.png"] and all(len(source.load(10**6)) for source in found.values())


@pytest.mark.parametrize(
    "change", [{"starts": []}, {"starts": [{"named": {"sources": ["a"]}}]}, {"starts": 3}, {"settings": None}]
)
def test_runs_that_do_not_say_it_are_told_what_to_do(tmp_path, change):
    drawn = make_run(tmp_path)
    document = json.loads((drawn.path / "run.json").read_text()) | change
    (drawn.path / "run.json").write_text(json.dumps(document))
    with pytest.raises(DataError, match=r"--images|does not tell"):
        sources_of(drawn.path)


@pytest.mark.parametrize("format", FORMATS)
def test_every_format_can_be_corrected(tmp_path, format):
    faces = calibrated(3)
    write(tmp_path, [record(faces), record(calibrated(0), "none.jpg")], [format])
    found = read_run(tmp_path)
    assert found.names == ["a.jpg", "none.jpg"] and found.sizes.tolist() == [[640, 480]] * 2
    np.testing.assert_allclose(found.faces.points, faces.points, atol=2e-3)
    assert (found.found(0) is None) == (format == "pts")
    assert found.doubt.shape == (3,)


@pytest.mark.parametrize("orientation", [1, 6])
def test_faces_are_upright_whatever_the_frame(tmp_path, orientation):
    faces = some_faces(2, 68)
    write(tmp_path, [record(faces, orientation=orientation)], ["csv"], "original")
    found = read_run(tmp_path)
    np.testing.assert_allclose(found.faces.points, faces.points, atol=1e-3)
    np.testing.assert_allclose(found.faces.boxes, faces.boxes, atol=1e-3)
    assert found.sizes.tolist() == [[640, 480]]


def test_faces_of_a_table(tmp_path):
    faces = calibrated(4)
    write(tmp_path, [record(faces)], ["parquet"])
    found = faces_of(read_results(tmp_path), read_run(tmp_path).layout)
    for name, scores in faces.attributes.items():
        assert found.attributes[name].labels.tolist() == scores.labels.tolist()
        np.testing.assert_allclose(found.attributes[name].confidence, scores.confidence, atol=1e-6)
    assert (found.quality == faces.quality).all() and (found.point_errors == faces.point_errors).all()


def test_what_the_command_refuses(tmp_path, monkeypatch, capsys):
    drawn = make_run(tmp_path)
    assert run(monkeypatch, "review", tmp_path / "photos") == 2
    assert "holds no finished run" in capsys.readouterr().err
    with CorrectionLog(drawn.path):
        assert run(monkeypatch, "review", drawn.path) == 2
        assert "another process is writing corrections" in capsys.readouterr().err
    drawn.photos.rename(tmp_path / "moved")
    assert run(monkeypatch, "review", drawn.path) == 2
    assert "--images" in capsys.readouterr().err
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    assert run(monkeypatch, "review", drawn.path) == 2
    assert "pip install 'landmarks[review]'" in capsys.readouterr().err


def test_a_port_that_is_taken(tmp_path, monkeypatch, capsys):
    import socket

    drawn = make_run(tmp_path, NAMES[:1])
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        assert run(monkeypatch, "review", drawn.path, "--port", taken.getsockname()[1]) == 2
    assert "choose another --port" in capsys.readouterr().err


def test_what_is_needed():
    assert needed("json") is json and isinstance(default_who(), str)
    with pytest.raises(LandmarksError, match="needs an extra"):
        needed("landmarks.nothing")
