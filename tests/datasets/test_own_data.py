"""Own data as people have it: labels in any spelling, partly labelled points, odd columns, lists from other shops."""

import csv
import json
import warnings

import numpy as np
import pytest
import torch

from landmarks.batch.run import annotate
from landmarks.datasets.crops.cutting import CACHE_SIZE
from landmarks.datasets.crops.samples import Samples
from landmarks.datasets.crops.squares import canonical_squares
from landmarks.datasets.dataset import check_images, load_crops, prepare, read_dataset
from landmarks.datasets.digest import digest
from landmarks.datasets.labels import label_counts, label_gaps, unlabelled
from landmarks.datasets.table import BOX, labels_of, make_table, points_of
from landmarks.errors import DataError
from landmarks.inference.annotator import Annotator
from landmarks.schemes import ABSENT, ATTRIBUTES, GLASSES, POINTS_5, POINTS_68, POSE, SMILE
from landmarks.sources.find import find
from tests.helpers.datasets import celeba, face, keypoints, pts
from tests.helpers.faces import draw_face, write_png

POINT_COLUMNS = [f"{name}_{axis}" for name in POINTS_5.points for axis in "xy"]


def own(root, header, *rows, encoding="utf-8", separator=","):
    lines = [separator.join(header), *(separator.join(map(str, row)) for row in rows)]
    (root / "faces.csv").write_text("\n".join(lines) + "\n", encoding=encoding)
    return root


@pytest.mark.parametrize(
    ("smile", "pose", "expected"),
    [
        ("1", "2", (1, 2)),
        ("1.0", "2.0", (1, 2)),
        ("0.0", "0.00", (0, 0)),
        ("Yes", "Left Profile", (1, 0)),
        ("FALSE", "right_profile", (0, 4)),
        ("no", "LEFT-PROFILE", (0, 0)),
        ("Not Smiling", " Frontal ", (0, 2)),
        ("SMILING", "right", (1, 3)),
        ("", "", (ABSENT, ABSENT)),
        ("NaN", "nan", (ABSENT, ABSENT)),
        ("NA", "n/a", (ABSENT, ABSENT)),
        ("null", "<NA>", (ABSENT, ABSENT)),
    ],
)
def test_labels_in_any_spelling(tmp_path, smile, pose, expected):
    table = read_dataset(own(tmp_path, ["image", "smile", "pose"], ["a.png", smile, pose])).table
    assert (labels_of(table, SMILE)[0], labels_of(table, POSE)[0]) == expected


@pytest.mark.parametrize(
    ("column", "text"),
    [("smile", "0.5"), ("smile", "2"), ("smile", "-1"), ("smile", "grin"), ("smile", "inf"), ("pose", "yes"),
     ("gender", "true"), ("pose", "5.0"), ("smile", "1e400")],
)  # fmt: skip
def test_labels_that_are_none_name_line_and_choices(tmp_path, column, text):
    own(tmp_path, ["image", column], ["a.png", ""], ["b.png", text])
    with pytest.raises(DataError, match=rf"faces\.csv line 3: {column} must be one of .*, not '{text}'"):
        read_dataset(tmp_path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("image,smile\na,b.png,1\n", "line 2: 3 cells for 2 columns"),
        ("image,smile,smile\na.png,1,0\n", "line 1: the column 'smile' is there twice"),
        ("image,x0,y0,x1,y1\na.png,1,2,3,\n", "line 2: y1 is missing"),
        ("image,x0,y0,x1,y1\na.png,5,2,3,9\n", "line 2: the box needs x0 < x1"),
        ("image,x0,y0,x1,y1\na.png,5,2,inf,9\n", "line 2: x1 must be a number, not 'inf'"),
        ("image,nose_x,nose_y\na.png,5,\n", "line 2: nose_y is missing"),
        ("image,split\na.png,holdout\n", "line 2: split must be one of train, val, test, not 'holdout'"),
        ("", "line 1: there is no column `image`"),
    ],
)
def test_lines_that_cannot_be_read(tmp_path, text, message):
    (tmp_path / "faces.csv").write_text(text)
    with pytest.raises(DataError, match=rf"faces\.csv {message}"):
        read_dataset(tmp_path)


def test_short_lines_zero_boxes_and_other_separators(tmp_path):
    header = ["Image", " Split", "x0", "y0", "x1", "y1", "nose_x", "nose_y", "Smile"]
    rows = [
        ["a.png", "Training", 0, 0, 0, 0, "1,5", 2],
        ["b,c.png", "VALIDATION", 1, 2, 3, 4, "NaN", "NA", "yes"],
        [""],
    ]
    table = read_dataset(own(tmp_path, header, *rows, separator=";", encoding="utf-8-sig")).table
    assert table["image"].tolist() == ["a.png", "b,c.png"] and table["split"].tolist() == ["train", "val"]
    assert np.isnan(table[BOX].iloc[0].tolist()).all() and table[BOX].iloc[1].tolist() == [1, 2, 3, 4]
    assert table["points_5"].iloc[0][2].tolist() == [1.5, 2] and table["points_5"].iloc[1] is None
    assert labels_of(table, SMILE).tolist() == [ABSENT, 1]


def test_unknown_columns_are_named(tmp_path):
    own(
        tmp_path,
        ["image", "smiling", "photographer", "left_eye_X", "lefteye_y", "score"],
        ["a.png", 1, "x", "", "", 0.5],
    )
    with pytest.warns(
        UserWarning, match=r"line 1: unknown columns, not read: 'smiling' \(perhaps 'smile'\), 'photo"
    ) as w:
        read_dataset(tmp_path)
    assert "'lefteye_y' (perhaps 'left_eye_y')" in str(w[0].message) and "score" not in str(w[0].message)


def test_results_of_annotate_are_a_dataset(small_weights, tmp_path):
    names = ["=1+1.png", "'quoted.png", "plain.png", "@sub/-a.png"]
    for seed, name in enumerate(names):
        write_png(tmp_path / name, draw_face(seed)[0])
    results = tmp_path.with_name(tmp_path.name + "-results")
    annotate(Annotator(small_weights, "whole-image", device="cpu"), find([tmp_path], recursive=True), results)
    written = (results / "faces.csv").read_text(encoding="utf-8")
    assert "'=1+1.png" in written
    (tmp_path / "faces.csv").write_text(written, encoding="utf-8")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        dataset = read_dataset(tmp_path)
    assert sorted(dataset.table["image"]) == sorted(names) and check_images(dataset) == []
    assert dataset.table["smile"].notna().all() and dataset.table["points_5"].notna().all()


def test_an_apostrophe_is_taken_off_where_no_file_has_it(tmp_path):
    for name in ("'a.png", "=b.png"):
        write_png(tmp_path / name, draw_face(0)[0])
    table = read_dataset(own(tmp_path, ["image"], ["'a.png"], ["'=b.png"])).table
    assert table["image"].tolist() == ["'a.png", "=b.png"]


# Points that are partly labelled

PROFILE = {"left_eye", "nose", "mouth_left"}


def partly_labelled(root):
    """Four faces: all points; a profile's; one point alone; that and a box."""
    rows = []
    for seed in range(4):
        image, points, _ = draw_face(seed)
        write_png(root / f"{seed}.png", image)
        shown = set(POINTS_5.points) if seed == 0 else PROFILE if seed == 1 else {"nose"}
        numbers = [f"{v:.2f}" if name in shown else "" for name, p in zip(POINTS_5.points, points) for v in p]
        rows.append([f"{seed}.png", "train", *numbers, *([30, 20, 130, 140] if seed == 3 else [""] * 4)])
    return own(root, ["image", "split", *POINT_COLUMNS, *BOX], *rows)


def test_partly_labelled_faces_are_kept_and_placed(tmp_path):
    dataset = read_dataset(partly_labelled(tmp_path / "d"))
    points = points_of(dataset.table, POINTS_5)
    assert np.isfinite(points).all(axis=2).sum(axis=1).tolist() == [5, 3, 1, 1]
    squares = canonical_squares(dataset.table, 1.0)
    assert np.isfinite(squares).all(axis=1).tolist() == [True, True, False, True]
    eyes_to_mouth = points[1, 3, 1] - points[1, 0, 1]
    assert squares[1, 2] == pytest.approx(max(eyes_to_mouth, np.ptp(points[1, [0, 2, 3], 0])))
    with pytest.warns(UserWarning, match=r"1 of 4 faces .*1 without a box or points .*\(2\.png\)"):
        crops = prepare(dataset, tmp_path / "p")
    assert crops.table["image"].tolist() == ["0.png", "1.png", "3.png"]
    samples = Samples(load_crops(tmp_path / "p"), np.arange(3), ("points_5",), 64, 1.8, locator_size=32)
    assert [int(torch.isfinite(samples[i]["points_5"]).all(dim=1).sum()) for i in range(3)] == [5, 3, 1]
    assert torch.isnan(samples[1]["coarse_points"]).all() and torch.isfinite(samples[0]["coarse_points"]).all()
    assert all((samples[i]["crop"] > 0).float().mean() > 0.5 for i in range(3))


def entry(points, shown, number, **more):
    values = np.array(keypoints(points)).reshape(-1, 3)
    values[[name not in shown for name in POINTS_5.points]] = 0
    return {"id": number, "image_id": 7, "keypoints": values.ravel().tolist(), **more}


def test_coco_masks_points_without_a_label(tmp_path):
    write_png(tmp_path / "images" / "a.png", draw_face(3)[0])
    points = face(POINTS_5)
    entries = [
        entry(points, PROFILE, 1, bbox=[0, 0, 0, 0]), entry(points, POINTS_5.points, 2, bbox=None),
        {"id": 3, "image_id": 7, "keypoints": [None, None, 0] * 5, "bbox": [0.0, 0, 0, 0]},
    ]  # fmt: skip
    (tmp_path / "annotations").mkdir()
    content = {"images": [{"id": 7, "file_name": "a.png"}], "annotations": entries}
    (tmp_path / "annotations" / "train.json").write_text(json.dumps(content))
    table = read_dataset(tmp_path).table
    assert np.isnan(table[BOX].to_numpy()).all() and table["points_5"].iloc[2] is None
    assert np.isnan(table["points_5"].iloc[0][:, 0]).tolist() == [name not in PROFILE for name in POINTS_5.points]
    assert np.allclose(table["points_5"].iloc[1], points)


# Lists and folders from other shops


@pytest.mark.parametrize("no", ["-1", "0"])
def test_celeba_as_kaggle_has_it(tmp_path, no):
    celeba(tmp_path, points=True)
    for path in (tmp_path / "Anno").glob("*.txt"):
        _, columns, *rows = [line.split() for line in path.read_text().splitlines()]
        rows = [[no if field == "-1" else field for field in row] for row in rows]
        with open(path.with_suffix(".csv"), "w", newline="", encoding="utf-8-sig") as file:
            csv.writer(file).writerows([["image_id", *columns], *rows])
        path.unlink()
    partition = "".join(f"00000{i}.jpg,{i // 2}\n" for i in range(6))
    (tmp_path / "Anno" / "list_eval_partition.csv").write_text("image_id,partition\n" + partition)
    (tmp_path / "Img" / "img_align_celeba" / "000000.jpg").unlink()  # parts of the images are in use, too
    dataset = read_dataset(tmp_path)
    assert dataset.name == "celeba" and labels_of(dataset.table, GLASSES).tolist() == [0, 1, 0, 1, 0, 1]
    assert dataset.table["split"].tolist() == ["train", "train", "val", "val", "test", "test"]
    assert np.isfinite(points_of(dataset.table, POINTS_5)).all() and len(check_images(dataset)) == 1


@pytest.mark.parametrize(
    ("path", "source", "split"),
    [
        ("Helen_train/1_1", "helen", "train"),
        ("300W-HELEN/TestSet/1_1", "helen", "test"),
        ("lfpw testing images/image_0001", "lfpw", "test"),
        ("data/AFW_faces/1_1", "afw", "train"),
        ("iBUG/image_003_1", "ibug", "test"),
        ("challenging/image_003_1", "ibug", "test"),
        ("x/indoor_001", "01_indoor", "test"),
        ("ibug_300W_large_face_landmark_dataset/lfpw/trainset/image_0001", "lfpw", "train"),
        ("ibug_300W/trainset/a", "ibug", "train"),
        ("mine/val/a", "val", "val"),
        ("latest/a", "latest", "train"),
        ("Helena/a", "Helena", "train"),
    ],
)
def test_renamed_folders_of_300w(tmp_path, path, source, split):
    write_png(tmp_path / f"{path}.Jpg", draw_face(0)[0])
    (tmp_path / f"{path}.PTS").write_text(pts(face(POINTS_68)))
    row = read_dataset(tmp_path).table.iloc[0]
    assert row["source"] == source
    assert row["split"] == split or (split == "train" and row["split"] == "val")
    assert row["image"] == f"{path}.Jpg"


def test_300w_that_does_not_say_which_part_it_is(tmp_path):
    write_png(tmp_path / "HELEN" / "1_1.jpg", draw_face(0)[0])
    (tmp_path / "HELEN" / "1_1.pts").write_text(pts(face(POINTS_68)))
    with pytest.warns(UserWarning, match="whether the 1 faces of helen train or test"):
        read_dataset(tmp_path)


def test_points_files_without_any_image(tmp_path):
    (tmp_path / "a.pts").write_text(pts(face(POINTS_68)))
    with pytest.raises(DataError, match=r"1 of 1 faces cannot be used: 1 without their image"):
        prepare(read_dataset(tmp_path), tmp_path / "out")


# What the labels teach


def test_gaps_are_told():
    rows = [{"image": f"{i}", "split": "train", "pose": 1 + i % 2, "smile": 1} for i in range(120)]
    rows += [{"image": "x", "split": "train", "glasses": 1}, {"image": "y", "split": "train", "glasses": 0}]
    table = make_table(rows)
    gaps = label_gaps(table, ["points_5", *ATTRIBUTES])
    assert gaps[0] == "no training face has labels for points_5, gender; a network gets no head for them"
    assert gaps[1].startswith("pose: no training face is 'left profile', 'right profile'"), "right is seen mirrored"
    assert gaps[2].startswith("smile: no training face is 'not smiling'")
    assert gaps[3].startswith("few training faces of glasses (1 'no glasses', 1 'glasses')") and len(gaps) == 4
    assert unlabelled(table, ATTRIBUTES) == ("gender",)
    assert label_counts(table, ["points_5", "smile"]) == {"points_5": 0, "smile": {"not smiling": 0, "smiling": 120}}


def test_digest_tells_data_apart(prepared, tmp_path):
    first = load_crops(prepared)
    assert digest(first) == digest(load_crops(prepared))
    changed = [load_crops(prepared) for _ in range(3)]
    changed[0].table.loc[3, "smile"] = 1 - changed[0].table.loc[3, "smile"]
    changed[1].table["points_5"] = [p + 1e-3 for p in changed[1].table["points_5"]]
    changed[2].table = changed[2].table.iloc[::-1]
    assert len({digest(crops) for crops in (first, *changed)}) == 4
    other = load_crops(prepared)
    other.picture = lambda row: np.full((CACHE_SIZE, CACHE_SIZE, 3), row, np.uint8)
    assert digest(other) != digest(first)
