"""The graph of both passes does what the Annotator does, and what docs/export.md says of all graphs is so."""

import json
import re
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from landmarks.datasets.dataset import read_dataset
from landmarks.detection.create import DETECTORS
from landmarks.detection.whole_image import WholeImage
from landmarks.export.file import FACE
from landmarks.export.graph import WholeFace, export_model, resize
from landmarks.export.sampling import cut, first_squares, squares_of, to_image
from landmarks.geometry import FACE_BOX, crop_matrices, extract_crop, face_squares, invert, transform
from landmarks.inference.annotator import Annotator
from landmarks.models.network import Network
from landmarks.models.store import Model, load_model
from landmarks.schemes import ATTRIBUTES, SCHEMES
from landmarks.sessions import open_session
from tests.helpers.faces import SAMPLES, SMALL, shared
from tests.helpers.packages import needs_export

pytest.importorskip("onnx")
needs_export()
pytest.importorskip("onnxruntime")

DOCS = Path(__file__).resolve().parents[2] / "docs" / "export.md"
CODE = re.findall(r"```python\n(.*?)```", DOCS.read_text(encoding="utf-8"), re.S)


@pytest.fixture(scope="module")
def folder(compact_onnx, tmp_path_factory):
    """Where `exported/compact.onnx` lies and its parts."""
    root = tmp_path_factory.mktemp("compact")
    shutil.copytree(compact_onnx.parent, root / "exported")
    return root


def samples() -> list[np.ndarray]:
    return [np.array(Image.open(SAMPLES / name).convert("RGB")) for name in ("astronaut.png", "grace_hopper.jpg")]


def with_angle(squares: np.ndarray) -> torch.Tensor:
    """(N, 4) squares of `geometry` -> (N, 5) of graphs."""
    angle = squares[:, 3:]
    return torch.from_numpy(np.concatenate([squares[:, :3], np.cos(angle), np.sin(angle)], axis=1).astype(np.float32))


@pytest.mark.parametrize("size", [32, 56, 88])
def test_crops_are_those_of_the_geometry(size):
    """Any place, side and angle, over the border too: to what rounding to whole grey levels changes."""
    image, generator = samples()[0][:300, 60:], np.random.default_rng(size)
    count = 60
    centre, side = generator.uniform(-50, 450, (count, 2)), np.exp(generator.uniform(2, 7, (count, 1)))
    squares = np.concatenate([centre, side, generator.uniform(-4, 4, (count, 1))], axis=1)
    crops = cut(torch.from_numpy(image[None]), with_angle(squares), size).numpy()
    for crop, matrix in zip(crops, crop_matrices(squares, size)):
        difference = np.abs(crop - extract_crop(image, matrix, size))
        assert difference.mean() < 0.5 and np.percentile(difference, 99) <= 1.1  # means of blocks are rounded before


def test_crops_of_very_large_images():
    """Their table of sums overflows, and does no harm."""
    image = np.full((1, 3000, 2900, 3), 255, np.uint8)
    crop = cut(torch.from_numpy(image), torch.tensor([[1450.0, 1500.0, 2000.0, 1.0, 0.0]]), 16)
    assert torch.equal(crop, torch.full((1, 16, 16, 3), 255.0))


def test_squares_are_those_of_the_geometry():
    generator = np.random.default_rng(0)
    boxes = generator.uniform(0, 400, (50, 4)).astype(np.float32)
    expected = with_angle(FACE_BOX.squares(boxes, 2.2))
    assert torch.allclose(first_squares(torch.from_numpy(boxes), FACE_BOX, 2.2), expected, rtol=1e-4, atol=1e-3)
    for scheme in SCHEMES.values():
        points = generator.uniform(-100, 900, (50, len(scheme), 2)).astype(np.float32)
        squares = face_squares(points, scheme, 1.7)
        assert torch.allclose(
            squares_of(torch.from_numpy(points), scheme, 1.7), with_angle(squares), rtol=1e-3, atol=1e-2
        )
        back = transform(invert(crop_matrices(squares, 40)), points)
        given = to_image(torch.from_numpy(points), with_angle(squares), 40).numpy()
        assert np.allclose(given, back, rtol=1e-4, atol=0.1)
    same = squares_of(torch.full((1, 5, 2), 7.0), SCHEMES["points_5"], 2.0)  # all points in one: upright, hardly a side
    assert torch.allclose(same, torch.tensor([[7.0, 7.0, 1e-3, 1.0, 0.0]]))


@pytest.mark.parametrize("code", CODE, ids=["one graph", "by hand"])
def test_the_lines_of_the_docs_give_our_points(folder, monkeypatch, code):
    monkeypatch.chdir(folder)
    annotator = Annotator("compact", device="cpu", backend="torch")
    for image in samples():
        (box,) = annotator.detector(image).boxes[:1]
        names = {"image": image, "box": box}
        exec(re.sub(r"^(image|box) = .*\n", "", code, flags=re.M), names)  # ours in place of its example
        assert np.abs(names["points"] - annotator.predict([image], [box[None]])[0].points[0]).max() < 0.1


def distances(name: str, points_of, images) -> tuple[float, float]:
    """Mean and largest distance of a face's five points from the Annotator's, as a share of the inter-ocular one.
    points_of: makes both passes over images (N, H, W, 3) and boxes (N, 4)."""
    annotator, found = Annotator(name, device="cpu", backend="torch"), []
    for image in images:
        boxes = annotator.detector(image).boxes[:1]
        if len(boxes):
            expected = annotator.predict([image], [boxes])[0].points[0]
            given = points_of(image[None], boxes.astype(np.float32))[0]
            found.append(np.linalg.norm(given - expected, axis=1).mean() / np.linalg.norm(expected[0] - expected[1]))
    return float(np.mean(found)), float(np.max(found))


@pytest.fixture(scope="module")
def session(folder):
    return open_session((folder / "exported" / "compact.face.onnx").read_bytes(), "compact.face.onnx")


def test_both_passes_on_real_faces(session):
    """To 0.1 % of the inter-ocular distance on the samples and, where the data are, on 40 faces of MTFL."""

    def points_of(images, boxes):
        return session.run(["points_5"], {"images": images, "boxes": boxes})[0]

    assert distances("compact", points_of, samples())[1] < 0.001
    dataset = read_dataset(shared("datasets/MTFL.zip"))
    rows = np.random.default_rng(0).permutation(np.flatnonzero((dataset.table["split"] == "train").to_numpy()))[:40]
    mean, largest = distances("compact", points_of, [dataset.image(row) for row in rows])
    assert mean < 0.001 and largest < 0.01


def test_without_a_locator_the_network_makes_the_first_pass(monkeypatch):
    """In torch, the shipped one. In a graph, which is compared with torch, one that exports faster: a small network,
    and fewer operations in place of the cut, whose graph is that of every network."""
    model = load_model("tcdcn")
    face = WholeFace(model.network.fuse(), model.calibration).eval()

    def points_of(images, boxes):
        with torch.inference_mode():
            return face(torch.from_numpy(images), torch.from_numpy(boxes))["points_5"].numpy()

    assert distances("tcdcn", points_of, samples())[1] < 0.005

    def quick_cut(images, squares, size):
        return (resize(images, size) + squares[:, 2, None, None, None]) / 2

    monkeypatch.setattr("landmarks.export.graph.cut", quick_cut)
    slim = Network(replace(SMALL, encoder="tcdcn", features=16, tasks=("points_5",))).eval()
    assert export_model(Model(slim), (FACE,)).parity < 0.01


def run(session, images: np.ndarray, boxes) -> dict[str, np.ndarray]:
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(names, {"images": images, "boxes": np.array(boxes, np.float32).reshape(-1, 4)})))


def test_batches(session):
    """One image for all boxes and an image a box say the same; other numbers are refused."""
    image, boxes = samples()[0], [[166, 59, 276, 212], [180, 70, 260, 200], [0, 0, 512, 512]]
    together = run(session, image[None], boxes)
    each = run(session, np.stack([image] * 3), boxes)
    for name, values in together.items():
        assert np.allclose(values, each[name], atol=1e-2), name
        for i, box in enumerate(boxes):
            assert np.allclose(run(session, image[None], [box])[name][0], values[i], atol=1e-2), name
    assert all(len(values) == 0 for values in run(session, image[None], []).values())
    for images, count in ((2, 3), (3, 2), (3, 1)):
        with pytest.raises(Exception, match="invalid index"):
            run(session, np.stack([image] * images), boxes[:count])


def test_boxes_that_are_not_numbers_and_images_without_faces(session):
    """NaN for the first, points that nobody should trust for the others; never an error. The Annotator, which refuses
    boxes without an area, gives the same for those that it takes."""
    usual = [[np.nan] * 4, [5, 5, 50, 50], [np.inf, 0, 0, 0], [9, 9, 9, 9], [50, 50, 5, 5], [900, 900, 950, 960]]
    lost = np.array([True, False, True, False, False, False])
    taken = [0, 1, 5]
    for shape in ((60, 60), (1, 1), (1, 9), (300, 2)):
        image = np.zeros((*shape, 3), np.uint8)
        outputs = run(session, image[None], usual)
        annotator = Annotator("compact", WholeImage(), device="cpu", backend="torch")
        (expected,) = annotator.predict([image], [np.array(usual)[taken]])
        for name in ("points_5", "points_68", "points_5_errors", "points_68_errors"):
            assert np.array_equal(np.isnan(outputs[name]).reshape(6, -1).all(axis=1), lost), name
            assert np.array_equal(np.isfinite(outputs[name]).reshape(6, -1).all(axis=1), ~lost), name
        assert np.array_equal(np.isnan(expected.points).all(axis=(1, 2)), lost[taken])
        assert (outputs["quality"] < 0.1).all() and (outputs["quality"][lost] == 0).all()
        others = [name for name in outputs if "points" not in name]
        assert all(np.isfinite(outputs[name]).all() for name in others)
        for name in ATTRIBUTES:
            assert np.allclose(outputs[name][taken], expected.attributes[name].probabilities, atol=0.01)


def test_the_table_of_outputs_and_the_metadata_are_those_of_the_graphs(folder):
    rows = re.findall(r"^\| `(\w+)` \| (\(N.*?\)) \| (.*) \|$", DOCS.read_text(encoding="utf-8"), re.M)
    table = {name: re.findall(r"\w+", shape) for name, shape, _ in rows}
    meanings = {name: meaning for name, _, meaning in rows}
    for name, labels in {n: a.labels for n, a in ATTRIBUTES.items()}.items():
        assert meanings[name].startswith(f"probabilities: {', '.join(labels)}")
    assert meanings["points_5"].endswith(", ".join(SCHEMES["points_5"].points))
    for path in (folder / "exported").iterdir():
        session = open_session(path.read_bytes(), path.name)
        facts = json.loads(session.get_modelmeta().custom_metadata_map["landmarks"])
        shapes = {output.name: output.shape for output in session.get_outputs()}
        assert shapes == {name: output["shape"] for name, output in facts["outputs"].items()}
        assert {i.name for i in session.get_inputs()} == facts["inputs"].keys()
        if facts["part"] != "locator":
            assert {name: [str(axis) for axis in shape] for name, shape in shapes.items()} == table
        for name, output in facts["outputs"].items():
            order = output.get("points") or output.get("classes") or [None] * 1
            assert output["meaning"] and (name == "quality" or len(order) == output["shape"][1])
        keys = re.findall(r"^\| `(\w+)` \| ", DOCS.read_text(encoding="utf-8").split("## The files")[1], re.M)
        assert set(keys) - ({"box_rule"} if facts["part"] != "face" else set()) == facts.keys()
        assert facts["box_rules"].keys() == DETECTORS.keys()
        assert facts["box_rules"]["centerface"] == {"shift_x": 0.0, "shift_y": 0.067, "extent": 0.433}
        assert facts["anchors"]["points_68"]["left_eye"] == [36, 37, 38, 39, 40, 41]


def test_a_network_of_attributes_alone_has_no_passes():
    config = replace(SMALL, features=32, tasks=("smile",))
    assert set(export_model(Model(Network(config).eval())).parts) == {"network"}
