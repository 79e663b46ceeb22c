"""What is half precision anyway is stored so, and nothing else changes."""

from __future__ import annotations

import numpy as np
import pytest

from landmarks.export.halve import LEAST_BYTES, halve
from landmarks.sessions import open_session

onnx = pytest.importorskip("onnx", reason="the extra onnx is not installed")
EXACT = np.random.default_rng(0).normal(size=(64, 64)).astype(np.float16).astype(np.float32)


def graph(weights: np.ndarray) -> bytes:
    """y = x @ weights, as an ONNX file."""
    make = onnx.helper
    x, y = (make.make_tensor_value_info(name, onnx.TensorProto.FLOAT, (1, 64)) for name in "xy")
    node = make.make_node("MatMul", ["x", "weights"], ["y"])
    stored = onnx.numpy_helper.from_array(weights, "weights")
    model = make.make_model(make.make_graph([node], "g", [x], [y], [stored]), opset_imports=[make.make_opsetid("", 18)])
    model.ir_version = 9
    return model.SerializeToString()


@pytest.mark.parametrize(
    ("weights", "halved"),
    [
        (EXACT, True),
        (np.where(EXACT > 0, np.inf, EXACT).astype(np.float32), True),
        (EXACT + np.float32(1e-6), False),
        (EXACT * np.float32(1e6), False),
        (EXACT[:, : LEAST_BYTES // 4 // 64 - 1], False),
    ],
    ids=["exact", "infinite", "finer", "larger", "small"],
)
def test_numbers_stay_and_bytes_go(weights, halved):
    before = graph(weights)
    after = halve(before)
    assert (len(after) < 0.6 * len(before)) == halved and (after == before) == (not halved)
    assert halve(after) == after
    x = np.random.default_rng(1).normal(size=(1, 64)).astype(np.float32)
    one, other = (open_session(data, "g").run(["y"], {"x": x})[0] for data in (before, after))
    np.testing.assert_array_equal(one, other)
