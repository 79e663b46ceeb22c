"""What other tools export comes back: what we wrote for them, changed as a person would there."""

from __future__ import annotations

import copy
import json
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

from landmarks import read_results
from landmarks.corrections import Correction, CorrectionLog, read_corrections
from landmarks.errors import DataError
from landmarks.review.importing import import_corrections
from landmarks.schemes import POINTS_5
from tests.helpers.commands import run
from tests.helpers.results import HEIGHT, WIDTH, calibrated, record, write

TOOLS = ("labelstudio", "cvat", "coco")
NAMES = ("a.jpg", "sub/b & <c>.jpg", "none.jpg")
MOVE = (12.34, -5.67)


def shown(faces):
    """Faces whose landmarks lie in the image."""
    points = faces.points.copy()
    points[..., 0] = points[..., 0].clip(5, WIDTH - 30)
    points[..., 1] = points[..., 1].clip(10, HEIGHT - 5)
    return replace(faces, points=points)


@pytest.fixture
def made(tmp_path) -> Path:
    """A run of three images, with 3, 2 and no faces, in every tool's format."""
    found = [record(shown(calibrated(3)), NAMES[0]), record(shown(calibrated(2, seed=8)), NAMES[1])]
    write(tmp_path / "run", [*found, record(calibrated(0), NAMES[2])], ["csv", "labelstudio", "cvat", "coco"])
    return tmp_path / "run"


class LabelStudio:
    """An export of Label Studio: predictions that became annotations."""

    def __init__(self, run):
        self.tasks = json.loads((run / "labelstudio" / "tasks.json").read_text())
        for i, task in enumerate(self.tasks):
            result = copy.deepcopy(task["predictions"][0]["result"])
            task |= {
                "id": 100 + i,
                "annotations": [{"id": i, "completed_by": 1, "was_cancelled": False, "result": result}],
            }

    def results(self, image):
        return self.tasks[image]["annotations"][0]["result"]

    def region(self, image, face):
        return [r["id"] for r in self.results(image) if r["type"] == "rectanglelabels"][face]

    def move(self, image, face, landmark, dx, dy):
        for r in self.results(image):
            if r.get("parentID") == self.region(image, face) and r["value"].get("keypointlabels") == [landmark]:
                r["value"]["x"] += 100 * dx / WIDTH
                r["value"]["y"] += 100 * dy / HEIGHT

    def relabel(self, image, face, label):
        for r in self.results(image):
            if r["id"] == self.region(image, face) and r["from_name"] == "smile":
                r["value"]["choices"] = [label]

    def delete(self, image, face):
        region = self.region(image, face)
        kept = [r for r in self.results(image) if region not in (r["id"], r.get("parentID"))]
        self.tasks[image]["annotations"][0]["result"] = kept

    def add(self, image, box, points):
        common = {"original_width": WIDTH, "original_height": HEIGHT, "to_name": "image"}
        x0, y0, x1, y1 = _percent(box)
        value = {"x": x0, "y": y0, "width": x1 - x0, "height": y1 - y0, "rectanglelabels": ["face"]}
        results = self.results(image)
        results.append({**common, "id": "aB3dE", "from_name": "box", "type": "rectanglelabels", "value": value})
        for i, (name, (x, y)) in enumerate(zip(POINTS_5.points, points)):
            place = {"x": 100 * (x + 0.5) / WIDTH, "y": 100 * (y + 0.5) / HEIGHT, "keypointlabels": [name]}
            results.append({**common, "id": f"p{i}", "from_name": "points", "type": "keypointlabels", "value": place})

    def shuffle(self):
        self.tasks.reverse()
        for task in self.tasks:
            task["annotations"][0]["result"].reverse()

    def save(self, path):
        path.with_suffix(".json").write_text(json.dumps(self.tasks))
        return path.with_suffix(".json")


def _percent(box):
    return [100 * (value + 0.5) / side for value, side in zip(box, (WIDTH, HEIGHT, WIDTH, HEIGHT))]


class Cvat:
    """An export of CVAT: numbers with two decimals."""

    def __init__(self, run):
        self.tree = ElementTree.parse(run / "cvat" / "annotations.xml")
        for element in self.tree.iter():
            for name in ("points", "xtl", "ytl", "xbr", "ybr"):
                if name in element.attrib:
                    rounded = [f"{float(value):.2f}" for value in element.attrib[name].split(",")]
                    element.attrib[name] = ",".join(rounded)

    def image(self, i):
        return list(self.tree.iter("image"))[i]

    def skeleton(self, image, face):
        return list(self.image(image).iter("skeleton"))[face]

    def move(self, image, face, landmark, dx, dy):
        (point,) = (p for p in self.skeleton(image, face).iter("points") if p.attrib["label"] == landmark)
        x, y = map(float, point.attrib["points"].split(","))
        point.attrib["points"] = f"{x + dx:.2f},{y + dy:.2f}"

    def relabel(self, image, face, label):
        for attribute in self.skeleton(image, face).iter("attribute"):
            if attribute.attrib["name"] == "smile":
                attribute.text = label

    def delete(self, image, face):
        skeleton = self.skeleton(image, face)
        boxes = [b for b in self.image(image).iter("box") if b.attrib["group_id"] == skeleton.attrib["group_id"]]
        for element in (skeleton, *boxes):
            self.image(image).remove(element)

    def add(self, image, box, points):
        corners = dict(zip(("xtl", "ytl", "xbr", "ybr"), (str(value + 0.5) for value in box)))
        ElementTree.SubElement(self.image(image), "box", label="face_box", group_id="0", **corners)
        skeleton = ElementTree.SubElement(self.image(image), "skeleton", label="face", source="manual")
        for name, (x, y) in zip(POINTS_5.points, points):
            ElementTree.SubElement(skeleton, "points", label=name, outside="0", points=f"{x + 0.5},{y + 0.5}")

    def shuffle(self):
        for image in self.tree.iter("image"):
            image[:] = image[::-1]

    def save(self, path):
        self.tree.write(path.with_suffix(".xml"))
        return path.with_suffix(".xml")


class Coco:
    """COCO keypoints without what only we write."""

    def __init__(self, run):
        self.document = json.loads((run / "coco.json").read_text())
        for annotation in self.document["annotations"]:
            for name in [
                key for key in annotation if key in ("face", "score", "quality") or key.startswith("keypoints_")
            ]:
                del annotation[name]

    def faces(self, image):
        return [a for a in self.document["annotations"] if a["image_id"] == image + 1]

    def move(self, image, face, landmark, dx, dy):
        at = 3 * POINTS_5.points.index(landmark)
        keypoints = self.faces(image)[face]["keypoints"]
        keypoints[at : at + 2] = [keypoints[at] + dx, keypoints[at + 1] + dy]

    def relabel(self, image, face, label):
        self.faces(image)[face]["attributes"]["smile"] = label

    def delete(self, image, face):
        self.document["annotations"].remove(self.faces(image)[face])

    def add(self, image, box, points):
        x0, y0, x1, y1 = box
        keypoints = [value for x, y in points for value in (x, y, 2)]
        self.document["annotations"].append(
            {
                "id": 999,
                "image_id": image + 1,
                "category_id": 1,
                "bbox": [x0 + 0.5, y0 + 0.5, x1 - x0, y1 - y0],
                "keypoints": keypoints,
            }
        )

    def shuffle(self):
        self.document["annotations"].reverse()
        self.document["images"].reverse()

    def save(self, path):
        path.with_suffix(".json").write_text(json.dumps(self.document))
        return path.with_suffix(".json")


EXPORTS = {"labelstudio": LabelStudio, "cvat": Cvat, "coco": Coco}


@pytest.fixture(params=TOOLS)
def export(request, made):
    return EXPORTS[request.param](made)


def label_of(run, image, face):
    table = read_results(run)
    return table[(table["image"] == image) & (table["face"] == face)].iloc[0]


def test_a_moved_point_comes_back(made, export, tmp_path):
    export.move(0, 1, "nose", *MOVE)
    export.shuffle()
    found = import_corrections(made, export.save(tmp_path / "export"))
    assert (found.moved, found.relabelled, found.added, found.deleted, found.conflicts) == (1, 0, 0, 0, [])
    before, after = read_results(made), read_results(made, corrected=True)
    changed = after[after["review"] == "corrected"]
    assert changed[["image", "face"]].values.tolist() == [[NAMES[0], 1]]
    was = before[(before["image"] == NAMES[0]) & (before["face"] == 1)].iloc[0]
    assert changed[["nose_x", "nose_y"]].to_numpy()[0] == pytest.approx(
        was[["nose_x", "nose_y"]].to_numpy(float) + MOVE, abs=0.01
    )
    untouched = [f"{name}_{axis}" for name in POINTS_5.points if name != "nose" for axis in "xy"]
    assert changed[untouched].to_numpy()[0].tolist() == was[untouched].tolist()
    again = import_corrections(made, export.save(tmp_path / "export"))
    assert (again.moved, again.accepted, again.known) == (0, 0, 1)


def test_a_hundredth_of_a_pixel_is_a_move(made, export, tmp_path):
    export.move(0, 1, "nose", 0.01, 0)
    export.move(1, 0, "mouth_left", 0, -0.01)
    found = import_corrections(made, export.save(tmp_path / "export"))
    assert (found.moved, found.conflicts) == (2, [])


def test_nothing_changed_is_nothing_said(made, export, tmp_path):
    found = import_corrections(made, export.save(tmp_path / "export"))
    submitted = isinstance(export, LabelStudio)  # It says that a person has looked.
    assert (found.accepted, found.unchanged) == ((5, 0) if submitted else (0, 5)) and found.images == 3
    assert len(read_corrections(made)) == (5 if submitted else 0)
    found = import_corrections(made, export.save(tmp_path / "export"), accept_unchanged=True)
    assert found.accepted == (0 if submitted else 5)
    assert set(read_results(made, corrected=True)["review"]) == {"accepted"}


def test_deleted_added_and_relabelled_are_kept_apart(made, export, tmp_path):
    label = "smiling" if label_of(made, NAMES[1], 1)["smile"] == "not smiling" else "not smiling"
    export.relabel(1, 1, label)
    export.delete(0, 0)
    box, points = (500, 300, 560, 380), [(510.5, 320), (550, 320), (530, 340), (515, 365), (545, 365.25)]
    export.add(2, box, points)
    found = import_corrections(made, export.save(tmp_path / "export"), who="ann")
    assert (found.moved, found.relabelled, found.added, found.deleted) == (0, 1, 1, 1)
    kinds = {line.kind: line for line in read_corrections(made) if line.kind != "accept"}
    assert set(kinds) == {"correct", "remove", "add"} and {line.via for line in kinds.values()} == {found.tool}
    table = read_results(made, corrected=True)
    assert len(table) == 5 and table["review"].iloc[-1] == "added"
    assert table["mouth_right_y"].iloc[-1] == pytest.approx(365.25, abs=0.01)
    assert table[(table["image"] == NAMES[1]) & (table["face"] == 1)]["smile"].tolist() == [label]
    text = " ".join(found.lines())
    assert "1 relabelled, 1 added, 1 deleted" in text
    again = import_corrections(made, export.save(tmp_path / "export"))
    assert (again.relabelled, again.added, again.deleted, again.conflicts) == (0, 0, 0, [])


def test_what_was_changed_here_too_is_left_and_told(made, export, tmp_path):
    row = label_of(made, NAMES[0], 2)
    box = tuple(float(row[name]) for name in ("x0", "y0", "x1", "y1"))
    points = {name: (float(row[f"{name}_x"]) + 3, float(row[f"{name}_y"])) for name in POINTS_5.points}
    with CorrectionLog(made) as log:
        log.append(Correction("correct", NAMES[0], "2", found=box, box=box, points=points))
    export.move(0, 2, "nose", *MOVE)
    export.delete(1, 0)
    found = import_corrections(made, export.save(tmp_path / "export"))
    assert found.conflicts == [f"{NAMES[0]} face 2"] and (found.moved, found.deleted) == (0, 1)
    assert "changed here, too" in " ".join(found.lines())


def test_later_work_in_the_same_tool_replaces_the_earlier(made, export, tmp_path):
    export.move(0, 1, "nose", *MOVE)
    import_corrections(made, export.save(tmp_path / "export"))
    export.move(0, 1, "nose", 5, 5)
    assert import_corrections(made, export.save(tmp_path / "export")).moved == 1
    nose = read_results(made, corrected=True).iloc[1]["nose_x"]
    assert nose == pytest.approx(read_results(made).iloc[1]["nose_x"] + MOVE[0] + 5, abs=0.01)


def test_landmarks_outside_the_image_are_not_taken_for_deleted(tmp_path):
    faces = shown(calibrated(1))
    points = faces.points.copy()
    points[0, 0] = [-4, 20]
    write(tmp_path / "run", [record(replace(faces, points=points))], ["csv", "coco"])
    export = Coco(tmp_path / "run")
    export.faces(0)[0]["keypoints"][:3] = [0, 0, 0]
    assert import_corrections(tmp_path / "run", export.save(tmp_path / "export")).unchanged == 1
    export.faces(0)[0]["keypoints"][6:9] = [0, 0, 0]
    assert import_corrections(tmp_path / "run", export.save(tmp_path / "export")).moved == 1
    (line,) = read_corrections(tmp_path / "run")
    assert line.points["nose"] is None and line.points["left_eye"] == pytest.approx((-4, 20))


@pytest.mark.parametrize("name", ["/data/local-files/?d=a.jpg", "/data/upload/1/0a1b2c3d-a.jpg", "photos/a.jpg"])
def test_images_are_known_by_what_tools_make_of_their_names(made, tmp_path, name):
    export = LabelStudio(made)
    export.move(0, 1, "nose", *MOVE)
    export.tasks = export.tasks[:1]
    export.tasks[0]["data"] = {"image": name}
    assert import_corrections(made, export.save(tmp_path / "export")).moved == 1


def test_images_of_others_and_images_that_nobody_annotated(made, tmp_path):
    export = LabelStudio(made)
    export.tasks[0]["data"]["name"] = export.tasks[0]["data"]["image"] = "elsewhere.jpg"
    export.tasks[1]["annotations"] = [{"was_cancelled": True, "result": []}]
    found = import_corrections(made, export.save(tmp_path / "export"))
    assert found.unknown == ["elsewhere.jpg"] and found.not_annotated == 1 and not read_corrections(made)
    assert "1 images are none of this run's" in " ".join(found.lines())


@pytest.mark.parametrize("orientation", [1, 3, 6, 8])
def test_runs_in_the_pixels_of_the_files(tmp_path, orientation):
    write(tmp_path / "run", [record(shown(calibrated(2)), orientation=orientation)], ["csv", "coco"], "original")
    export = Coco(tmp_path / "run")
    export.move(0, 1, "nose", *MOVE)
    assert import_corrections(tmp_path / "run", export.save(tmp_path / "export")).moved == 1
    before, after = read_results(tmp_path / "run"), read_results(tmp_path / "run", corrected=True)
    moved = (after[["nose_x", "nose_y"]] - before[["nose_x", "nose_y"]]).to_numpy()
    assert moved == pytest.approx(np.array([[0, 0], MOVE]), abs=0.01)


BROKEN = {
    "empty.json": b"", "text.json": b"what", "number.json": b"3", "list.json": b"[3]", "task.json": b'[{"data": {}}]',
    "object.json": b"{}", "half.xml": b"<annotations><image",
    "bomb.xml": b'<!DOCTYPE a [<!ENTITY b "c">]><annotations/>',
    "noname.xml": b"<annotations><image/></annotations>",
    "points.json": b'[{"data":{"name":"a.jpg"},"annotations":[{"result":[{"type":"keypointlabels","id":"1"}]}]}]',
}  # fmt: skip


@pytest.mark.parametrize("name", BROKEN)
def test_files_that_are_none_are_refused(made, tmp_path, name):
    (tmp_path / name).write_bytes(BROKEN[name])
    if name == "task.json":
        assert import_corrections(made, tmp_path / name).unknown
        return
    with pytest.raises(DataError, match=name):
        import_corrections(made, tmp_path / name)
    assert not read_corrections(made)


def test_the_commands(made, tmp_path, monkeypatch, capsys):
    export = Cvat(made)
    export.move(0, 1, "nose", *MOVE)
    assert run(monkeypatch, "corrections", "import", made, export.save(tmp_path / "export"), "--who", "ann") == 0
    assert "cvat: 3 images; faces: 1 moved, 4 unchanged" in capsys.readouterr().out
    assert run(monkeypatch, "corrections", "info", made) == 0
    assert "1 line; faces: 1 corrected" in capsys.readouterr().out
    assert run(monkeypatch, "corrections", "import", made, tmp_path / "absent.json") == 2
