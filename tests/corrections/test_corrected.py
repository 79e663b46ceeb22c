"""`read_results(run, corrected=True)`: the run's table with what people have said of it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from landmarks import images, read_results
from landmarks.corrections import Correction, CorrectionLog
from landmarks.errors import DataError
from landmarks.schemes import POINTS_5
from tests.helpers.results import HEIGHT, WIDTH, calibrated, measured, record, some_faces, write


def labels(faces, i=0, move=(), **attributes):
    """Box, landmarks and attributes of a face as a line has them, some landmarks moved by 10, -5."""
    points = {
        name: tuple((faces.points[i, k] + (np.array([10, -5]) if name in move else 0)).round(4).tolist())
        for k, name in enumerate(faces.scheme.points)
    }
    told = {name: scores.labels[i].item() for name, scores in faces.attributes.items()} | attributes
    return {"box": tuple(faces.boxes[i].round(4).tolist()), "points": points, "attributes": told}


def say(run, *lines):
    with CorrectionLog(run) as log:
        for one in lines:
            log.append(one)


@pytest.fixture(params=["parquet", "csv", "jsonl", "coco", "cvat", "labelstudio", "yolo", "pts"])
def format(request):
    return request.param


def test_every_kind_of_line_shows_in_the_table(tmp_path, format):
    faces, other = calibrated(3), calibrated(1, seed=5)
    write(tmp_path, [record(faces), record(other, "b.jpg"), record(calibrated(0), "none.jpg")], [format])
    before = read_results(tmp_path)
    found = [tuple(box.round(4).tolist()) for box in faces.boxes]
    say(
        tmp_path,
        Correction("accept", "b.jpg", "0", found=tuple(other.boxes[0].round(4).tolist()), **labels(other)),
        Correction("correct", "a.jpg", "1", found=found[1], **labels(faces, 1, ["nose"], smile="smiling", pose=None)),
        Correction("remove", "a.jpg", "0", found=found[0]),
        Correction("put off", "a.jpg", "2", found=found[2], **labels(faces, 2)),
        Correction("add", "none.jpg", "n1", **labels(other)),
        Correction("add", "a.jpg", "n2", **labels(other)),
        Correction("add", "a.jpg", "n3", id="gone0000", **labels(other)),
        Correction("undo", "a.jpg", "n3", undoes="gone0000"),
    )
    table = read_results(tmp_path, corrected=True)
    assert table[["image", "face", "review"]].values.tolist() == [
        ["a.jpg", 1, "corrected"], ["a.jpg", 2, "put off"], ["a.jpg", 3, "added"], ["b.jpg", 0, "accepted"],
        ["none.jpg", 0, "added"],
    ]  # fmt: skip
    assert table.columns.tolist() == [*before.columns, "review"]
    assert table.dtypes[before.columns].astype(str).tolist() == before.dtypes.astype(str).tolist()
    one = table.iloc[0]
    assert [one["nose_x"], one["nose_y"]] == pytest.approx(faces.points[1, 2] + [10, -5], abs=1e-2)
    untouched = [name for name in before if name.startswith("left_eye") or name == "score"]
    assert one[untouched].tolist() == before.iloc[1][untouched].tolist()
    if "nose_error" in table:
        assert np.isnan(one["nose_error"])
    if "smile" in table:
        assert [one["smile"], one["smile_probability"]] == ["smiling", 1] or before.iloc[1]["smile"] == "smiling"
        assert one.isna()[["pose", "pose_probability"]].all()


def test_numbers_that_people_told_are_in_the_table_of_every_format(tmp_path, format):
    faces = measured(3)
    write(tmp_path, [record(faces)], [format])
    told = [{"head_turn": -7.5, "years": None}, {"head_turn": float(str(faces.quantities["head_turn"].values[1]))}]
    say(
        tmp_path,
        *(Correction("correct", "a.jpg", str(i), quantities=one, **labels(faces, i)) for i, one in enumerate(told)),
    )
    before, table = read_results(tmp_path), read_results(tmp_path, corrected=True)
    assert table.columns.tolist() == [*before.columns, "review"]
    if "head_turn" in table:
        assert table["head_turn"].dtype == table["years"].dtype == "float32"
        turns = [-7.5, faces.quantities["head_turn"].values[1], np.nan]
        np.testing.assert_allclose(table["head_turn"], turns, rtol=1e-6)
        np.testing.assert_allclose(table["years"], [np.nan, *before["years"][1:]], rtol=1e-6)


def test_a_run_that_numbers_its_faces_otherwise_keeps_its_corrections(tmp_path):
    faces = some_faces(2)
    say(
        tmp_path,
        Correction("correct", "a.jpg", "1", found=tuple(faces.boxes[1].tolist()), **labels(faces, 1, ["nose"])),
        Correction("accept", "a.jpg", "7", found=(500.0, 400.0, 520.0, 420.0), **labels(faces, 0)),
    )
    write(tmp_path, [record(faces[[1, 0]])], ["csv"])
    table = read_results(tmp_path, corrected=True)
    assert table["review"].tolist() == ["corrected", "", "accepted"]  # The last one the run finds no more.
    assert table["nose_x"][0] == pytest.approx(faces.points[1, 2, 0] + 10, abs=1e-3)


@pytest.mark.parametrize("orientation", images.image.ORIENTATIONS)
def test_lines_are_upright_whatever_the_frame_of_the_files(tmp_path, orientation):
    faces = some_faces(2)
    lines = [
        Correction("correct", "a.jpg", "1", found=tuple(faces.boxes[1].tolist()), **labels(faces, 1, ["nose"])),
        Correction("add", "a.jpg", "n1", **labels(faces, 0, ["nose"])),
    ]
    moved = faces.points.copy()
    moved[:, 2] += [10, -5]
    told = replace(faces[[0, 1, 0]], points=np.stack([faces.points[0], moved[1], moved[0]]))
    for folder, found in (("said", faces), ("wanted", told)):
        write(tmp_path / folder, [record(found, orientation=orientation)], ["csv"], "original")
    say(tmp_path / "said", *lines)
    names = ["x0", "y0", "x1", "y1", *(f"{name}_{axis}" for name in POINTS_5.points for axis in "xy")]
    ours, wanted = read_results(tmp_path / "said", corrected=True), read_results(tmp_path / "wanted")
    np.testing.assert_allclose(ours[names], wanted[names], atol=1e-3)
    assert WIDTH != HEIGHT


def test_lines_of_other_landmarks_are_told_and_left_out(tmp_path):
    write(tmp_path, [record(some_faces(1, 68))], ["csv"])
    say(tmp_path, Correction("accept", "a.jpg", "0", **labels(some_faces(1))))
    with pytest.warns(UserWarning, match="1 corrections are left out"):
        assert read_results(tmp_path, corrected=True)["review"].tolist() == [""]


def test_without_corrections_nothing_changes(tmp_path):
    write(tmp_path, [record(some_faces(2)), record(some_faces(0), "b.jpg")], ["csv"])
    table = read_results(tmp_path, corrected=True)
    assert table.pop("review").tolist() == ["", ""]
    assert table.equals(read_results(tmp_path))


def test_what_is_no_run_is_refused(tmp_path):
    write(tmp_path / "run", [record(some_faces(2))], ["csv"])
    (tmp_path / "faces.csv").write_bytes((tmp_path / "run" / "faces.csv").read_bytes())
    with pytest.raises(DataError, match=r"holds no schema\.json"):
        read_results(tmp_path, corrected=True)
