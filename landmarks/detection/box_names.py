"""Which boxes of a file belong to which image, where the file calls the images otherwise than the run does."""

from __future__ import annotations

import os
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass

Key = Callable[[str], str]


@dataclass(frozen=True)
class Matching:
    """How the names of a file of boxes were understood."""

    aliases: dict[str, str]
    """Name of the image -> name in the file, where they differ."""
    ways: dict[str, int]
    """What was overlooked, in words -> number of names."""
    ambiguous: frozenset[str]
    """Names in the file that might mean several images, or that an image shares with others."""


def clean(name: str) -> str:
    """A name with forward slashes, without what means nothing in a path."""
    parts = name.strip().replace("\\", "/").split("/")
    return "/".join(part for part in parts if part not in ("", "."))


def plain(name: str) -> str:
    """A clean name whose case and way to write accents do not matter."""
    return unicodedata.normalize("NFC", clean(name)).casefold()


def match_names(boxes: Iterable[str], images: Iterable[str]) -> Matching:
    """Names in a file of boxes and names of images -> which are the same. What is not certain is left alone.

    Names that are equal go first. Then come, among those that are left: other slashes; case; one folder before all
    names of one side; a folder before single names. At each step a name must fit one of the other side alone.
    """
    boxes, images = set(boxes), set(images)
    left_boxes, left_images = boxes - images, images - boxes
    aliases: dict[str, str] = {}
    ways: dict[str, int] = {}

    def take(way: str, found: dict[str, str]) -> None:
        if found:
            aliases.update(found)
            ways[way] = len(found)
            left_images.difference_update(found)
            left_boxes.difference_update(found.values())

    take("with other slashes", _pairs(left_boxes, left_images, clean, clean))
    take("in another case", _pairs(left_boxes, left_images, plain, plain))
    folder, found = _common_folder(left_boxes, left_images)
    take(f"without the folder {folder!r} before all of them", found)
    single, ambiguous = _by_tail(left_boxes, left_images)
    take("without the folders before them", single)
    return Matching(aliases, ways, frozenset(ambiguous))


def _pairs(boxes: set[str], images: set[str], box_key: Key, image_key: Key) -> dict[str, str]:
    """Image -> box of the same key, where both are alone with it."""
    of_box, of_image = alone(boxes, box_key), alone(images, image_key)
    return {of_image[key]: of_box[key] for key in of_box.keys() & of_image.keys()}


def alone(names: Iterable[str], key: Key) -> dict[str, str]:
    """Key -> the only name that has it."""
    keys = {name: key(name) for name in names}
    uses = Counter(keys.values())
    return {key: name for name, key in keys.items() if uses[key] == 1}


def _common_folder(boxes: set[str], images: set[str]) -> tuple[str, dict[str, str]]:
    """The folder before all names of one side without which most names are equal; empty if none or several would do."""
    best: list[tuple[int, str, dict[str, str]]] = []
    for names in (boxes, images):
        folder = _folder_of(names)
        for depth in range(1, folder.count("/") + 2 if folder else 1):
            prefix = "/".join(folder.split("/")[:depth]) + "/"

            def without(name: str, length: int = len(prefix)) -> str:
                return plain(name)[length:]

            keys = (without, plain) if names is boxes else (plain, without)
            found = _pairs(boxes, images, *keys)
            best.append((len(found), prefix, found))
    best.sort(key=lambda one: -one[0])
    if not best or not best[0][0] or (len(best) > 1 and best[0][0] == best[1][0]):
        return "", {}
    return best[0][1], best[0][2]


def _folder_of(names: set[str]) -> str:
    """The folder that all names have in common, plain; empty if there is none."""
    folders = {plain(name).rpartition("/")[0] for name in names}
    try:
        return os.path.commonpath(folders) if folders and "" not in folders else ""
    except ValueError:
        return ""


def _by_tail(boxes: set[str], images: set[str]) -> tuple[dict[str, str], set[str]]:
    """Image -> box where one name is the end of the other and both fit nothing else; and the boxes that fit several."""
    by_key, by_tail = defaultdict(set), defaultdict(set)
    for box in boxes:
        tails = list(_tails(plain(box)))
        by_key[tails[0]].add(box)
        for tail in tails:
            by_tail[tail].add(box)
    fits = {}
    for image in images:
        tails = list(_tails(plain(image)))
        fits[image] = by_tail.get(tails[0], set()).union(*(by_key.get(tail, set()) for tail in tails))
    uses = Counter(box for some in fits.values() for box in some)
    found = {image: next(iter(some)) for image, some in fits.items() if len(some) == 1 and uses[next(iter(some))] == 1}
    return found, set(uses) - set(found.values())


def _tails(name: str) -> Iterable[str]:
    """a/b/c, b/c, c."""
    parts = name.split("/")
    return ("/".join(parts[at:]) for at in range(len(parts)))
