"""`landmarks evaluate` on photographs with boxes alone."""

from __future__ import annotations

import json

import numpy as np
import pytest
from typer.testing import CliRunner

from landmarks.cli.commands import app
from landmarks.datasets.photographs import tells_only_boxes
from landmarks.detection.create import installed_detectors
from landmarks.errors import DataError, LandmarksError
from landmarks.evaluation.detectors import evaluate_detectors
from tests.helpers.faces import write_png

PHOTOS = 4


@pytest.fixture(scope="module")
def photographs(tmp_path_factory):
    """The astronaut at three sizes, in a folder each, and a picture of noise, as WIDER FACE is laid out."""
    import cv2

    root = tmp_path_factory.mktemp("wider")
    pixels = cv2.imread("data/samples/astronaut.png")[..., ::-1]
    box = np.array([170, 65, 280, 215])
    rows = ["image,part,x0,y0,x1,y1,easy,medium,hard"]
    for number, zoom in enumerate((1.0, 0.5, 0.25)):
        small = cv2.resize(pixels, None, fx=zoom, fy=zoom, interpolation=cv2.INTER_AREA)
        name = f"{number}--Space/{number}.png"
        write_png(root / "images" / name, np.ascontiguousarray(small))
        rows.append(f"{name},test,{','.join(str(v) for v in box * zoom)},{int(zoom == 1)},1,1")
    noise = np.random.default_rng(0).integers(0, 256, (200, 300, 3), dtype=np.uint8)
    write_png(root / "images" / "3--Noise/3.png", noise)
    rows.append("3--Noise/3.png,test,10,10,14,14,0,0,1")
    (root / "faces.csv").write_text("\n".join(rows) + "\n")
    return root


def test_figures(photographs):
    figures = evaluate_detectors(photographs, ["centerface"])
    centerface = figures["detectors"]["centerface"]
    assert figures["protocol"]["pictures"] == PHOTOS and centerface["unreadable"] == 0
    precision = {level: of["value"] for level, of in centerface["average_precision"].items()}
    assert precision["easy"] == precision["medium"] == pytest.approx(1.0)
    assert precision["hard"] == pytest.approx(0.75, abs=0.01)  # of four faces, the one in the noise is not found
    assert centerface["recall"] == pytest.approx(0.75) and centerface["false_per_picture"] == 0
    assert centerface["recall_by_group"]["3--Noise"] == {"faces": 1, "recall": 0.0}


def test_the_command(photographs, tmp_path):
    out = tmp_path / "figures.json"
    result = CliRunner().invoke(
        app, ["evaluate", "--data", str(photographs), "--detector", "centerface", "--out", str(out), "--quiet"]
    )
    assert result.exit_code == 0, result.output
    assert "average precision, easy" in result.output and "3--Noise" in result.output
    assert json.loads(out.read_text())["detectors"]["centerface"]["faces"] == PHOTOS


def test_every_installed_one_by_default(photographs, monkeypatch):
    monkeypatch.delenv("LANDMARKS_YUNET", raising=False)
    assert list(evaluate_detectors(photographs)["detectors"]) == installed_detectors()


def test_boxes_alone_are_told_from_annotated_faces(photographs, mtfl):
    assert tells_only_boxes(photographs) and not tells_only_boxes(mtfl)


@pytest.mark.parametrize(
    "options, message",
    [
        (["--weights", "compact"], "leave --weights, --plots and --faces out"),
        (["--split", "val"], "no photographs in the split 'val'"),
        (["--detector", "whole-image"], "gives no scores"),
        (["--detector", "mtcnn"], "there is no detector 'mtcnn'"),
    ],
)
def test_calls_that_cannot_be_meant(photographs, options, message):
    result = CliRunner().invoke(app, ["evaluate", "--data", str(photographs), "--quiet", *options])
    assert isinstance(result.exception, LandmarksError) and message in str(result.exception)


def test_photographs_that_cannot_be_decoded_are_told(photographs, tmp_path):
    import shutil

    copy = tmp_path / "wider"
    shutil.copytree(photographs, copy)
    words = ["evaluate", "--data", str(copy), "--detector", "centerface", "--quiet"]
    (copy / "images" / "3--Noise" / "3.png").write_bytes(b"no picture")
    result = CliRunner().invoke(app, words)
    assert result.exit_code == 0, result.output
    assert "cannot be decoded" in " ".join(result.output.split())
    for picture in (copy / "images").rglob("*.png"):
        picture.unlink()
    with pytest.raises(DataError, match=r"none of the 4 photographs can be decoded: .*0\.png"):
        evaluate_detectors(copy, ["centerface"])
