"""From a weights file to exported files: export, check, quantise if asked, write whole or not at all."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from landmarks.atomic import replacing
from landmarks.datasets.crops.augment import LOCATOR as ROUGH
from landmarks.datasets.crops.augment import SECOND_PASS, Jitter
from landmarks.datasets.crops.squares import canonical_squares
from landmarks.datasets.dataset import Crops, load_crops
from landmarks.errors import DataError, LandmarksError
from landmarks.export.file import FACE, LOCATOR, NETWORK, part_path
from landmarks.export.graph import export_model
from landmarks.export.halve import halve
from landmarks.export.quantise import quantise
from landmarks.geometry import FACE_BOX, crop_matrices, extract_crops
from landmarks.models.config import NetworkConfig
from landmarks.models.files import EXPORT, ONNX_SUFFIX, resolve
from landmarks.models.store import load_model
from landmarks.sessions import open_session

FACES = 500
"""Training faces on which int8 ranges are measured; as many more say how far points move."""
BATCH = 50
ROOM = 2
"""Side of the images that `face` sees of them over the side of the crop in it."""


@dataclass(frozen=True)
class Export:
    """What was written."""

    files: tuple[Path, ...]
    parity: float
    """Largest distance of a point from torch's on seeded crops, pixels of the crop; of the graph before int8."""
    moved: float | None
    """With int8: mean distance of its points from the float graph's on training faces, pixels of the crop."""


def export_weights(weights: str | Path, out: str | Path, int8: bool = False, data: Sequence[str | Path] = ()) -> Export:
    """Write shipped weights or a weights file as NAME.onnx, NAME.face.onnx with both passes in one graph and, where it
    has a locator, NAME.locator.onnx.

    out: a file ending in .onnx, or a folder; data: prepared folders with the training faces that int8 needs.
    Raises LandmarksError if the extra `onnx` is missing or the graphs differ from torch, and then writes no file;
    WeightsError or DataError if weights or data cannot be used.
    """
    if int8 and not data:
        raise DataError("int8 needs training faces to measure its ranges on; name a prepared folder with --data")
    path = _target(resolve(weights), Path(out), int8)
    model = load_model(weights)
    graphs = export_model(model)
    parts, moved = graphs.parts, None
    if int8:
        crops = load_crops(*data)
        config = model.network.config
        parts = {part: halve(quantise(graph, _feeds(part, config, crops))) for part, graph in parts.items()}
        moved = _moved(graphs.parts[NETWORK], parts[NETWORK], config, crops)
    try:
        targets = {part: part_path(path, part) for part in parts}
        with ExitStack() as together:  # None appears before all are written.
            for part, graph in parts.items():
                together.enter_context(replacing(targets[part])).write_bytes(graph)
    except OSError as error:
        raise LandmarksError(f"{path}: cannot be written ({error.strerror})") from error
    return Export(tuple(targets.values()), graphs.parity, moved)


def _target(weights: Path, out: Path, int8: bool) -> Path:
    """The network's file."""
    if out.suffix == ONNX_SUFFIX and not out.is_dir():
        return out
    return out / f"{weights.stem}{EXPORT if int8 else ONNX_SUFFIX}"


def _feeds(part: str, config: NetworkConfig, crops: Crops) -> Iterator[dict[str, np.ndarray]]:
    """Batches of what a graph takes, from training faces."""
    room = ROOM if part == FACE else 1
    size, jitter = (config.locator_size, ROUGH) if part == LOCATOR else (config.input_size * room, SECOND_PASS)
    faces = training_faces(crops, size, config.crop_scale * room, jitter)
    half = size / (2 * room * config.crop_scale * (FACE_BOX.extent or 1))
    box = (size - 1) / 2 + half * np.array([-1, -1, 1, 1], np.float32)
    for low in range(0, len(faces), BATCH):
        batch = faces[low : low + BATCH]
        yield {"images": batch, "boxes": np.tile(box, (len(batch), 1))} if part == FACE else {"crops": batch}


def _moved(before: bytes, after: bytes, config: NetworkConfig, crops: Crops) -> float:
    """Mean distance between the points of two graphs."""
    faces = training_faces(crops, config.input_size, config.crop_scale, SECOND_PASS, seed=1)
    names = list(config.schemes)
    seen = [open_session(graph, "the exported graph").run(names, {"crops": faces}) for graph in (before, after)]
    return float(np.mean([np.linalg.norm(a - b, axis=-1).mean() for a, b in zip(*seen)]))


def training_faces(crops: Crops, size: int, crop_scale: float, jitter: Jitter, seed: int = 0) -> np.ndarray:
    """(N, size, size, 3) uint8: crops of up to `FACES` training faces, as far off as training crops are.

    Raises DataError if there is none.
    """
    generator = np.random.default_rng(seed)
    rows = generator.permutation(crops.part("train"))[:FACES]
    if not len(rows):
        raise DataError(f"{', '.join(map(str, crops.folders))}: no training face to measure int8 ranges on")
    squares = canonical_squares(crops.table.iloc[rows], crop_scale)
    matrices = crop_matrices(np.stack([jitter.draw(square, generator) for square in squares]), size)
    return extract_crops([crops.picture(row) for row in rows], matrices, size)
