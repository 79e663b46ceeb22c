"""A face detector in eight bits: the graph says what the network says."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from landmarks.cli.commands import app
from landmarks.detection.create import create_detector
from landmarks.detection.facegrid import LEAST_SAID
from landmarks.detection.facegrid import FaceGrid as Detector
from landmarks.errors import DetectorError
from landmarks.export.facegrid import INPUT, float_graph, normalised, quantised_graph
from landmarks.geometry import grid_cells
from landmarks.models.facegrid import STRIDES, FaceGrid, FaceGridConfig, decode, save_facegrid
from landmarks.sessions import open_session
from tests.helpers.faces import draw_face, write_png

GRIDS = [f"grid{stride}" for stride in STRIDES]


def picture(seed: int, height: int = 128, width: int = 192) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


@pytest.fixture(scope="module", params=[(0, 1, 1, 1), (2, 0, 1, 1)], ids=["as shipped first", "deep where it is fine"])
def network(request) -> FaceGrid:
    """A small one whose cells differ in what they say."""
    torch.manual_seed(0)
    network = FaceGrid(FaceGridConfig(8, (8, 16, 16, 16), request.param)).train()
    with torch.no_grad():
        for seed in range(3):
            network(torch.from_numpy(picture(seed)).permute(2, 0, 1)[None])
        for head in network.heads:
            head.weight.normal_(std=0.3)
            head.bias.zero_()
            head.bias[0] = -3.0  # so that some cells' scores are too low to say anything
    return network.eval()


@pytest.fixture(scope="module")
def file(network, tmp_path_factory):
    path = tmp_path_factory.mktemp("eye") / "eye.onnx"
    path.write_bytes(quantised_graph(network, [picture(seed) for seed in range(8)], {"format": 1}))
    return path


@pytest.mark.parametrize("height, width", [(64, 64), (128, 192), (192, 64)])
def test_the_float_graph_is_the_network(network, height, width):
    pixels = picture(9, height, width)
    with torch.no_grad():
        wanted = network(torch.from_numpy(pixels).permute(2, 0, 1)[None])
    found = open_session(float_graph(network), "graph").run(GRIDS, {INPUT: normalised(pixels)})
    for one, other in zip(wanted, found):
        # Half a grey level apart where the stem's window reaches over the border.
        np.testing.assert_allclose(other, one.numpy(), atol=0.05)


def test_eight_bits_lose_little(network, file):
    pixels = picture(10)
    session = open_session(file.read_bytes(), str(file))
    height, width = pixels.shape[:2]
    found = session.run(GRIDS, {INPUT: pixels.reshape(1, height, width // 4, 12)})
    wanted = open_session(float_graph(network), "graph").run(GRIDS, {INPUT: normalised(pixels)})
    for one, other in zip(wanted, found):
        assert np.abs(other - one).mean() < 0.15 * one.std()


def test_the_detector_says_what_the_network_says(network, file):
    """Decoding of boxes in numpy against that in torch, on the cells of one size of picture and of another."""
    detector = Detector(file)
    for size in ((128, 192), (100, 150)):
        pixels = picture(11, *size)
        boxes, scores = detector.find(pixels)
        canvas = np.zeros((128, 192, 3), np.uint8)
        canvas[: size[0], : size[1]] = pixels
        maps = open_session(file.read_bytes(), "graph").run(GRIDS, {INPUT: canvas.reshape(1, 128, 48, 12)})
        outputs = decode([torch.from_numpy(m) for m in maps], torch.from_numpy(grid_cells(128, 192, STRIDES)))
        seen = torch.sigmoid(outputs.logits[0]) >= LEAST_SAID
        assert 0 < seen.sum() < len(outputs.logits[0])
        np.testing.assert_allclose(boxes, outputs.boxes[0][seen].numpy(), atol=1e-3)
        np.testing.assert_allclose(scores, torch.sigmoid(outputs.logits[0][seen]).numpy(), atol=1e-5)


def test_odd_pictures_are_looked_at(file):
    detector = Detector(file)
    for shape in ((1, 1), (1, 3000), (3000, 1), (7, 5), (63, 65), (2000, 1500)):
        found = detector(np.zeros((*shape, 3), np.uint8))
        assert np.isfinite(found.boxes).all()


def test_options_and_settings(file):
    detector = create_detector("facegrid:320", model=file, threshold=0.4)
    settings = detector.settings()
    assert (settings["threshold"], settings["max_side"]) == (0.4, 320) and len(settings["weights"]) == 64


@pytest.mark.parametrize(
    "content, message",
    [
        (None, "cannot be read"),
        (b"", "cannot be run"),
        (b"no graph", "cannot be run"),
        ("other", "holds no face detector"),
    ],
)
def test_files_that_are_none(tmp_path, content, message):
    path = tmp_path / "eye.onnx"
    if content == "other":
        onnx = pytest.importorskip("onnx")
        helper, number = onnx.helper, onnx.TensorProto.FLOAT
        values = [helper.make_tensor_value_info(name, number, [1]) for name in "xy"]
        graph = helper.make_graph([helper.make_node("Relu", ["x"], ["y"])], "other", values[:1], values[1:])
        content = helper.make_model(
            graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8
        ).SerializeToString()
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(DetectorError, match=message):
        Detector(path)


def test_a_drawn_face_makes_no_fuss(file):
    """Whatever an untrained network says of it, boxes come largest first and finite."""
    found = Detector(file, threshold=0.2)(draw_face(0)[0])
    sizes = (found.boxes[:, 2:] - found.boxes[:, :2]).prod(axis=1)
    assert (np.diff(sizes) <= 1e-3).all() and np.isfinite(found.boxes).all()


def test_the_command_writes_a_file_that_annotates(network, tmp_path):
    """From weights by `landmarks export` to boxes by `--detector FILE`."""
    photographs = tmp_path / "photographs"
    rows = ["image,split,x0,y0,x1,y1"]
    for seed in range(4):
        write_png(photographs / f"{seed}.png", draw_face(seed)[0])
        rows.append(f"{seed}.png,train,10,10,60,60")
    (photographs / "faces.csv").write_text("\n".join(rows))
    weights = tmp_path / "mine.safetensors"
    save_facegrid(network, weights, {"version": "1"})
    result = CliRunner().invoke(
        app, ["export", str(weights), "--int8", "--data", str(photographs), "--out", str(tmp_path)]
    )
    assert result.exit_code == 0, result.output
    found = create_detector(tmp_path / "mine.int8.onnx", threshold=0.3)(picture(3))
    assert found.boxes.shape[1] == 4
    empty = CliRunner().invoke(app, ["export", str(weights), "--out", str(tmp_path)])
    assert "name some with --data" in str(empty.exception)
