import numpy as np
import onnxruntime as ort
import pytest

from landmarks.detection.any_size import of_any_size

onnx = pytest.importorskip("onnx", reason="onnx is not installed")


def a_network() -> bytes:
    """A convolution of one filter, for two pictures of 4 x 4 pixels, whose weights are inputs with a default."""
    weights = onnx.numpy_helper.from_array(np.arange(27, dtype=np.float32).reshape(1, 3, 3, 3), "weights")
    tensor = onnx.helper.make_tensor_value_info
    graph = onnx.helper.make_graph(
        [onnx.helper.make_node("Conv", ["picture", "weights"], ["map"], pads=[1, 1, 1, 1])],
        "a network",
        [
            tensor("picture", onnx.TensorProto.FLOAT, [2, 3, 4, 4]),
            tensor("weights", onnx.TensorProto.FLOAT, [1, 3, 3, 3]),
        ],
        [tensor("map", onnx.TensorProto.FLOAT, [2, 1, 4, 4])],
        [weights],
    )
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 13)], ir_version=8)
    model.doc_string = "x" * 300  # a length of two bytes
    return model.SerializeToString()


def run(graph: bytes, picture: np.ndarray) -> np.ndarray:
    return ort.InferenceSession(graph, providers=["CPUExecutionProvider"]).run(["map"], {"picture": picture})[0]


def test_it_takes_pictures_of_any_size_and_computes_the_same():
    before, after = a_network(), of_any_size(a_network())
    picture = np.random.default_rng(0).random((2, 3, 4, 4), np.float32)
    assert np.allclose(run(before, picture), run(after, picture), rtol=1e-6)
    with pytest.raises(Exception, match="invalid dimensions"):
        run(before, np.zeros((1, 3, 7, 5), np.float32))
    assert run(after, np.zeros((1, 3, 7, 5), np.float32)).shape == (1, 1, 7, 5)


def test_only_the_sides_and_the_constants_change():
    before, after = onnx.load_from_string(a_network()), onnx.load_from_string(of_any_size(a_network()))
    onnx.checker.check_model(after)
    assert [value.name for value in after.graph.input] == ["picture"]
    for value in (*after.graph.input, *after.graph.output):
        first, channels, *sides = value.type.tensor_type.shape.dim
        assert channels.dim_value in (1, 3) and not any(d.dim_value or d.dim_param for d in (first, *sides))
        value.ClearField("type")
    for value in (*before.graph.input, *before.graph.output):
        value.ClearField("type")
    del before.graph.input[1]
    assert before == after
