"""The pages of an evaluation and of a comparison."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pandas as pd
import pytest

from landmarks.errors import DataError
from landmarks.evaluation.evaluate import evaluate
from landmarks.evaluation.per_face import PerFace, per_face_path, read_per_face
from landmarks.evaluation.tables import write_report as write_figures
from landmarks.report.evaluation_page import found_by_quality
from landmarks.report.figures import to_svg
from landmarks.report.report import Options, write_report
from tests.helpers.comparisons import POINTS, config, make_run


@pytest.fixture(scope="module")
def evaluated(mtfl, small_weights, tmp_path_factory):
    """A report and its faces; an untrained network on drawn faces."""
    path = tmp_path_factory.mktemp("evaluated") / "small.json"
    write_figures(evaluate(small_weights, mtfl, device="cpu", faces=per_face_path(path)), path)
    return path


def test_the_file_of_faces_holds_labels_predictions_and_errors(evaluated):
    faces = read_per_face(per_face_path(evaluated))
    assert len(faces.table) == 8 and faces.schemes == ["points_5"]
    for _, row in faces.table.iterrows():
        distance = np.linalg.norm(row["points_5"][0] - row["points_5"][1])
        error = np.linalg.norm(row["points_5_predicted"] - row["points_5"], axis=1).mean() / distance
        assert row["points_5_error"] == pytest.approx(error, rel=1e-4)
    figures = json.loads(evaluated.read_text())
    mean = figures["landmarks"]["points_5"]["interocular"]["nme"]["value"]
    assert faces.table["points_5_error"].mean() == pytest.approx(mean, rel=1e-4)


@pytest.mark.parametrize("content", [b"", b"PAR1 nonsense", None])
def test_a_file_that_does_not_hold_faces(content, tmp_path):
    if content is None:
        pd.DataFrame({"row": [1]}).to_parquet(tmp_path / "x.parquet")
    else:
        (tmp_path / "x.parquet").write_bytes(content)
    with pytest.raises(DataError, match="does not hold the faces of an evaluation"):
        read_per_face(tmp_path / "x.parquet")


def test_page_of_an_evaluation(evaluated):
    written = write_report(evaluated)
    text = written.path.read_text(encoding="utf-8")
    assert written.path == evaluated.with_suffix(".html") and written.missing == 0
    assert '<h2 id="h-worst">The 8 worst faces</h2>' in text and text.count("<figure><span") == 8
    for words in ("Error distribution", "Calibration", "balanced accuracy", "source: aflw", "whole-image"):
        assert words in text
    assert "<script" not in text and "http://" not in text.replace('xmlns="http://www.w3.org', "")


def test_without_the_dataset_or_the_faces(evaluated, tmp_path, mtfl):
    path = tmp_path / "r.json"
    shutil.copy(evaluated, path)
    assert "evaluate --faces" in write_report(path).path.read_text(encoding="utf-8")
    faces = pd.read_parquet(per_face_path(evaluated))
    import pyarrow.parquet as pq

    table = pq.read_table(per_face_path(evaluated))
    facts = json.loads(table.schema.metadata[b"landmarks"]) | {"data": str(tmp_path / "gone")}
    pq.write_table(table.replace_schema_metadata({"landmarks": json.dumps(facts)}), per_face_path(path))
    written = write_report(path)
    assert written.missing == len(faces) and "are shown without pictures" in written.path.read_text(encoding="utf-8")
    assert write_report(path, Options(images=(str(mtfl),))).missing == 0


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"protocol": {}, "detectors": {}}', "\xff", '{"protocol": 3}'])
def test_what_is_no_evaluation(content, tmp_path):
    (tmp_path / "x.json").write_text(content)
    with pytest.raises(DataError, match="is no evaluation of a network"):
        write_report(tmp_path / "x.json")


def test_bad_faces_are_found_by_their_quality():
    labels = [np.ones((5, 2))] * 4 + [np.full((5, 2), np.nan)]
    errors = np.array([0.2, 0.01, np.nan, 0.02, np.nan])
    table = pd.DataFrame({"quality": [0.1, 0.2, np.nan, 0.9, 0.0], "points_5": labels, "points_5_error": errors})
    seen, found = found_by_quality(PerFace(table, ""), "points_5")
    assert seen.tolist() == [0, 0.25, 0.5, 0.75, 1] and found.tolist() == [0, 0.5, 1, 1, 1]


def test_page_of_a_comparison(tmp_path):
    arms = {
        "alone": ("tasks", config((POINTS,)), 0.09, 0.01, 2),
        "<b>smile": ("tasks", config((POINTS, "smile")), 0.1, 0.01, 2),
    }
    arms = {name.replace("<b>", "&b;"): arm for name, arm in arms.items()}
    page = write_report(make_run(tmp_path, arms, faces=40)).path
    text = page.read_text(encoding="utf-8")
    assert page == tmp_path / "report.html" and text.count("<svg") >= 3
    assert "&amp;b;smile" in text and "&b;smile" not in text.replace("&amp;b;", "")
    for words in ("2 arms, 4 trainings", "Held against", "corrected p", "Error and differences by landmark"):
        assert words in text


def test_a_figure_takes_the_colours_of_the_page():
    from landmarks.evaluation.plots import empty_panels

    figure, (axes,) = empty_panels(1, "share, %")
    axes.plot([0, 1], [0, 1], color="#333333")
    svg = to_svg(figure, "x")
    assert "currentColor" in svg and "#333333" not in svg and "DejaVu" not in svg and "var(--line)" in svg
    assert "share, %" in svg and "<metadata" not in svg
    assert to_svg(figure, "x") == svg
