"""Half the size for what is stored in half precision anyway: no number of a graph changes."""

from __future__ import annotations

import numpy as np

from landmarks.sessions import require

LEAST_BYTES = 4096
"""Smaller tensors are left as they are."""


def halve(graph: bytes) -> bytes:
    """An exported graph -> the same with its large float32 tensors in float16, where all their numbers are exact in it.

    Weights files store matrices and kernels in half precision, so those of heads are. A runtime makes float32 of them
    when it loads the graph, and computes with the same numbers as before. Raises LandmarksError if the extra `onnx` is
    not installed.
    """
    onnx = require("onnx")
    proto = onnx.load_model_from_string(graph)
    casts = []
    for tensor in proto.graph.initializer:
        if tensor.data_type != onnx.TensorProto.FLOAT:
            continue
        values = onnx.numpy_helper.to_array(tensor)
        with np.errstate(over="ignore"):
            half = values.astype(np.float16)
        if values.nbytes < LEAST_BYTES or not np.array_equal(half.astype(np.float32), values):
            continue
        name = tensor.name
        tensor.CopyFrom(onnx.numpy_helper.from_array(half, f"{name}.half"))
        cast = onnx.helper.make_node("Cast", [f"{name}.half"], [name], f"{name}.cast", to=onnx.TensorProto.FLOAT)
        casts.append(cast)
    nodes = casts + list(proto.graph.node)  # what a node takes must come before it
    del proto.graph.node[:]
    proto.graph.node.extend(nodes)
    return bytes(proto.SerializeToString())
