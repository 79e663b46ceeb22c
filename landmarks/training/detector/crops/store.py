"""Pictures decoded once: all pixels in one file, memory-mapped, and a table of where each lies."""

from __future__ import annotations

import hashlib
import json
import warnings
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd

from landmarks.atomic import naming, replacing, replacing_amid, write_text
from landmarks.datasets.left_out import LeftOut
from landmarks.datasets.photographs import Photographs
from landmarks.device import cores
from landmarks.errors import DataError, ImageError

MAX_SIDE = 1024
"""Larger pictures are scaled down to this long side."""
PIXELS, INDEX, FACTS = "pictures.u8", "pictures.csv", "pictures.json"
COLUMNS = ["dataset", "image", "offset", "height", "width", "channels", "zoom"]
SPLITS = ("train", "val")


class Store:
    """Decoded pictures by number."""

    def __init__(self, folder: Path) -> None:
        """Raises DataError if the folder holds none, or other ones than its table says."""
        self.folder = folder
        try:
            kinds = dict.fromkeys(COLUMNS, int) | {"image": str, "zoom": float}
            self.index = pd.read_csv(
                folder / INDEX, dtype=kinds, keep_default_na=False, encoding_errors="surrogateescape"
            )
            self._places = self.index[COLUMNS[2:6]].to_numpy(np.int64)
            ends = self._places[:, 0] + self._places[:, 1:].prod(axis=1)
            if (self._places < 0).any() or ends.max(initial=0) > (folder / PIXELS).stat().st_size:
                raise ValueError(f"{PIXELS} is too short")
        except (OSError, ValueError, KeyError) as error:
            raise DataError(f"{folder}: holds no decoded pictures ({error}); delete it to decode them again") from error
        self._pixels: np.ndarray | None = None

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_pixels": None}  # processes map the file themselves

    def __len__(self) -> int:
        return len(self._places)

    def __getitem__(self, number: int) -> np.ndarray:
        """(H, W, 3) or, of a grey picture, (H, W, 1) uint8 RGB: a view of the file."""
        if self._pixels is None:
            self._pixels = np.memmap(self.folder / PIXELS, np.uint8, "r")
        offset, height, width, channels = self._places[number]
        return self._pixels[offset : offset + height * width * channels].reshape(height, width, channels)

    def shape(self, number: int) -> tuple[int, int]:
        """Height and width."""
        return int(self._places[number, 1]), int(self._places[number, 2])


def open_store(
    datasets: Sequence[Photographs], folder: Path, progress: Callable[[int, int], None] = lambda done, total: None
) -> Store:
    """The decoded train and val pictures of datasets, in order; decoded into a folder unless it has them already.

    Pictures that cannot be decoded are left out: a warning counts them, `left_out.csv` in the folder names them. Raises
    DataError if none can be.
    """
    wanted = [(d, name) for d, data in enumerate(datasets) for split in SPLITS for name in data.names(split)]
    known = hashlib.sha256()
    for data in datasets:
        known.update(f"{data.files.root.resolve()}\0".encode("utf-8", "backslashreplace"))
    known.update("\0".join(f"{d}:{name}" for d, name in wanted).encode("utf-8", "backslashreplace"))
    facts = json.dumps({"pictures": len(wanted), "sha256": known.hexdigest(), "max_side": MAX_SIDE})
    if (folder / FACTS).is_file() and (folder / FACTS).read_text(encoding="utf-8") == facts:
        return Store(folder)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / FACTS).unlink(missing_ok=True)
    rows, left_out, offset = [], LeftOut(), 0
    with replacing_amid(folder / PIXELS, durable=False) as partial, open(partial, "wb") as file:
        for done, ((d, name), decoded) in enumerate(zip(wanted, _decoded(datasets, wanted))):
            progress(done, len(wanted))
            try:
                pixels, zoom = decoded.result()
            except ImageError as error:
                left_out.add(name, error.status, str(error))
                continue
            with naming(folder / PIXELS):
                file.write(pixels.tobytes())
            height, width, channels = pixels.shape
            rows.append((d, name, offset, height, width, channels, zoom))
            offset += pixels.size
        if not rows:
            raise DataError(f"{', '.join(str(data.files.root) for data in datasets)}: no photograph can be decoded")
    progress(len(wanted), len(wanted))
    left_out.write(folder)
    if left_out.rows:
        told = f"{len(left_out.rows)} of {len(wanted)} photographs cannot be used: {left_out.counts()}"
        warnings.warn(f"left out: {told}. {folder / 'left_out.csv'} names them", stacklevel=2)
    with replacing(folder / INDEX) as partial:
        pd.DataFrame(rows, columns=COLUMNS).to_csv(partial, index=False, errors="surrogateescape")
    write_text(folder / FACTS, facts)
    return Store(folder)


def _decoded(
    datasets: Sequence[Photographs], wanted: Sequence[tuple[int, str]]
) -> Iterator[Future[tuple[np.ndarray, float]]]:
    """The pictures of some names of some datasets, in order; a few are decoded ahead, side by side."""
    threads = cores()
    waiting: deque[Future[tuple[np.ndarray, float]]] = deque()
    with ThreadPoolExecutor(threads) as pool:
        for d, name in wanted:
            waiting.append(pool.submit(lambda d, name: _reduced(datasets[d].pixels(name)), d, name))
            if len(waiting) > 2 * threads:
                yield waiting.popleft()
        yield from waiting


def _reduced(pixels: np.ndarray) -> tuple[np.ndarray, float]:
    """A picture of at most MAX_SIDE a side, with one channel where all are alike, and its scale."""
    zoom = min(1.0, MAX_SIDE / max(pixels.shape[:2]))
    if zoom < 1:
        height, width = (max(1, round(side * zoom)) for side in pixels.shape[:2])
        pixels = cv2.resize(pixels, (width, height), interpolation=cv2.INTER_AREA)
    grey = (pixels[::7, ::7] == pixels[::7, ::7, :1]).all() and (pixels == pixels[..., :1]).all()
    return np.ascontiguousarray(pixels[..., :1] if grey else pixels), zoom
