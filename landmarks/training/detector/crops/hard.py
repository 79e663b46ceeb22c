"""What a detector finds hard in the pictures that it learns from: faces that it hardly sees, and what it takes for one.

Such faces are drawn more often when a training goes on, and crops are made around the places without a face that got a
score (decoys): of easy faces and plain background there is soon nothing more to learn.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file
from torch.nn import functional as F

from landmarks.atomic import replacing
from landmarks.detection.facegrid import MAX_OVERLAP
from landmarks.detection.overlap import overlaps
from landmarks.detection.search import fit, suppress
from landmarks.geometry import grid_cells
from landmarks.models.facegrid import STRIDES, FaceGrid, decode
from landmarks.training.detector.crops.pictures import Pictures

EASY = 0.6
"""Score from which a face is no harder than others."""
LEAST_DECOY = 0.25
"""Score from which a box is a decoy."""
LEAST_SEEN = 0.1
"""Boxes of a lower score are not looked at."""
SAME, APART = 0.5, 0.1
"""A box that overlaps a face by more is of it; a decoy overlaps none, learned or ignored, by more than the second."""
NEAR = 4.0
"""A decoy's centre lies in no face's box, nor in the margin of so many pixels around it."""
SIDE = 640
"""Long side of the copy of a picture that is looked at."""


@dataclass(frozen=True)
class Hard:
    """What was found in pictures, by their number in the store."""

    scores: Mapping[int, np.ndarray] = field(default_factory=dict)
    """(N,) of each picture's faces: the highest score of a box of it, 0 for none."""
    decoys: np.ndarray = field(default_factory=lambda: np.zeros((0, 6)))
    """(M, 6): number of the picture; x0, y0, x1, y1 in its pixels, from the corner; score."""

    def times(self, number: int, faces: int, most: float) -> np.ndarray:
        """How many times as often as an easy one each of a picture's N faces is drawn, (N,): 1 to 1 + most."""
        return 1 + most * np.clip(1 - self.scores.get(number, np.full(faces, EASY)) / EASY, 0, 1)


def look(
    network: FaceGrid, pictures: Pictures, progress: Callable[[int, int], None] = lambda done, total: None
) -> Hard:
    """Look at every picture as a detector does. Moves nothing and learns nothing."""
    eye = network.folded().to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    scores, decoys = {}, []
    numbers = pictures.numbers()
    for done, number in enumerate(numbers):
        progress(done, len(numbers))
        boxes, found = _find(eye, pictures.store[number])
        faces = pictures.faces(number).boxes
        table = overlaps(boxes, faces)
        scores[number] = np.where(table > SAME, found[:, None], 0.0).max(axis=0, initial=0.0)
        decoy = (found >= LEAST_DECOY) & (table.max(axis=1, initial=0) < APART) & ~_centred_in(boxes, faces)
        decoys.append(np.column_stack([np.full(decoy.sum(), number), boxes[decoy], found[decoy]]))
    progress(len(numbers), len(numbers))
    return Hard(scores, np.concatenate(decoys) if decoys else np.zeros((0, 6)))


def looked(
    path: Path,
    network: FaceGrid,
    pictures: Pictures,
    about: str,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Hard:
    """What `look` finds, kept in a file for the next call with the same pictures and network, as `about` tells them."""
    if path.is_file():
        try:
            with safe_open(path, "numpy") as file:
                if (file.metadata() or {}).get("about") == about:
                    ends = np.cumsum(file.get_tensor("counts"))
                    scores = np.split(file.get_tensor("scores"), ends[:-1])
                    return Hard(dict(zip(file.get_tensor("numbers").tolist(), scores)), file.get_tensor("decoys"))
        except (SafetensorError, OSError, ValueError):
            pass  # damaged: looking again writes it anew
    found = look(network, pictures, progress)
    numbers = np.array(list(found.scores), np.int64)
    counts = np.array([len(scores) for scores in found.scores.values()], np.int64)
    flat = np.concatenate([np.zeros(0), *found.scores.values()])
    with replacing(path) as partial:
        tensors = {"numbers": numbers, "counts": counts, "scores": flat, "decoys": found.decoys}
        save_file(tensors, partial, metadata={"about": about})
        partial.chmod(0o644)  # safetensors makes files that only their owner may read
    return found


@torch.inference_mode()
def _find(network: FaceGrid, pixels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A picture (H, W, 3 or 1) uint8 -> boxes (N, 4) in its pixels, from the corner, and scores (N,)."""
    if pixels.shape[2] == 1:
        pixels = np.repeat(pixels, 3, axis=2)
    copy, factors = fit(np.ascontiguousarray(pixels), SIDE)
    step = STRIDES[-1]
    canvas = cv2.copyMakeBorder(copy, 0, -copy.shape[0] % step, 0, -copy.shape[1] % step, cv2.BORDER_CONSTANT)
    cells = torch.from_numpy(grid_cells(*canvas.shape[:2], STRIDES)).float()
    told = decode(network(torch.from_numpy(canvas).permute(2, 0, 1)[None]), cells)
    scores = F.sigmoid(told.logits[0]).numpy()
    seen = scores >= LEAST_SEEN
    boxes = told.boxes[0].numpy()[seen].astype(float)
    keep = suppress(boxes, scores[seen], MAX_OVERLAP)
    return boxes[keep] * np.tile(factors, 2), scores[seen][keep].astype(float)


def _centred_in(boxes: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """(N,) bool: whether the centre of a box (N, 4) lies in one of the faces (M, 4) or close by."""
    centres = ((boxes[:, :2] + boxes[:, 2:]) / 2)[:, None]
    return ((centres > faces[None, :, :2] - NEAR) & (centres < faces[None, :, 2:] + NEAR)).all(axis=2).any(axis=1)
