"""Exported networks say what torch says, about themselves too, and a file that is not one is told apart."""

import csv
import json
import sys
from dataclasses import replace
from functools import cache

import cv2
import numpy as np
import pytest
import torch

from landmarks import AnnotatorConfig, RunOptions, read_results
from landmarks.batch.run import annotate
from landmarks.datasets.dataset import read_dataset
from landmarks.detection.whole_image import WholeImage
from landmarks.errors import DataError, LandmarksError, WeightsError
from landmarks.evaluation.evaluate import evaluate
from landmarks.export import graph as export
from landmarks.export.file import LOCATOR, NETWORK, locator_path, parse_onnx, part_path, read_onnx
from landmarks.export.graph import Graphs, WholeNetwork, export_model, resize, seeded_crops, to_crop
from landmarks.export.write import export_weights
from landmarks.formats import FORMATS
from landmarks.geometry import BoxRule, crop_matrices, extract_crop
from landmarks.inference.annotator import Annotator
from landmarks.inference.backend import load_backend
from landmarks.inference.onnx_backend import OnnxBackend
from landmarks.inference.torch_backend import TorchBackend
from landmarks.models.files import resolve
from landmarks.models.network import Network
from landmarks.models.store import Model, load_model
from landmarks.sessions import open_session
from landmarks.sources.find import find
from tests.helpers.commands import run
from tests.helpers.exports import graphs_in, take_instead
from tests.helpers.faces import SAMPLES, SMALL, draw_face, shared, write_png
from tests.helpers.packages import needs_export
from tests.helpers.results import HELD

onnx = pytest.importorskip("onnx")
needs_export()
pytest.importorskip("onnxruntime")


@pytest.fixture(scope="module")
def graphs_of(compact_onnx):
    """The graphs of shipped weights by their name, made once: exporting takes seconds."""

    @cache
    def get(name: str) -> Graphs:
        return graphs_in(compact_onnx) if name == "compact" else export_model(model_of(name), (NETWORK, LOCATOR))

    return get


@cache
def model_of(name: str) -> Model:
    """Shipped weights, or a slim network with `accurate`'s encoder and random weights, which exports faster: a task of
    each kind, and no locator, which `compact` has."""
    if name != "slim":
        return load_model(name)
    model = load_model("accurate")
    torch.manual_seed(0)
    tasks = {"tasks": ("points_5", "pose"), "locator_size": 0}
    config = replace(model.network.config, width=0.25, features=64, input_size=64, **tasks)
    network = Network(config).eval()
    with torch.no_grad():
        for name, value in network.named_parameters():
            if name.startswith("heads.points"):
                value.mul_(10)  # so that what is seen matters to the points
    return replace(model, network=network)


@pytest.fixture(params=["compact", "slim", "tcdcn"])
def exported(request, graphs_of):
    """A model and its graphs: one with a locator, one that mirrors, and one whose points are numbers."""
    return model_of(request.param), graphs_of(request.param)


@pytest.fixture
def folder(compact_onnx, tmp_path):
    """Weights with a locator, `w.safetensors`, and their export, `w.onnx`."""
    folder = tmp_path / "exported"
    folder.mkdir()
    (folder / "w.safetensors").write_bytes(resolve("compact").read_bytes())
    for part, graph in graphs_in(compact_onnx).parts.items():
        part_path(folder / "w.onnx", part).write_bytes(graph)
    return folder


@pytest.fixture
def exported_before(folder, monkeypatch):
    """Weights of `folder` that are exported in memory are not exported again."""
    take_instead(monkeypatch, folder / "w.safetensors", graphs_in(folder / "w.onnx"))


def onnx_backend(graphs) -> OnnxBackend:
    files = {part: parse_onnx(graph, part) for part, graph in graphs.parts.items()}
    return OnnxBackend(files["network"], files.get("locator"))


def test_both_backends_see_the_same(exported):
    model, graphs = exported
    config = model.network.config
    expected, given = TorchBackend(model), onnx_backend(graphs)
    assert graphs.parity < 0.01
    for count in (1, 3, 7):
        crops = seeded_crops(count, config.input_size, config.input_size, seed=count)
        a, b = expected.run_network(crops), given.run_network(crops)
        for before, after in zip(a, b):
            assert list(before) == list(after)
            assert all(np.abs(before[name] - after[name]).max() < 0.01 for name in before)
            assert all(before[name].dtype == after[name].dtype == np.float32 for name in before)
        assert count == 1 or a.points["points_5"].std(axis=0).max() > 0.1, "what is seen must matter to the points"
        if config.locator_size:
            crops = seeded_crops(count, config.locator_size, config.locator_size, seed=count)
            assert np.abs(expected.run_locator(crops) - given.run_locator(crops)).max() < 0.01


@pytest.mark.parametrize(("height", "width"), [(100, 100), (31, 77), (20, 16), (150, 48)])
def test_crops_of_any_size(exported, height, width):
    """Points in the pixels of the crop that was given; everything else of the resized crop."""
    model, graphs = exported
    size = model.network.config.input_size
    crops = seeded_crops(2, height, width)
    session = open_session(graphs.parts["network"], "network")
    names = [output.name for output in session.get_outputs()]
    outputs = dict(zip(names, session.run(names, {"crops": crops})))
    resized = resize(torch.from_numpy(crops), size).numpy()
    seen = TorchBackend(model).run_network(resized)
    for name, points in seen.points.items():
        back = (points + 0.5) * [width / size, height / size] - 0.5
        assert np.abs(outputs[name] - back).max() < 0.02
        errors = model.calibration.errors[name](seen.error_cues[name])
        assert np.allclose(outputs[f"{name}_errors"], errors, rtol=1e-3)
        if name == model.network.config.schemes[0]:
            assert np.allclose(outputs["quality"], model.calibration.quality(errors), atol=1e-3)
    for name, logits in seen.logits.items():
        assert np.allclose(outputs[name], model.calibration.probabilities(name, logits), atol=1e-3)
        assert outputs[name].sum(axis=1) == pytest.approx(1)


@pytest.mark.parametrize("side", [24, 48, 96, 200])
def test_resizing_keeps_places(side):
    """A ramp whose values are x stays a ramp, and a point of it lies where its value says."""
    ramp = np.broadcast_to(np.arange(side, dtype=np.uint8)[None, None, :, None], (1, side, side, 3))
    crops = torch.from_numpy(ramp.copy())
    resized = resize(crops, 48)
    points = torch.tensor([[[10.0, 7.0], [30.0, 40.0]]])
    back = to_crop(points, crops, 48)
    values = resized[0, [7, 40], [10, 30], 0]
    assert torch.allclose(values, back[0, :, 0], atol=0.02)
    assert side != 48 or torch.equal(resized, crops.float())


def test_files_say_what_they_are(exported):
    model, graphs = exported
    for part, graph in graphs.parts.items():
        file = parse_onnx(graph, part)
        assert (file.part, file.precision, file.weights_sha256) == (part, "float32", model.sha256)
        assert (file.config, file.calibration, file.about) == (model.network.config, model.calibration, model.about)
        proto = onnx.load_model_from_string(graph)
        assert [i.name for i in proto.graph.input] == (["images", "boxes"] if part == "face" else ["crops"])
        assert all(entry.doc_string for entry in (*proto.graph.input, *proto.graph.output))
        assert all(output.type.tensor_type.shape.dim[0].dim_param == "N" for output in proto.graph.output)
        assert b"stack_trace" not in graph and len(proto.graph.node) < 900


def test_torchvision_encoders():
    config = replace(SMALL, encoder="torchvision:squeezenet1_1", width=1.0, features=32, tasks=("points_5",))
    network = Network(config).eval()
    assert export_model(Model(network), ("network",)).parity < 0.01


def test_by_commands(monkeypatch, tmp_path, folder, mtfl, capsys):
    """Both backends give the same faces, and evaluate says the same of them."""
    out = folder / "w.onnx"
    assert run(monkeypatch, "weights", "info", out) == 0
    facts = json.loads(capsys.readouterr().out)
    model = load_model(folder / "w.safetensors")
    assert facts["weights_sha256"] == model.sha256 and facts["trained_on"] == model.about["trained_on"]
    write_png(tmp_path / "in" / "a.png", draw_face(1)[0])
    rows = []
    for name, options in {"t": (folder / "w.safetensors",), "o": (out,)}.items():
        options = ("--weights", *options, "--whole-image", "--quiet", "--out", tmp_path / name, "--device", "cpu")
        assert run(monkeypatch, "annotate", tmp_path / "in", *options) == 0
        with open(tmp_path / name / "faces.csv", newline="") as file:
            rows += list(csv.DictReader(file))
    assert float(rows[0]["nose_x"]) == pytest.approx(float(rows[1]["nose_x"]), abs=0.05)
    figures = [evaluate(path, mtfl, device="cpu") for path in (folder / "w.safetensors", out)]
    assert [f["protocol"]["backend"] for f in figures] == ["torch", "onnx"]
    assert figures[0]["protocol"]["weights_sha256"] != figures[1]["protocol"]["weights_sha256"]
    values = [f["landmarks"]["points_5"]["interocular"]["nme"]["value"] for f in figures]
    assert values[0] == pytest.approx(values[1], abs=1e-3)


def test_any_weights_in_either_backend(folder, exported_before):
    image = draw_face(2)[0]
    found = [
        Annotator(folder / name, WholeImage(), device="cpu", backend=backend)
        for name, backend in (("w.safetensors", None), ("w.safetensors", "onnx"), ("w.onnx", None), ("w.onnx", "onnx"))
    ]
    assert [annotator.backend.name for annotator in found] == ["torch", "onnx", "onnx", "onnx"]
    points = [annotator(image).points for annotator in found]
    assert all(np.abs(p - points[0]).max() < 0.05 for p in points)
    assert all(annotator(image).quality is not None for annotator in found)


@pytest.mark.parametrize(
    ("weights", "backend", "workers"), [("w.safetensors", None, 2), ("w.safetensors", "onnx", 0), ("w.onnx", None, 2)]
)
def test_a_run_keeps_quality_errors_and_its_backend(weights, backend, workers, folder, exported_before, tmp_path):
    """From workers through the journal to every format; a run goes on with the same backend only."""
    for i in range(3):
        write_png(tmp_path / "in" / f"{i}.png", draw_face(i)[0])
    options = {"weights": folder / weights, "detector": "whole-image", "device": "cpu", "backend": backend}
    for count, done in ((workers, 3), (0, 0)):
        summary = annotate(
            AnnotatorConfig(**options), find([tmp_path / "in"]), tmp_path / "out", RunOptions(FORMATS, workers=count)
        )
        assert summary.statuses == {"ok": 3} and summary.done == done
    settings = json.loads((tmp_path / "out" / "run.json").read_text())["settings"]
    loaded = load_backend(folder / weights)
    assert (settings["backend"], settings["weights"]) == (backend or loaded.name, loaded.sha256)
    for format in (name for name in FORMATS if "score" in HELD[name]):
        frame = read_results(tmp_path / "out", format)
        assert frame["quality"].between(0, 1).all() and np.isfinite(frame["nose_error"]).all()
    other = {"weights": folder / "w.safetensors", "backend": "torch" if settings["backend"] == "onnx" else "onnx"}
    with pytest.raises(LandmarksError, match=r"other settings .*backend was"):
        annotate(AnnotatorConfig(**(options | other)), find([tmp_path / "in"]), tmp_path / "out")


def test_a_run_goes_on_with_the_same_locator_only(folder, tmp_path):
    write_png(tmp_path / "in" / "a.png", draw_face(0)[0])
    config = AnnotatorConfig(folder / "w.onnx", "whole-image", device="cpu")
    annotate(config, find([tmp_path / "in"]), tmp_path / "out")
    locator = locator_path(folder / "w.onnx")
    locator.write_bytes(with_header(locator.read_bytes(), about={"name": "another"}))
    with pytest.raises(LandmarksError, match=r"other settings \(locator was \w+\.\.\. and is now"):
        annotate(config, find([tmp_path / "in"]), tmp_path / "out")


def test_boxes_that_are_not_numbers_have_no_errors(folder):
    boxes = np.array([[np.nan] * 4, [5, 5, 150, 150]])
    for weights in ("w.safetensors", "w.onnx"):
        (faces,) = Annotator(folder / weights, WholeImage(), device="cpu").predict([draw_face(1)[0]], [boxes])
        assert np.isnan(faces.points[0]).all() and np.isfinite(faces.points[1]).all()
        assert np.isnan(faces.point_errors[0]).all() and np.isfinite(faces.point_errors[1]).all()
        assert faces.quality[0] == 0 and faces.quality[1] > 0


def test_int8(monkeypatch, tmp_path, folder, exported_before, prepared, mtfl, capsys):
    path = tmp_path / "deep" / "mine.onnx"
    options = ("--format", "onnx", "--int8", "--data", prepared, "--out", path)
    assert run(monkeypatch, "export", folder / "w.safetensors", *options) == 0
    assert "int8 moves the points" in capsys.readouterr().out
    assert {p.name for p in path.parent.iterdir()} == {"mine.onnx", "mine.locator.onnx", "mine.face.onnx"}
    file = read_onnx(path)
    model = load_model(folder / "w.safetensors")
    assert (file.precision, file.config, file.calibration) == ("int8", model.network.config, model.calibration)
    for part in ("network", "face"):
        small, large = (part_path(of, part).stat().st_size for of in (path, folder / "w.onnx"))
        assert small < 0.8 * large
    assert file.weights_sha256 == model.sha256
    quantised, exact = load_backend(path), load_backend(folder / "w.onnx")
    for count in (1, 7):
        crops = seeded_crops(count, *[file.config.input_size] * 2)
        moved = quantised.run_network(crops).points["points_5"] - exact.run_network(crops).points["points_5"]
        assert np.abs(moved).mean() < 2
    assert evaluate(path, mtfl)["protocol"]["weights"] == "mine"


def with_header(graph: bytes, **changes) -> bytes:
    """A graph whose header says something else."""
    proto = onnx.load_model_from_string(graph)
    header = json.loads(proto.metadata_props[0].value) | changes
    del proto.metadata_props[:]
    onnx.helper.set_model_props(proto, {"landmarks": json.dumps(header)})
    return proto.SerializeToString()


def foreign() -> bytes:
    """Somebody else's network."""
    value = onnx.helper.make_tensor_value_info("x", 1, [1])
    result = onnx.helper.make_tensor_value_info("y", 1, [1])
    node = onnx.helper.make_node("Relu", ["x"], ["y"])
    return onnx.helper.make_model(onnx.helper.make_graph([node], "g", [value], [result])).SerializeToString()


def outside(graph: bytes) -> bytes:
    """A graph that keeps a tensor in another file."""
    proto = onnx.load_model_from_string(graph)
    tensor = proto.graph.initializer[0]
    onnx.external_data_helper.set_external_data(tensor, "../secret.bin")
    tensor.ClearField("raw_data")
    return proto.SerializeToString()


def without_output(graph: bytes) -> bytes:
    proto = onnx.load_model_from_string(graph)
    del proto.graph.output[1]
    return proto.SerializeToString()


def broken_node(graph: bytes) -> bytes:
    proto = onnx.load_model_from_string(graph)
    proto.graph.node[3].op_type = "NoSuchThing"
    return proto.SerializeToString()


OTHER = replace(SMALL, tasks=("points_29",))
UGLY = {
    "text": (lambda g: b"hello, this is no network at all" * 20, "not a whole ONNX file|not of this package"),
    "empty": (lambda g: b"", "not of this package"),
    "truncated": (lambda g: g[: len(g) // 2], "not a whole ONNX file"),
    "safetensors": (lambda g: (100).to_bytes(8, "little") + b"{" + b" " * 99, "not a whole ONNX file|not of this"),
    "foreign": (lambda g: foreign(), "not of this package"),
    "future": (lambda g: with_header(g, format=99), "written in format 99"),
    "no network": (lambda g: with_header(g, config={"input_size": 3}), "not of this package"),
    "no calibration": (lambda g: with_header(g, calibration=[]), "not of this package"),
    "outside": (outside, "keeps numbers in other files"),
    "other tasks": (
        lambda g: with_header(g, config=OTHER.as_dict()),
        "lacks the output|locator",
    ),
    "output missing": (without_output, "lacks the output points_5_signs"),
    "broken": (broken_node, "not a graph that onnxruntime can run"),
}


@pytest.mark.parametrize("name", UGLY)
def test_ugly_files(tmp_path, folder, name):
    change, message = UGLY[name]
    path = tmp_path / "w.onnx"
    path.write_bytes(change((folder / "w.onnx").read_bytes()))
    locator_path(path).write_bytes(locator_path(folder / "w.onnx").read_bytes())
    with pytest.raises(WeightsError, match=message) as error:
        load_backend(path)
    assert str(path) in str(error.value)


def test_enormous_file(tmp_path, folder, monkeypatch):
    monkeypatch.setattr("landmarks.models.files.MAX_BYTES", 1000)
    with pytest.raises(WeightsError, match="larger than 1000 bytes"):
        load_backend(folder / "w.onnx")


def test_the_locator_belongs_to_its_network(tmp_path, folder):
    network, locator = (folder / "w.onnx").read_bytes(), locator_path(folder / "w.onnx").read_bytes()
    path = tmp_path / "w.onnx"
    path.write_bytes(network)
    with pytest.raises(WeightsError, match=r"its locator, w\.locator\.onnx, is not beside it"):
        load_backend(path)
    locator_path(path).write_bytes(with_header(locator, weights_sha256="0" * 64))
    with pytest.raises(WeightsError, match="is not the locator of"):
        load_backend(path)
    for part in ("locator", "face"):
        with pytest.raises(WeightsError, match=f"holds a {part}; give the network's file"):
            load_backend(part_path(folder / "w.onnx", part))


def test_files_from_before_the_crop_rule_was_in_them(folder):
    """Older exports, without the newer keys and without the graph of both passes, still load."""
    image = draw_face(3)[0]
    expected = Annotator(folder / "w.onnx", WholeImage())(image).points
    part_path(folder / "w.onnx", "face").unlink()
    for path in folder.glob("*.onnx"):
        proto = onnx.load_model_from_string(path.read_bytes())
        facts = json.loads(proto.metadata_props[0].value)
        old = {"format", "part", "version", "precision", "weights_sha256", "config", "calibration", "about"}
        del proto.metadata_props[:]
        onnx.helper.set_model_props(proto, {"landmarks": json.dumps({key: facts[key] for key in old})})
        path.write_bytes(proto.SerializeToString())
    assert np.array_equal(Annotator(folder / "w.onnx", WholeImage())(image).points, expected)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"backend": "torch"}, WeightsError, "torch cannot run an exported network"),
        ({"device": "cuda"}, ValueError, "run on the CPU"),
        ({"backend": "tensorrt"}, ValueError, "unknown backend 'tensorrt'"),
    ],
)
def test_wrong_wishes(folder, options, error, message):
    with pytest.raises(error, match=message):
        load_backend(folder / "w.onnx", **options)


def test_nothing_is_written_if_the_graphs_differ(monkeypatch, tmp_path, folder):
    other, graphs = Network(load_model("compact").network.config).eval(), graphs_in(folder / "w.onnx")
    monkeypatch.setattr(export, "_graph", lambda module, header: graphs.parts[header["part"]])
    monkeypatch.setattr(export, "WholeNetwork", lambda network, constants: WholeNetwork(other, constants))
    with pytest.raises(LandmarksError, match="differs from torch by"):
        export_weights(folder / "w.safetensors", tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_int8_without_data(tmp_path, folder):
    with pytest.raises(DataError, match="--data"):
        export_weights(folder / "w.safetensors", tmp_path, int8=True)


@pytest.mark.parametrize("package", ["onnx", "onnxruntime", "onnxscript"])
def test_missing_extra(monkeypatch, tmp_path, folder, package):
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(LandmarksError, match=r"landmarks\[onnx\]"):
        export_weights(folder / "w.safetensors", tmp_path)
    if package != "onnxscript":
        with pytest.raises(LandmarksError, match=r"landmarks\[onnx\]"):
            load_backend(folder / "w.onnx")
    assert load_backend(folder / "w.safetensors", "cpu").name == "torch"


def real_crops(size: int, images) -> np.ndarray:
    squares = [BoxRule().squares(WholeImage()(image).boxes, 1.0) for image in images]
    return np.concatenate([extract_crop(i, crop_matrices(s, size)[0], size)[None] for i, s in zip(images, squares)])


@pytest.mark.parametrize("name", ["compact", "tcdcn"])
def test_shipped_weights_on_real_crops(name, graphs_of):
    """To 0.01 px on the samples and, where the data are, on 200 faces of MTFL."""
    model, graphs = load_model(name), graphs_of(name)
    size = model.network.config.input_size
    images = [cv2.imread(str(p))[..., ::-1].copy() for p in sorted(SAMPLES.iterdir()) if p.suffix in (".png", ".jpg")]
    given, expected = onnx_backend(graphs), TorchBackend(model)

    def distance(crops: np.ndarray) -> float:
        a, b = expected.run_network(crops).points, given.run_network(crops).points
        return max(np.linalg.norm(a[scheme] - b[scheme], axis=-1).max() for scheme in a)

    assert distance(real_crops(size, images)) < 0.01
    dataset = read_dataset(shared("datasets/MTFL.zip"))
    rows = np.flatnonzero((dataset.table["split"] == "train").to_numpy())[:200]
    assert distance(real_crops(size, [dataset.image(row) for row in rows])) < 0.01
