"""What a run is asked to write, with what, and what it takes over from an earlier one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from landmarks.batch.plan import Shard
from landmarks.batch.writers.chips import check_chips
from landmarks.drawing.draw import Style

LOCAL, RAY = "local", "ray"
ENGINES = (LOCAL, RAY)


@dataclass(frozen=True)
class RunOptions:
    """What a run writes and how it works. Raises ValueError for values that cannot be meant."""

    formats: Sequence[str] = ("csv",)
    """Names in `landmarks.formats.FORMATS`."""
    coords: str = "upright"
    """Frame of the coordinates in the files: `upright`, or `original` for the stored pixels of files whose EXIF
    orientation turns them."""
    drawings: bool = False
    """Also write each image with its faces drawn, to `drawings/`, and each video as one MP4 file."""
    draw_frames: bool = False
    """Draw each frame of a video as a picture of its own instead."""
    style: Style = field(default_factory=Style)
    """Of the drawings."""
    chips: int | None = None
    """Also write each face turned upright and cut out, to `chips/`, with this many pixels a side."""
    chip_format: str = "png"
    """`png` or `jpg`."""
    track: bool = False
    """Say which faces of a video's frames are the same one: the column `track`."""
    smooth: bool = False
    """Smooth boxes, points and labels over the frames of a video, track by track; `track` is then written, too."""
    engine: str = LOCAL
    """`local`, or `ray` for a Ray cluster."""
    address: str = ""
    """Of the Ray cluster; `auto` for the one that this machine belongs to, empty to start one here."""
    workers: int | None = 0
    """Processes beside this one. 0: none, or with Ray one for each of its cores; None: one for each core here."""
    timeout: float | None = 300.0
    """Seconds that an image may take, or a file system to answer; None for no limit."""
    shard: Shard = field(default_factory=Shard)
    """The part of the images that is done."""

    def __post_init__(self) -> None:
        from landmarks.formats import FORMATS
        from landmarks.formats.schema import FRAMES

        if isinstance(self.formats, str):
            raise ValueError(f"formats is a list of names, such as [{self.formats!r}], not one name")
        object.__setattr__(self, "formats", tuple(self.formats))
        for what, values, known in (
            ("format", self.formats, FORMATS),
            ("frame of coordinates", (self.coords,), FRAMES),
            ("engine", (self.engine,), ENGINES),
        ):
            for value in values:
                if value not in known:
                    raise ValueError(f"unknown {what} {value!r}; known: {', '.join(known)}")
        if self.chips is not None:
            check_chips(self.chips, f".{self.chip_format}")
        if self.workers is not None and self.workers < 0:
            raise ValueError(f"workers is a number of processes, not {self.workers}")
        if (self.track or self.smooth) and self.shard.count > 1:
            raise ValueError("track and smooth need all frames of a video; a shard has a part of them")
        if self.timeout is not None and not self.timeout > 0:
            raise ValueError(f"timeout is a number of seconds above 0, not {self.timeout}")


@dataclass(frozen=True)
class Resume:
    """What becomes of the images that an earlier run in the same folder has done: by default they are left alone."""

    fresh: bool = False
    """Forget the earlier run and do all images."""
    retry_failed: bool = False
    """Do the images again that failed."""
