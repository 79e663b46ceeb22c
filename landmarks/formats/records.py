"""A record as JSON takes it, and back: exactly the same, but for the pixels."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from landmarks.declared import declared_from_dict
from landmarks.faces import PER_FACE, PER_POINT, Faces
from landmarks.formats.layout import declared_of
from landmarks.formats.plain import plain
from landmarks.record import Record
from landmarks.schemes import SCHEMES, known_attributes, known_quantities
from landmarks.scores import AttributeScores, QuantityValues

_NUMBERS = {number.field: number for number in (*PER_FACE, *PER_POINT)}


def record_facts(record: Record) -> dict[str, Any]:
    """What a record says of its image: all its fields but the faces and the pixels."""
    names = (field.name for field in dataclasses.fields(record) if field.name not in ("faces", "pixels"))
    return {name: getattr(record, name) for name in names}


def record_to_dict(record: Record) -> dict[str, Any]:
    """A record as JSON takes it; numbers that do not exist are null.

    Faces are arrays as in `Faces`: boxes (N, 4), points (N, K, 2), scores (N,), ..., probabilities (N, C) an attribute,
    values (N,) a quantity; attributes that are not built in and quantities are described under `declared`.
    Every digit of the float32 is kept, so that `record_from_dict` gives back the same numbers. Infinities become NaN.
    """
    faces, declared = record.faces, declared_of(record.faces)
    arrays = {name: getattr(faces, name) for name in ("boxes", "points", *_NUMBERS)}
    return {
        **record_facts(record),
        "faces": {
            "scheme": faces.scheme.name,
            **{name: plain(array, decimals=None) for name, array in arrays.items() if array is not None},
            "attributes": {
                name: plain(scores.probabilities, decimals=None) for name, scores in faces.attributes.items()
            },
            **({"declared": [dataclasses.asdict(task) for task in declared]} if declared else {}),
            "uncertain": {
                name: scores.uncertain.tolist()
                for name, scores in faces.attributes.items()
                if scores.uncertain is not None
            },
            **(
                {"quantities": {name: plain(one.values, decimals=None) for name, one in faces.quantities.items()}}
                if faces.quantities
                else {}
            ),
        },
    }


def record_from_dict(document: dict[str, Any]) -> Record:
    """The inverse of `record_to_dict`. Raises KeyError, TypeError or ValueError for what is not of its making."""
    facts = dict(document)
    found = facts.pop("faces")
    scheme = SCHEMES[found["scheme"]]
    count, k = len(found["boxes"]), len(scheme)
    shapes = {"boxes": (count, 4), "points": (count, k, 2)}
    shapes |= {name: (count,) for name in found if name in _NUMBERS and _NUMBERS[name] in PER_FACE}
    shapes |= {name: (count, k) for name in found if name in _NUMBERS and _NUMBERS[name] in PER_POINT}
    declared = [declared_from_dict(values) for values in found.get("declared", [])]
    known, measured = known_attributes(declared), known_quantities(declared)
    attributes = {
        name: AttributeScores(
            known[name],
            _array(values, (count, len(known[name]))),
            np.array(found["uncertain"][name], bool) if name in found["uncertain"] else None,
        )
        for name, values in found["attributes"].items()
    }
    quantities = {
        name: QuantityValues(measured[name], _array(values, (count,)))
        for name, values in found.get("quantities", {}).items()
    }
    arrays: dict[str, Any] = {name: _array(found[name], shape) for name, shape in shapes.items()}
    return Record(**facts, faces=Faces(**arrays, attributes=attributes, scheme=scheme, quantities=quantities))


def _array(values: list[Any], shape: tuple[int, ...]) -> np.ndarray:
    """Nested lists as float32; None is NaN. An empty list has lost its shape."""
    return np.array(values, dtype=np.float32).reshape(shape)
