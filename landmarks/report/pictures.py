"""Open the images of a run again and cut the faces out: each image once, no further than needed, on several threads."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from landmarks.errors import ImageError
from landmarks.images import MAX_PIXELS, most_bytes, take
from landmarks.report.thumbnails import cut, least_side
from landmarks.sources.source import Container, Source


@dataclass(frozen=True)
class Wanted:
    """What to cut out of an image."""

    squares: np.ndarray
    """(N, 4) finite face squares in pixels of the upright image."""
    size: tuple[int, int]
    """Width and height of the upright image when it was annotated: one of another size is another image."""


def cut_faces(
    wanted: Mapping[str, Wanted],
    sources: Iterable[tuple[str, Source]],
    side: int,
    threads: int,
    max_pixels: int = MAX_PIXELS,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> dict[str, list[bytes]]:
    """JPEG files of at most `side` pixels, by the image's name; images that are gone or changed are left out.

    sources: the images, or containers that hold them, with their names among the results (see `Named.find`). The
    decoders and the encoder leave Python to others while they work, so threads do as well as processes.
    """
    found: dict[str, list[bytes]] = {}
    waiting: deque[tuple[str, Future[list[bytes]]]] = deque()

    def collect() -> None:
        name, future = waiting.popleft()
        found[name] = future.result()
        progress(len(found), len(wanted))

    with ThreadPoolExecutor(max(threads, 1)) as pool:
        for name, source in _present(wanted, sources, most_bytes(max_pixels)):
            waiting.append((name, pool.submit(_cut, source, wanted[name], side, max_pixels)))
            if len(waiting) > 3 * threads:  # What is held of a video or an archive takes memory.
                collect()
        while waiting:
            collect()
    return {name: pictures for name, pictures in found.items() if pictures}


def _present(
    wanted: Mapping[str, Wanted], sources: Iterable[tuple[str, Source]], limit: int
) -> Iterator[tuple[str, Source]]:
    """The wanted ones among the sources and inside the containers among them, each once, in a form that waits."""
    left = dict.fromkeys(wanted)
    for name, source in sources:
        if not isinstance(source, Container):
            if name in left:
                del left[name]
                yield name, source
            continue
        inside = {one for one in left if one.startswith(f"{name}/")}
        parts = iter(source) if inside else iter(())
        while inside and (part := next(parts, None)) is not None:
            part_name = name + part.name.removeprefix(source.name)
            if part_name in inside:
                inside.discard(part_name)
                del left[part_name]
                yield part_name, part.hold(limit)


def _cut(source: Source, wanted: Wanted, side: int, max_pixels: int) -> list[bytes]:
    """The pictures of one image; none if it cannot be had any more."""
    try:
        content = source.load(most_bytes(max_pixels))
        least = least_side(wanted.size, wanted.squares, side)
        image = take(content, source.name, max_pixels, accept_damaged=True, least_side=least)
    except ImageError:
        return []
    if wanted.size != (0, 0) and (image.width, image.height) != wanted.size:
        return []
    return cut(image, wanted.squares, side)
