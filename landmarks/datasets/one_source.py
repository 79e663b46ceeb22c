"""The faces of one source of a prepared folder, as a prepared folder of their own.

    python -m landmarks.datasets.one_source prepared/mtfl web --out prepared/web

so that a network can learn without a kind of picture and then meet it: MTFL's `web` is not LFW.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np

from landmarks.atomic import replacing, write_text
from landmarks.datasets.crops.cutting import CACHE_SIZE
from landmarks.datasets.dataset import Crops, load_crops, read_dataset
from landmarks.datasets.facts import FACTS
from landmarks.datasets.table import save_table
from landmarks.errors import DataError, unknown


def keep_source(data: str | Path, source: str, out: str | Path) -> Crops:
    """Write the prepared faces of one source, all splits, to `out` and return them.

    Raises DataError if there is no such source, or if `out` is the folder itself.
    """
    data, out = Path(data), Path(out)
    crops, dataset = load_crops(data), read_dataset(data)
    rows = np.flatnonzero((crops.table["source"] == source).to_numpy())
    if not len(rows):
        raise DataError(f"{data}: {unknown('source', source, sorted(set(crops.table['source'])))}")
    if out.resolve() == data.resolve():
        raise DataError(f"{out}: would replace all of its sources by one; give --out another folder")
    out.mkdir(parents=True, exist_ok=True)
    (out / FACTS).unlink(missing_ok=True)  # comes last: nothing half-written is taken for a whole folder
    with replacing(out / "crops.npy") as partial:
        pixels = np.lib.format.open_memmap(partial, "w+", np.uint8, (len(rows), CACHE_SIZE, CACHE_SIZE, 3))
        for place, row in enumerate(rows):
            pixels[place] = crops.picture(int(row))
        pixels.flush()
    save_table(dataset.table[dataset.table["source"] == source], out / "table.parquet")
    save_table(crops.table.iloc[rows].drop(columns=["cache", "place"]), out / "crops.parquet")
    facts = json.loads((data / FACTS).read_text(encoding="utf-8"))
    write_text(out / FACTS, json.dumps(facts | {"crops": len(rows)}, indent=1))
    return load_crops(out)


def main() -> None:
    parser = argparse.ArgumentParser(description="The faces of one source as a prepared folder of their own.")
    parser.add_argument("data", help="prepared folder")
    parser.add_argument("source", help="such as web")
    parser.add_argument("--out", required=True, help="write the prepared folder here")
    arguments = parser.parse_args()
    crops = keep_source(arguments.data, arguments.source, arguments.out)
    print(f"{arguments.out}: {len(crops.part('train'))} training and {len(crops.part('val'))} validation faces")


if __name__ == "__main__":
    main()
