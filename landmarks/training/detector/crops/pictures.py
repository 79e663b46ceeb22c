"""The pictures of a split with their labels: which kind each is of, and who is where, by size."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from landmarks.datasets.photographs import COLUMNS, Photographs
from landmarks.detection.overlap import sizes
from landmarks.training.detector.crops.store import Store

PORTRAIT = 0.25
"""In a portrait the largest face has at least this share of the picture's long side."""
LEAST_DRAWN = 3.0
"""No crop is chosen for a face of a smaller size, in pixels of its picture."""


@dataclass(frozen=True)
class Faces:
    """The N faces of a stored picture, in its pixels, measured from the corner."""

    boxes: np.ndarray
    """(N, 4) float64."""
    points: np.ndarray
    """(N, 5, 2) float64, NaN where unknown."""
    ignore: np.ndarray
    """(N,) bool."""


class Pictures:
    """The pictures of one split, by their number in the store.

    Scenes have faces to be learned; portraits too, and are mostly one face; empty ones have none.
    """

    def __init__(
        self,
        store: Store,
        datasets: Sequence[Photographs],
        split: str,
        source_weights: Mapping[str, float] | None = None,
    ) -> None:
        """source_weights: how often pictures of a dataset are drawn, by its name; 1 where not given."""
        self.store = store
        self._weights: dict[int, float] = {}
        self._faces: dict[int, Faces] = {}
        kinds: dict[str, list[int]] = {"scene": [], "portrait": [], "empty": []}
        members = [set(data.names(split)) for data in datasets]
        for number, (d, name, zoom) in enumerate(zip(*(store.index[c] for c in ("dataset", "image", "zoom")))):
            if name not in members[d]:
                continue
            labels = datasets[d].labels(name)
            faces = Faces((labels.boxes + 0.5) * zoom, (labels.points + 0.5) * zoom, labels.ignore)
            self._faces[number] = faces
            self._weights[number] = (source_weights or {}).get(datasets[d].name, 1.0)
            learned = sizes(faces.boxes[~faces.ignore])
            share = learned.max(initial=0) / max(store.shape(number))
            kinds["empty" if not len(learned) else "portrait" if share >= PORTRAIT else "scene"].append(number)
        self.scenes, self.portraits, self.empty = (np.array(numbers, int) for numbers in kinds.values())

    def __len__(self) -> int:
        return len(self._faces)

    def numbers(self) -> list[int]:
        """Of all pictures, in the order of the store."""
        return list(self._faces)

    def faces(self, number: int) -> Faces:
        """The faces of a picture."""
        return self._faces[number]

    def weights(self, numbers: np.ndarray) -> np.ndarray:
        """How often each of some pictures (N,) is to be drawn, relative to the others: (N,) float64."""
        return np.array([self._weights[number] for number in numbers.tolist()])

    def count(self) -> int:
        """Number of faces to be learned."""
        return sum(int((~faces.ignore).sum()) for faces in self._faces.values())


class BySize:
    """Draws faces of about a wanted size; those of crowded pictures less than in proportion."""

    def __init__(self, pictures: Pictures, numbers: np.ndarray, times: Callable[[int], np.ndarray]) -> None:
        """numbers: the pictures (N,) from which it draws; times: how often each face of one is, beside the others."""
        rows = [
            (size, number, i, often[i] * weight * len(faces.boxes) ** -0.5)
            for number, weight in zip(numbers.tolist(), pictures.weights(numbers))
            for faces, often in [(pictures.faces(number), times(number))]
            for i, size in enumerate(sizes(faces.boxes))
            if not faces.ignore[i] and size >= LEAST_DRAWN
        ]
        rows.sort()
        self._sizes = np.array([row[0] for row in rows])
        self._which = np.array([row[1:3] for row in rows], int).reshape(-1, 2)
        self._weights = np.concatenate([[0], np.cumsum([row[3] for row in rows])])

    def __len__(self) -> int:
        return len(self._sizes)

    def draw(self, smallest: float, largest: float, rng: np.random.Generator) -> tuple[int, int]:
        """The picture and the place in it of a face between these sizes, or the nearest to them."""
        low, high = np.searchsorted(self._sizes, [smallest, largest])
        low = min(int(low), len(self) - 1)
        high = max(int(high), low + 1)
        at = np.searchsorted(self._weights, rng.uniform(self._weights[low], self._weights[high]), side="right") - 1
        number, i = self._which[min(max(int(at), low), high - 1)]
        return int(number), int(i)


def digest(datasets: Sequence[Photographs]) -> str:
    """A short SHA-256 of the labels of datasets: what tells the data of one training from that of another."""
    found = hashlib.sha256()
    for data in datasets:
        table = data.table
        found.update("\0".join([data.name, *table["image"], *table["split"]]).encode("utf-8", "backslashreplace"))
        found.update(table[COLUMNS[2:]].to_numpy(np.float64).tobytes())
    return found.hexdigest()[:16]
