"""An ONNX file's own bytes changed so that onnxruntime runs it well, without the package `onnx`.

The file is a protobuf message: fields, each a key (number and wire type), then its value; those of wire type 2 begin
with their length. Numbers of fields are those of onnx.proto.
"""

from __future__ import annotations

from collections.abc import Iterator

GRAPH, INITIALIZER, INPUT, OUTPUT = 7, 5, 11, 12
"""ModelProto.graph; of GraphProto."""
NAMES = {INITIALIZER: 8, INPUT: 1, OUTPUT: 1}
"""Where TensorProto and ValueInfoProto have their name."""
TYPE, TENSOR, SHAPE, DIMENSION = 2, 1, 2, 1
"""The way to a dimension: ValueInfoProto.type, TypeProto.tensor_type, .shape, .dim."""
LENGTH_DELIMITED = 2


def of_any_size(model: bytes) -> bytes:
    """The same network for pictures of any number and size; its constants are constants, no inputs with a default.

    onnxruntime folds and fuses no weight that a caller might replace, which makes such a file twice as slow.
    """
    return b"".join(_field(number, _graph(value)) if number == GRAPH else raw for number, value, raw in _fields(model))


def _graph(graph: bytes) -> bytes:
    constants = {_name(value, number) for number, value, _ in _fields(graph) if number == INITIALIZER}
    kept = []
    for number, value, raw in _fields(graph):
        if number == INPUT and _name(value, number) in constants:
            continue
        kept.append(_field(number, _free(value, (TYPE, TENSOR, SHAPE))) if number in (INPUT, OUTPUT) else raw)
    return b"".join(kept)


def _free(message: bytes, way: tuple[int, ...]) -> bytes:
    """A ValueInfoProto, or a message on the way from it to its shape, all of it unknown but the channels."""
    if not way:
        dimensions = [raw for number, _, raw in _fields(message) if number == DIMENSION]
        return b"".join(raw if place == 1 else _field(DIMENSION, b"") for place, raw in enumerate(dimensions))
    return b"".join(
        _field(number, _free(value, way[1:])) if number == way[0] else raw for number, value, raw in _fields(message)
    )


def _name(message: bytes, kind: int) -> bytes:
    return next(value for number, value, _ in _fields(message) if number == NAMES[kind])


def _fields(message: bytes) -> Iterator[tuple[int, bytes, bytes]]:
    """The fields of a message: number, value (empty for numbers of fixed length), and all of its bytes."""
    place = 0
    while place < len(message):
        start = place
        key, place = _number(message, place)
        wire, value = key & 7, b""
        if wire == LENGTH_DELIMITED:
            length, place = _number(message, place)
            value = message[place : place + length]
            place += length
        elif wire == 0:
            _, place = _number(message, place)
        else:
            place += 8 if wire == 1 else 4
        yield key >> 3, value, message[start:place]


def _number(message: bytes, place: int) -> tuple[int, int]:
    """A number written in groups of seven bits, the lowest first, and the place behind it."""
    number = shift = 0
    while True:
        byte = message[place]
        number |= (byte & 127) << shift
        place, shift = place + 1, shift + 7
        if byte < 128:
            return number, place


def _field(number: int, value: bytes) -> bytes:
    """A length-delimited field."""
    return _written(number << 3 | LENGTH_DELIMITED) + _written(len(value)) + value


def _written(number: int) -> bytes:
    groups = bytearray()
    while number >= 128:
        groups.append(number & 127 | 128)
        number >>= 7
    return bytes([*groups, number])
