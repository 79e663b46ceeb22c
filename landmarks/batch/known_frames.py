"""What a run that goes on knows of its videos, so that it need not decode them from the first frame."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import count

from landmarks.batch.journal import Index, Journal, digest
from landmarks.sources.source import Source
from landmarks.sources.videos.known import KnownFrames
from landmarks.sources.videos.video import Video


def with_known_frames(sources: Iterable[Source], journal: Journal, index: Index) -> Iterator[Source]:
    """The sources, videos with those of their frames that the journal has without a gap and without any fault.

    A frame that failed is decoded again with all that follow: only so it fails in the same way. Where damaged frames
    are taken, a run does without: what a decoder paints over damage depends on all that it saw before.
    """
    for source in sources:
        yield replace(source, known=_known(source, journal, index)) if isinstance(source, Video) else source


def _known(video: Video, journal: Journal, index: Index) -> KnownFrames:
    known = KnownFrames(video.stamp())
    for row in journal.rows(_done(video, digest(known.mark), index), index):
        if row["reason"] or not row["width"] or row["time"] is None:
            break
        known.times.append(row["time"])
        known.sizes.append(3 * row["width"] * row["height"])
    return known


def _done(video: Video, mark: int, index: Index) -> Iterator[int]:
    """The digests of the names of its first frames, as long as each is done and the file is the same."""
    for number in count(0, video.every):
        name = digest(video.frame_name(number))
        at = index.find(name)
        if at is None or index.failed[at] or int(index.stamps[at]) != mark:
            return
        yield name
