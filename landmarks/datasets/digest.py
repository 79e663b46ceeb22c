"""What tells the data of one training from that of another."""

from __future__ import annotations

import hashlib

import numpy as np

from landmarks.datasets.crops.cutting import CACHE_SIZE
from landmarks.datasets.dataset import Crops
from landmarks.datasets.table import BOX, GROUPS, label_errors_of, points_of, task_labels
from landmarks.schemes import SCHEMES


def digest(crops: Crops) -> str:
    """A short SHA-256 of cached faces: of every row with its labels, in order, and of the middle line of every crop.

    Other pictures differ there, so that an epoch's worth of pixels need not be read.
    """
    table, found = crops.table, hashlib.sha256()
    for name in ("image", "split", "source"):
        found.update("\0".join(map(str, table[name])).encode("utf-8", "backslashreplace"))
    found.update(table[BOX].to_numpy(np.float64).tobytes())
    for scheme in SCHEMES.values():
        if table[scheme.name].notna().any():
            found.update(scheme.name.encode() + np.asarray(points_of(table, scheme), np.float64).tobytes())
        errors = label_errors_of(table, scheme)
        if errors is not None:
            found.update(errors.tobytes())
    for task in crops.tasks.values():
        found.update(task_labels(table, task).tobytes())
    for name in GROUPS:
        if table[name].any():
            found.update(name.encode() + "\0".join(table[name]).encode())
    for row in range(len(table)):
        found.update(crops.picture(row)[CACHE_SIZE // 2].tobytes())
    return found.hexdigest()[:16]
