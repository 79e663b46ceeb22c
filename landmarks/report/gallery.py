"""The gallery of a run's page: which faces it shows, their numbers packed for the browser, their pictures."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from landmarks.drawing.strokes import LEFT, MIDDLE, RIGHT
from landmarks.images import MAX_PIXELS
from landmarks.report.pictures import Wanted, cut_faces
from landmarks.report.run import Run
from landmarks.report.thumbnails import picture_side, squares_around, whole_image
from landmarks.schemes import Scheme
from landmarks.sources.names import natural
from landmarks.sources.source import Source

MOST_BYTES = 36_000_000
"""Of all pictures of a page; as text they take a third more."""
ANGLES = ("yaw", "pitch", "roll")
"""Numbers of a face in degrees; older results have none."""
MOST_EMPTY = 500
"""Images without faces that are shown."""


@dataclass(frozen=True)
class Gallery:
    """What the browser is given."""

    table: dict[str, Any]
    """Names and packed numbers, as JSON takes it. See `_table`."""
    pictures: list[str]
    """A JPEG file in base64 an item; empty where its image is gone."""
    order: list[int]
    """The items, the most doubtful face first, as the gallery shows them at first."""
    missing: int
    """Faces shown without a picture."""
    left_out: int
    """Faces of the run that are not shown."""


def make_gallery(
    run: Run,
    sources: Iterable[tuple[str, Source]],
    most: int,
    threads: int,
    gender: bool,
    progress: Callable[[int, int], None],
) -> Gallery:
    """Choose at most `most` faces and cut them out of the images that are there. gender: whether it is shown."""
    rows = choose(run, most)
    empty = np.flatnonzero((run.images["faces"] == 0).to_numpy())
    empty = empty[np.linspace(0, len(empty) - 1, min(len(empty), MOST_EMPTY)).round().astype(int)]
    squares = squares_around(run.boxes[rows], run.points[rows])
    names = [*run.faces["image"].iloc[rows], *run.images["image"].iloc[empty]]
    facts = run.images.set_index("image")
    sizes = {name: (int(w), int(h)) for name, w, h in zip(facts.index, facts["width"], facts["height"])}
    wanted, items = _wanted(run, names, squares, empty, sizes)
    side = picture_side(sum(map(len, items.values())), MOST_BYTES)
    limit = run.settings.get("max_pixels")
    limit = limit if isinstance(limit, int) else MAX_PIXELS
    found = cut_faces(wanted, sources, side, threads, limit, progress)
    pictures = [""] * len(names)
    for name, files in found.items():
        for item, file in zip(items[name], files):
            pictures[item] = base64.b64encode(file).decode()
    shown = [*squares, *(whole_image(*sizes[name])[0] for name in names[len(rows) :])]
    table = _table(run, rows, names, np.array(shown).reshape(-1, 4), gender)
    place = {row: item for item, row in enumerate(rows.tolist())}
    order = [place[row] for row in doubtful_first(run).tolist() if row in place]
    order += range(len(rows), len(names))
    missing = sum(not one for one in pictures[: len(rows)])
    return Gallery(table, pictures, order, missing, len(run.faces) - len(rows))


def choose(run: Run, most: int) -> np.ndarray:
    """Rows of the faces to show: all; or of too many the most doubtful half, and of the others every so manieth."""
    count = len(run.faces)
    if count <= most:
        return np.arange(count)
    order = doubtful_first(run)
    rest = order[most // 2 :]
    spread = rest[np.linspace(0, len(rest) - 1, most - most // 2).round().astype(int)]
    return np.sort(np.concatenate([order[: most // 2], spread]))


def doubtful_first(run: Run) -> np.ndarray:
    """The rows of the faces by quality, or else by the detector's score; those without a number first."""
    sureness = next((values for values in (run.quality, run.scores) if values is not None), np.zeros(len(run.faces)))
    return np.argsort(np.where(np.isnan(sureness), -1, sureness), kind="stable")


def _wanted(
    run: Run, names: list[str], squares: np.ndarray, empty: np.ndarray, sizes: dict[str, tuple[int, int]]
) -> tuple[dict[str, Wanted], dict[str, list[int]]]:
    """What to cut out of each image, and for which items. Images that could not be read are not tried again."""
    items: dict[str, list[int]] = {}
    for item, square in enumerate(squares):
        if np.isfinite(square).all():
            items.setdefault(names[item], []).append(item)
    wanted = {name: Wanted(squares[places], sizes.get(name, (0, 0))) for name, places in items.items()}
    for item in range(len(squares), len(names)):
        if sizes[names[item]] != (0, 0):
            items[names[item]] = [item]
            wanted[names[item]] = Wanted(whole_image(*sizes[names[item]]), sizes[names[item]])
    return wanted, items


def _table(run: Run, rows: np.ndarray, names: list[str], squares: np.ndarray, gender: bool) -> dict[str, Any]:
    """What is known of each item: the faces, then images without faces, whose numbers are NaN and whose face is -1.

    Columns are little-endian numbers in base64; `points` and `errors` have K numbers, or pairs of them, an item.
    """
    count, more = len(rows), len(names) - len(rows)
    unique = list(dict.fromkeys(names))
    place = {name: i for i, name in enumerate(unique)}
    facts = run.images.drop_duplicates("image").set_index("image")
    order = {name: i for i, name in enumerate(sorted(unique, key=natural))}

    def floats(values: np.ndarray | None) -> str:
        if values is None:
            return ""
        empty = np.full((more, *values.shape[1:]), np.nan)
        return _packed(np.concatenate([values[rows], empty]), "<f4")

    columns = {
        "image": _packed([place[name] for name in names], "<i4"),
        "rank": _packed([order[name] for name in names], "<i4"),
        "face": _packed([*run.faces["face"].iloc[rows], *[-1] * more], "<i4"),
        "square": _packed(squares[:, :3], "<f4"),
        "box": floats(run.boxes),
        "points": floats(run.points),
        "errors": floats(run.errors),
        "quality": floats(run.quality),
        "score": floats(run.scores),
        "size": floats(run.sizes),
        "face_size": floats(run.face_sizes),
        "error": floats(None if run.errors is None else run.errors.mean(axis=1)),
        **{name: floats(run.faces[name].to_numpy(np.float32)) for name in ANGLES if name in run.faces},
    }
    attributes = {}
    for name in shown_attributes(run, gender):
        labels = run.attributes[name]
        codes = run.faces[name].map({label: i for i, label in enumerate(labels)}).fillna(-1).to_numpy(int)[rows]
        sure = f"{name}_probability"
        attributes[name] = {
            "labels": labels,
            "codes": _packed([*codes, *[-1] * more], "i1"),
            "probabilities": floats(run.faces[sure].to_numpy(np.float32) if sure in run.faces else None),
        }
    return {
        "count": count + more,
        "images": [
            {"name": name, **{key: _plain(facts[key].get(name, "")) for key in ("status", "reason", "width", "height")}}
            for name in unique
        ],
        "scheme": _scheme(run.scheme),
        "columns": {name: text for name, text in columns.items() if text or not len(names)},
        "attributes": attributes,
    }


def shown_attributes(run: Run, gender: bool) -> list[str]:
    """The attributes of a run that its page tells of."""
    return [name for name in run.attributes if gender or name != "gender"]


def _scheme(scheme: Scheme) -> dict[str, Any]:
    """Names, colours and lines of the landmarks, as drawings have them."""
    right = {scheme.swap[i] for i in scheme.left}
    colours = [LEFT if i in scheme.left else RIGHT if i in right else MIDDLE for i in range(len(scheme))]
    return {
        "names": [name.replace("_", " ") for name in scheme.points],
        "colours": ["#{:02x}{:02x}{:02x}".format(*colour) for colour in colours],
        "chains": scheme.chains,
    }


def _packed(values: Any, kind: str) -> str:
    return base64.b64encode(np.ascontiguousarray(values, kind).tobytes()).decode()


def _plain(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else value
