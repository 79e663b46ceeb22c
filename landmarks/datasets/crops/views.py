"""Views: augmented crops made once and kept in files, for networks that learn faster than crops are made.

A comparison trains many small networks on the same faces. What would be drawn anew for each of them in each epoch is
drawn once: every face in a few views, the same ones for all.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import cast

import numpy as np
import torch
from torch import Tensor

from landmarks.atomic import PartialFolder
from landmarks.datasets.crops.samples import Samples
from landmarks.errors import DataError, told

FACTS = "views.json"


class Views:
    """(views, faces, ...) arrays by name as `Samples` makes them, memory-mapped; `rows` chooses faces."""

    def __init__(self, arrays: dict[str, np.ndarray], rows: np.ndarray) -> None:
        self.arrays, self.rows = arrays, rows

    def __len__(self) -> int:
        return len(self.rows)

    def take(self, view: int, places: np.ndarray) -> dict[str, Tensor]:
        """One view (counted round and round) of the faces at these places among `rows`, stacked."""
        return {
            name: torch.from_numpy(array[view % len(array)][self.rows[places]]) for name, array in self.arrays.items()
        }

    def of(self, places: np.ndarray) -> Views:
        """The same views of some of the faces."""
        return Views(self.arrays, self.rows[places])


def make_views(
    samples: Samples, count: int, folder: Path, progress: Callable[[int, int], None] = lambda done, total: None
) -> None:
    """Write `count` views of every sample to a folder; whole or not at all."""
    written = PartialFolder(folder)
    arrays: dict[str, np.ndarray] = {}
    for view in range(count):
        samples.epoch = view
        for index in range(len(samples)):
            for name, tensor in samples[index].items():
                if name not in arrays:
                    arrays[name] = np.lib.format.open_memmap(
                        written.file(f"{name}.npy"), "w+", tensor.numpy().dtype, (count, len(samples), *tensor.shape)
                    )
                arrays[name][view, index] = tensor.numpy()
            progress(view * len(samples) + index + 1, count * len(samples))
    for array in arrays.values():
        cast(np.memmap, array).flush()
    written.file(FACTS).write_text(json.dumps({"views": count, "faces": len(samples), "names": sorted(arrays)}))
    written.close()


def open_views(folder: Path) -> Views:
    """Views that `make_views` wrote. Raises DataError."""
    try:
        facts = json.loads((folder / FACTS).read_text())
        arrays = {name: np.load(folder / f"{name}.npy", mmap_mode="r", allow_pickle=False) for name in facts["names"]}
        if any(array.shape[:2] != (facts["views"], facts["faces"]) for array in arrays.values()):
            raise ValueError("an array has another size than its description says")
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise DataError(
            f"{folder}: kept views cannot be read ({told(error)}); delete the folder, it is made anew"
        ) from error
    return Views(arrays, np.arange(facts["faces"]))
