"""Files for other tools have the structure that the tools' documentation asks for."""

import json
import re
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

from landmarks.formats.tools.shared import edges
from landmarks.schemes import ATTRIBUTES, POINTS_5, POINTS_68, scheme_of_size
from tests.helpers.results import HEIGHT, NAN, WIDTH, calibrated, record, some_faces, write


def over_the_border(faces):
    """Boxes and landmarks partly outside the image, on every side of it."""
    boxes, points = faces.boxes.copy(), faces.points.copy()
    boxes[0], boxes[1] = (-30, -20, 100, 120), (500, 400, WIDTH + 40, HEIGHT + 9)
    points[0, 0], points[0, 1], points[1, 0], points[1, 1] = (-5, 9), (9, -0.6), (WIDTH, 9), (9, HEIGHT + 7)
    return replace(faces, boxes=boxes, points=points)


def some_records(points: int = 5) -> list:
    faces = some_faces(3, points)
    located = faces.points.copy()
    located[0, 2] = NAN
    doubtful = replace(faces, points=located, scores=np.array([0.9, NAN, 0.4]))
    return [record(doubtful, "a <&> b.jpg"), record(some_faces(0, points), "none.jpg"), record(faces[:1], "c/d.jpg")]


@pytest.mark.parametrize("points", [5, 68])
def test_coco_is_read_and_evaluated_by_pycocotools(points, tmp_path, capsys):
    """The file loads, its detections load as results, and compared with itself it is perfect."""
    pytest.importorskip("pycocotools")
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    found = [record(some_faces(2, points, seed=i), f"{i}.jpg") for i in range(4)]
    write(tmp_path, found, ["coco"])
    truth = COCO(str(tmp_path / "coco.json"))
    assert len(truth.imgs) == 4 and len(truth.anns) == 8
    (category,) = truth.loadCats(truth.getCatIds(catNms=["face"]))
    assert tuple(category["keypoints"]) == scheme_of_size(points).points
    assert np.array(category["skeleton"]).min() >= 1 and np.array(category["skeleton"]).max() <= points
    first = truth.loadAnns(truth.getAnnIds(imgIds=[1]))[0]
    assert np.array(first["keypoints"]).reshape(-1, 3)[:, :2] == pytest.approx(found[0].faces.points[0], abs=1e-4)
    assert np.array(first["bbox"][:2]) == pytest.approx(found[0].faces.boxes[0, :2] + 0.5, abs=1e-4)
    keys = ("image_id", "category_id", "keypoints", "score", "bbox")
    results = truth.loadRes([{key: annotation[key] for key in keys} for annotation in truth.dataset["annotations"]])
    run = COCOeval(truth, results, "keypoints")
    run.params.kpt_oks_sigmas = np.full(points, 0.05)
    run.evaluate()
    run.accumulate()
    run.summarize()
    assert run.stats[0] == pytest.approx(1) and run.stats[5] == pytest.approx(1)


def test_coco_counts_no_landmark_outside_the_image(tmp_path, capsys):
    """They are v = 0; pycocotools' evaluation neither counts nor misses them, and the image's border is inside."""
    pytest.importorskip("pycocotools")
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    faces = over_the_border(some_faces(2))
    edge = faces.points.copy()
    edge[0, 2], edge[1, 2] = (-0.5, -0.5), (WIDTH - 0.5, HEIGHT - 0.5)
    write(tmp_path / "cut", [record(replace(faces, points=edge))], ["coco"])
    truth = COCO(str(tmp_path / "cut" / "coco.json"))
    for annotation in truth.dataset["annotations"]:
        points = np.array(annotation["keypoints"]).reshape(-1, 3)
        assert points[:, 2].tolist() == [0, 0, 2, 2, 2] and annotation["num_keypoints"] == 3
        assert (points[:2] == 0).all()
    keys = ("image_id", "category_id", "keypoints", "score")
    results = [{key: annotation[key] for key in keys} for annotation in truth.dataset["annotations"]]
    for result in results:
        result["keypoints"][:6] = [WIDTH / 2, HEIGHT / 2, 1] * 2  # Wrong by far, where nothing is labelled.
    run = COCOeval(truth, truth.loadRes(results), "keypoints")
    run.params.kpt_oks_sigmas = np.full(5, 0.05)
    run.evaluate()
    run.accumulate()
    run.summarize()
    assert run.stats[0] == pytest.approx(1) and run.stats[5] == pytest.approx(1)


def test_coco_says_what_does_not_exist_by_leaving_it_out(tmp_path):
    write(tmp_path, some_records(), ["coco"])
    document = json.loads((tmp_path / "coco.json").read_text())
    first, second, *_ = document["annotations"]
    assert first["keypoints"][6:9] == [0, 0, 0] and first["num_keypoints"] == 4 and second["num_keypoints"] == 5
    assert "score" in first and "score" not in second and "null" not in json.dumps(document)
    assert [image["id"] for image in document["images"]] == [1, 2, 3]
    assert not list(tmp_path.glob("*annotations*"))


def test_pts_counts_from_one(tmp_path):
    faces = some_faces(1)
    points = np.array([[[0, 0], [1, 2], [10.5, 3.25], [7, 8], [9, 10]]], np.float32)
    write(tmp_path, [record(replace(faces, points=points), "a/b.jpg")], ["pts"])
    assert (tmp_path / "pts" / "a" / "b.pts").read_text() == (
        "version: 1\nn_points: 5\n{\n1.0000 1.0000\n2.0000 3.0000\n11.5000 4.2500\n8.0000 9.0000\n10.0000 11.0000\n}\n"
    )


def test_pts_has_the_name_of_its_image(tmp_path):
    """As menpo pairs them: the suffix is another. Every face keeps a file of its own, whatever images are called."""
    found = [
        record(some_faces(n), name) for n, name in ((2, "a.jpg"), (1, "a.png"), (1, "a.1.jpg"), (1, "b/no_suffix"))
    ]
    write(tmp_path, found, ["pts"])
    names = ["a.pts", "a.1.pts", "a.png.pts", "a.1.jpg.pts", "b/no_suffix.pts"]
    assert (tmp_path / "pts" / "index.csv").read_text().split()[1:] == [
        f"{image},{face},{name}"
        for (image, face), name in zip(
            [("a.jpg", 0), ("a.jpg", 1), ("a.png", 0), ("a.1.jpg", 0), ("b/no_suffix", 0)], names
        )
    ]
    assert all((tmp_path / "pts" / name).is_file() for name in names)


@pytest.mark.parametrize("points", [5, 68])
def test_yolo_is_what_ultralytics_takes(points, tmp_path):
    """The checks of ultralytics' `verify_image_label` (8.4): columns, range, where the label file lies."""
    found = some_records(points)
    located = found[0].faces.points.copy()
    located[1, 0], located[2, 1] = (-50, 10), (WIDTH + 20, 10)
    found[0] = replace(found[0], faces=replace(found[0].faces, points=located, boxes=found[0].faces.boxes - 50))
    write(tmp_path, found, ["yolo"])
    for one in found:
        label = tmp_path / "yolo" / "labels" / Path(one.image).with_suffix(".txt")
        rows = [[float(value) for value in line.split()] for line in label.read_text().splitlines()]
        assert len(rows) == len(one.faces)
        for row in rows:
            assert len(row) == 5 + 3 * points and row[0] == 0 and min(row) >= 0
            triplets = np.array(row[5:]).reshape(-1, 3)
            assert max(row[1:5]) <= 1 and triplets[:, :2].max() <= 1 and set(triplets[:, 2]) <= {0, 2}
            assert (triplets[triplets[:, 2] == 0] == 0).all()
    text = (tmp_path / "yolo" / "data.yaml").read_text()
    scheme = scheme_of_size(points)
    settings = dict(re.findall(r"^(\w+): (.+)$", text, re.MULTILINE))
    assert json.loads(settings["kpt_shape"]) == [points, 3] and json.loads(settings["flip_idx"]) == list(scheme.swap)
    assert settings["train"] == "images" and "\nnames:\n  0: face\n" in text and "path" not in settings


def test_yolo_labels_that_two_images_share_are_kept_apart(tmp_path):
    with pytest.warns(UserWarning, match=r"a\.png: another image has its label file"):
        write(tmp_path, [record(some_faces(1), "a.jpg"), record(some_faces(2), "a.png")], ["yolo"])
    folder = tmp_path / "yolo" / "labels"
    assert {p.name: len(p.read_text().splitlines()) for p in folder.iterdir()} == {"a.txt": 1, "a.png.txt": 2}


@pytest.mark.parametrize("points", [5, 68])
def test_cvat_is_what_its_loader_takes(points, tmp_path):
    """The attributes that CVAT's `load_anno` asks for, and labels that a task made of labels.json knows."""
    write(tmp_path, some_records(points), ["cvat"])
    root = ElementTree.parse(tmp_path / "cvat" / "annotations.xml").getroot()
    assert root.tag == "annotations" and root.findtext("version") == "1.1"
    labels = {label.findtext("name"): label for label in root.iterfind("meta/task/labels/label")}
    specs = {spec["name"]: spec for spec in json.loads((tmp_path / "cvat" / "labels.json").read_text())}
    assert labels["face"].findtext("type") == specs["face"]["type"] == "skeleton"
    assert labels["face_box"].findtext("type") == specs["face_box"]["type"] == "rectangle"
    scheme = scheme_of_size(points)
    assert tuple(point["name"] for point in specs["face"]["sublabels"]) == scheme.points
    assert all(labels[name].findtext("parent") == "face" for name in scheme.points)
    svg = ElementTree.fromstring(f"<svg>{specs['face']['svg']}</svg>")
    assert [node.attrib["data-label-name"] for node in svg.iter("circle")] == list(scheme.points)
    nodes = {node.attrib["data-node-id"] for node in svg.iter("circle")}
    assert all({e.attrib["data-node-from"], e.attrib["data-node-to"]} <= nodes for e in svg.iter("line"))

    known = {attribute["name"]: attribute for attribute in specs["face"]["attributes"]}
    for attribute in known.values():  # What CVAT's label editor (validateParsedLabel) refuses otherwise.
        assert attribute["values"] and len(set(attribute["values"])) == len(attribute["values"])
        assert attribute["mutable"] is False and attribute["input_type"] in ("text", "select")
    images = root.findall("image")
    assert [image.attrib["name"] for image in images] == ["a <&> b.jpg", "none.jpg", "c/d.jpg"]
    assert [image.attrib["id"] for image in images] == ["0", "1", "2"]
    for image in images:
        assert (image.attrib["width"], image.attrib["height"]) == (str(WIDTH), str(HEIGHT))
        for box in image.iter("box"):
            assert {"label", "xtl", "ytl", "xbr", "ybr", "occluded", "group_id"} <= set(box.attrib)
        for skeleton in image.iter("skeleton"):
            assert [point.attrib["label"] for point in skeleton.iter("points")] == list(scheme.points)
            for point in skeleton.iter("points"):
                assert point.attrib["occluded"] == "0" and point.attrib["outside"] in "01"
                assert len([float(v) for v in point.attrib["points"].split(",")]) == 2
            for attribute in skeleton.findall("attribute"):
                spec = known[attribute.attrib["name"]]
                assert spec["input_type"] == "text" or (attribute.text or "") in spec["values"]
    assert images[0].find(f"skeleton/points[@label='{scheme.points[2]}']").attrib["outside"] == "1"


@pytest.mark.parametrize("points", [5, 68])
def test_label_studio_is_what_its_documentation_asks_for(points, tmp_path):
    """Every control is in the configuration, every label one of its control's; ids are unique; percent."""
    names = ("a & b.jpg", "none.jpg", "c/d.jpg")
    found = [record(calibrated(n, points), name) for n, name in zip((2, 0, 1), names)]
    found[0] = replace(found[0], faces=over_the_border(found[0].faces))
    write(tmp_path, found, ["labelstudio"])
    config = ElementTree.parse(tmp_path / "labelstudio" / "config.xml").getroot()
    controls = {element.attrib["name"]: element for element in config if "toName" in element.attrib}
    kinds = {
        "RectangleLabels": "rectanglelabels",
        "KeyPointLabels": "keypointlabels",
        "Choices": "choices",
        "Number": "number",
    }
    tasks = json.loads((tmp_path / "labelstudio" / "tasks.json").read_text())
    assert [task["data"]["image"] for task in tasks] == [
        f"/data/local-files/?d=images/{name}" for name in ("a%20%26%20b.jpg", "none.jpg", "c/d.jpg")
    ]
    ids = set()
    for task in tasks:
        (prediction,) = task["predictions"]
        regions = {r["id"]: r for r in prediction["result"] if r["type"] in ("rectanglelabels", "keypointlabels")}
        assert not ids & set(regions)
        ids |= set(regions)
        for result in prediction["result"]:
            control, value = controls[result["from_name"]], result["value"]
            assert result["type"] == kinds[control.tag] and result["to_name"] == control.attrib["toName"] == "image"
            assert re.fullmatch("[A-Za-z0-9_-]+", result["id"]) and result["id"] in regions
            assert (result["original_width"], result["original_height"]) == (WIDTH, HEIGHT)
            assert 0 <= value["x"] <= 100 and 0 <= value["y"] <= 100
            assert value["x"] + value.get("width", 0) <= 100.00001 or result["type"] == "keypointlabels"
            if result["type"] != "number":
                (label,) = value[result["type"]]
                assert label in {child.attrib["value"] for child in control}
            else:
                assert control.attrib["perRegion"] == "true" and isinstance(value["number"], float)
            if result["type"] == "keypointlabels":
                assert regions[result["parentID"]]["type"] == "rectanglelabels"
    assert tasks[0]["predictions"][0]["score"] == pytest.approx(calibrated(2, points).quality.min(), abs=1e-6)
    assert "score" not in tasks[1]["predictions"][0]
    assert set(controls) == {"box", "points", *ATTRIBUTES, "quality", "error"}


def test_lines_join_landmarks_of_their_scheme():
    for scheme in (POINTS_5, POINTS_68):  # The others are drawn as points.
        assert {end for edge in edges(scheme) for end in edge} == set(range(len(scheme)))
        mirrored = {tuple(sorted((scheme.swap[a], scheme.swap[b]))) for a, b in edges(scheme)}
        assert mirrored == {tuple(sorted(edge)) for edge in edges(scheme)}, "the skeleton is not symmetric"
    assert len(edges(POINTS_5)) == 6 and len(edges(POINTS_68)) > 50
