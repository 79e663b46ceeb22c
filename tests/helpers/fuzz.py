"""Damaged files for everything that reads files: what comes of it is a result or one of our errors, soon and bounded.

    python -m tests.helpers.fuzz --seconds 600 [--target NAME ...]

goes on for so long, each target in turn, and keeps what broke one in `fuzz-failures`. A case that takes longer than
`--hang` seconds ends the program with the place where it hangs. `pytest tests/test_fuzz.py` tries a few of each target;
LANDMARKS_FUZZ=1000 sets their number.
"""

from __future__ import annotations

import argparse
import copy
import faulthandler
import inspect
import json
import random
import re
import resource
import shutil
import sys
import tempfile
import time
import traceback
import warnings
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from landmarks import images, read_results
from landmarks.batch.run import annotate
from landmarks.datasets.dataset import check_images, load_crops, prepare, read_dataset
from landmarks.detection.boxes import BoxFile
from landmarks.errors import LandmarksError
from landmarks.export.write import export_weights
from landmarks.inference.backend import load_backend
from landmarks.models.network import Network
from landmarks.models.store import save_model
from landmarks.schemes import POINTS_5, POINTS_68, POINTS_98
from landmarks.sources.find import expand, find
from landmarks.training.from_config import read_config
from tests.datasets.test_readers import celeba, coco, cofw, entry, face, pts, wflw, wflw_line
from tests.formats.test_written_and_read import CASES
from tests.formats.test_written_and_read import FORMATS as RESULTS
from tests.formats.test_written_and_read import write as write_results
from tests.helpers.faces import SMALL, draw_face, mtfl_line, write_png
from tests.helpers.stub import Stub
from tests.images.test_jpeg import textured
from tests.sources.test_archive import make
from tests.sources.test_video import make_video
from tests.test_images import FORMATS as IMAGES
from tests.test_images import encode, scene

ROOT = Path(__file__).resolve().parents[2]
LIMIT = 1_000_000
"""Pixels of an image, at most."""
UNLIKE = 10
"""Mean difference of samples (0 to 255) above which a picture is another one."""
MEMORY = 1 << 30
"""Bytes by which the process may grow over all cases of a target."""
PIECES = (
    b"null", b"true", b"[]", b"{}", b"[[[[", b'""', b"nan", b"inf", b"-inf", b"1e999", b"-1", b"0", b"9" * 40, b"1.5",
    b"2147483648", b"1e18", b"\0", b"\xff\xfe", b"\xef\xbb\xbf", b"\xed\xa0\x80", b"../../x", b"/etc/passwd", b"\\",
    b'"', b",", b"\r", b"\n\n", b"<!--", b"&a;", b"<!DOCTYPE x [<!ENTITY a 'b'>]>", b"=1+1", "\u0663".encode(), b"%s",
)  # fmt: skip
"""What readers stumble over."""
VALUES: tuple[Any, ...] = (
    None, True, -1, 0, 1, 3, 1e308, float("nan"), float("inf"), 2**31, 2**63, 10**40, "", "nan", "9" * 30, "../x",
    "\ud800", [], {}, [[]], [None], {"id": 1}, [1, 2, 3, 4], "points_5",
)  # fmt: skip


@dataclass(frozen=True)
class Target:
    """Something that reads files."""

    make: Callable[[Path], None]
    """Makes whole ones in a folder."""
    read: Callable[[Path], object]
    """Reads the folder."""
    files: str = "*"
    """A glob for the files that are damaged."""
    others: tuple[type[Exception], ...] = ()
    """Errors that it raises beside ours, by its own word."""
    damage: Callable[[random.Random, bytes], bytes] | None = None
    """What is done to a file; `damaged` by default."""


def damaged(dice: random.Random, data: bytes) -> bytes:
    """A file with a few things wrong: bits, numbers, pieces, its end, or a value somewhere in its JSON."""
    if data[:1] in (b"{", b"[") and dice.random() < 0.5:
        try:
            return _other_value(dice, json.loads(data))
        except ValueError:  # JSON lines, or no JSON at all.
            lines = data.split(b"\n")
            at = dice.randrange(len(lines))
            try:
                lines[at] = _other_value(dice, json.loads(lines[at]))
                return b"\n".join(lines)
            except ValueError:
                pass
    for _ in range(dice.choice([1, 1, 2, 8])):
        data = _edit(dice, data)
    return data


def _edit(dice: random.Random, data: bytes) -> bytes:
    size = max(len(data), 1)
    # Headers are a small part of a file and the part that matters most.
    at = dice.randrange(min(size, 256)) if dice.random() < 0.5 else dice.randrange(size)
    end = at + dice.choice([1, 2, 4, 8, 40, 1000])
    kind = dice.randrange(8)
    if kind == 0 and data:
        return data[:at] + bytes([data[at] ^ 1 << dice.randrange(8)]) + data[at + 1 :]
    if kind == 1:
        return data[:at] + data[end:]
    if kind == 2:
        return data[:end] + data[at:]
    if kind == 3:
        return data[:at]
    if kind == 4:
        number = dice.choice([0, 1, 255, 2**15, 2**31 - 1, 2**32 - 1, 2**63 - 1])
        width = dice.choice([1, 2, 4, 8])
        order = dice.choice(["little", "big"])
        return data[:at] + (number % 256**width).to_bytes(width, order) + data[at + width :]  # type: ignore[arg-type]
    if kind == 5:
        return data[:at] + dice.choice(PIECES) + data[at:]
    if kind == 6:
        tokens = list(re.finditer(rb"[\w.+-]+", data[: 1 << 16]))
        if tokens:
            token = dice.choice(tokens)
            return data[: token.start()] + dice.choice(PIECES) + data[token.end() :]
    return data[:at] + dice.randbytes(min(end, size) - at) + data[end:]


def _other_value(dice: random.Random, document: Any) -> bytes:
    """JSON with another value at one place, or without that place."""
    places = list(_places(document))
    if not places:
        return json.dumps(dice.choice(VALUES)).encode()
    container, key = dice.choice(places)
    if dice.random() < 0.2:
        del container[key]
    else:
        container[key] = copy.deepcopy(dice.choice(VALUES))
    return json.dumps(document).encode()


def _places(document: Any) -> Iterator[tuple[Any, Any]]:
    for key in list(document) if isinstance(document, dict) else range(len(document) if type(document) is list else 0):
        yield document, key
        yield from _places(document[key])


# Images


def _image(**options: Any) -> Target:
    def read(folder: Path) -> None:
        image = images.decode((folder / "image").read_bytes(), "image", LIMIT)
        assert image.pixels.dtype == np.uint8 and image.pixels.shape == (image.height, image.width, 3)
        assert image.pixels.size <= 3 * LIMIT

    return Target(lambda folder: _write(folder / "image", encode(scene(), **options)), read)


def _lossy(**options: Any) -> Target:
    """An image that lost some of its bytes: the picture is like the whole one, or something is said."""
    data = encode(textured(), **options)
    whole = images.decode(data, "image").pixels.astype(int)

    def read(folder: Path) -> None:
        image = images.decode((folder / "image").read_bytes(), "image", LIMIT)
        if image.note:
            return
        assert image.pixels.shape == whole.shape
        difference = np.abs(image.pixels - whole).mean()
        assert difference < UNLIKE, f"differs by {difference:.1f} in silence"

    return Target(lambda folder: _write(folder / "image", data), read, damage=lost)


def lost(dice: random.Random, data: bytes) -> bytes:
    """A file as bad disks and networks leave it: without its end, or without a piece, zeros or rubbish in its place."""
    at, count = dice.randrange(len(data)), dice.choice([1024, 2048, 4096])
    kind = dice.randrange(2 if data[4:8] == b"jP  " else 4)  # JPEG 2000 hides what is lost inside.
    if data[:8] == b"\x89PNG\r\n\x1a\n" and dice.random() < 0.5:  # Its checksums find anything.
        return data[:at] + bytes([data[at] ^ 1 << dice.randrange(8)]) + data[at + 1 :]
    if kind == 0:
        return data[:at]
    if kind == 1:
        return data[:at] + data[at + count :]
    if kind == 2 and data[:2] == b"\xff\xd8":  # Others have decoders that make a picture of anything.
        return data[:at] + dice.randbytes(min(count, len(data) - at)) + data[at + count :]
    return data[:at] + bytes(min(count, len(data) - at)) + data[at + count :]


def _write(path: Path, data: bytes | str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data if isinstance(data, bytes) else data.encode())


# Sources


def _source(name: str) -> Target:
    def make_one(folder: Path) -> None:
        if name.endswith((".avi", ".mp4", ".mkv")):
            make_video(folder / name, frames=5)
        else:
            make(folder / name, {f"{i}/{'x' * 40 * i}.png": encode(scene(), format="PNG") for i in range(3)})

    def read(folder: Path) -> None:
        count = 0
        for source in expand(find([folder / name])):
            count += 1
            with suppress(LandmarksError):
                content = source.load(LIMIT)
                assert isinstance(content, images.Image) or len(content) <= LIMIT
        assert count

    return Target(make_one, read)


def _listed(folder: Path) -> None:
    (folder / "faces").mkdir()
    write_png(folder / "faces" / "a.png", scene())
    _write(folder / "list.txt", "# comment\nfaces\nfaces/a.png\nhttps://example.org/a.jpg\n")


def _read_list(folder: Path) -> None:
    text = (folder / "list.txt").read_bytes()
    if b"://" in text:  # Nothing is fetched here.
        (folder / "list.txt").write_bytes(text.replace(b"://", b":/"))
    find([f"@{folder / 'list.txt'}"])


def _boxes(folder: Path) -> None:
    _write(folder / "boxes.csv", "image,x0,y0,x1,y1,score\na.png,1,2,30,40,0.9\nb.png,,,,,\n")


# Datasets


def _dataset(make_one: Callable[[Path], object], files: str = "**/*.txt") -> Target:
    def read(folder: Path) -> None:
        dataset = read_dataset(folder / "in")
        check_images(dataset)

    return Target(lambda folder: make_one(folder / "in") and None, read, f"in/{files}")


def _mtfl(root: Path) -> None:
    lines = []
    for seed in range(6):
        image, points, labels = draw_face(seed)
        write_png(root / "MTFL" / "AFLW" / f"{seed}.png", image)
        lines.append(mtfl_line(f"AFLW\\{seed}.png", points, labels))
    _write(root / "MTFL" / "training.txt", "\r\n ".join(lines[:4]))
    _write(root / "MTFL" / "testing.txt", "\r\n ".join(lines[4:]))


def _300w(root: Path) -> None:
    for seed, folder in enumerate(("helen/trainset", "ibug")):
        write_png(root / folder / "a.png", draw_face(seed)[0])
        _write(root / folder / "a.pts", pts(face(POINTS_68, seed)))


def _wflw(root: Path) -> None:
    line = wflw_line("0--Parade/0_Parade_1.jpg", face(POINTS_98))
    wflw(root, [line, line.replace("0--Parade/0_Parade_1", "1--Hand/a")], [line])


def _coco(root: Path) -> None:
    coco(root, [entry(face(POINTS_68), bbox=[1, 2, 30, 40]), entry(face(POINTS_68, 1)), entry(None, bbox=[1, 2, 3, 4])])


def _custom(root: Path) -> None:
    columns = [f"{name}_{axis}" for name in POINTS_5.points for axis in "xy"]
    image, points, _ = draw_face(1)
    write_png(root / "a.png", image)
    numbers = ",".join(f"{v:.2f}" for v in points.ravel())
    rows = [f"a.png,train,{numbers},smiling,2,1,2,90,99", f"a.png,val,{',' * 9},,,1,2,90,99"]
    _write(root / "faces.csv", "\n".join([f"image,split,{','.join(columns)},smile,pose,x0,y0,x1,y1", *rows, ""]))


def _zipped(root: Path) -> None:
    _custom(root.parent / "loose")
    loose = sorted((root.parent / "loose").iterdir())
    make(root.parent / "in.zip", {path.name: path.read_bytes() for path in loose})
    shutil.rmtree(root.parent / "loose")


def _prepared(folder: Path) -> None:
    _custom(folder / "raw")
    prepare(read_dataset(folder / "raw"), folder / "in")


def _read_prepared(folder: Path) -> None:
    crops = load_crops(folder / "in")
    for row in range(len(crops.table)):
        crops.picture(row)


# Weights


def _weights(folder: Path) -> None:
    torch.manual_seed(0)
    save_model(Network(SMALL), folder / "w.safetensors", {"note": "untrained"})


def _header(folder: Path) -> None:
    """The header of a weights file by itself, so that its values are damaged and not only its bytes."""
    _weights(folder)
    with safe_open(folder / "w.safetensors", framework="pt") as file:
        (folder / "header.json").write_text(file.metadata()["landmarks"])


def _read_header(folder: Path) -> None:
    text = (folder / "header.json").read_text(errors="replace")
    save_file(load_file(folder / "w.safetensors"), folder / "new.safetensors", {"landmarks": text})
    load_backend(folder / "new.safetensors", "cpu")


_EXPORTED: list[Path] = []


def _onnx(folder: Path) -> None:
    if not _EXPORTED:  # It takes seconds.
        _EXPORTED.append(Path(tempfile.mkdtemp()))
        _weights(_EXPORTED[0])
        export_weights(_EXPORTED[0] / "w.safetensors", _EXPORTED[0] / "w.onnx")
    shutil.copy(_EXPORTED[0] / "w.onnx", folder / "w.onnx")


def _onnx_header(folder: Path) -> None:
    import onnx

    _onnx(folder)
    entries = onnx.load(folder / "w.onnx").metadata_props
    (folder / "header.json").write_text(next(entry.value for entry in entries if entry.key == "landmarks"))


def _read_onnx_header(folder: Path) -> None:
    import onnx

    model = onnx.load(folder / "w.onnx")
    onnx.helper.set_model_props(model, {"landmarks": (folder / "header.json").read_text(errors="replace")})
    (folder / "new.onnx").write_bytes(model.SerializeToString())
    load_backend(folder / "new.onnx")


# Results and runs


def _results(name: str) -> Target:
    return Target(
        lambda folder: write_results(folder, CASES["some without"], [name]),
        lambda folder: read_results(folder, name),
        "**/*.*",
    )


def _begun(folder: Path) -> None:
    """A run that is to go on; in folders of other names than those that are read as datasets."""
    for i in range(12):
        write_png(folder / "in" / f"{i}.png", scene(8 + i))
    annotate(Stub(), find([folder / "in"]), folder / "out", ("jsonl",))


def _go_on(folder: Path) -> None:
    summary = annotate(Stub(), find([folder / "in"]), folder / "out", ("jsonl",))
    assert summary.images == 12


TARGETS: dict[str, Target] = {
    **{f"image-{name}": _image(**options) for name, options in IMAGES.items()},
    **{f"lossy-{name}": _lossy(**options) for name, options in IMAGES.items()},
    **{f"source-{name}": _source(name) for name in ("a.zip", "a.tar", "a.tgz", "a.avi", "a.mp4", "a.mkv")},
    "source-list": Target(_listed, _read_list, "list.txt"),
    "boxes": Target(_boxes, lambda folder: BoxFile(folder / "boxes.csv")),
    "data-mtfl": _dataset(_mtfl),
    "data-300w": _dataset(_300w, "**/*.pts"),
    "data-wflw": _dataset(_wflw),
    "data-celeba": _dataset(lambda root: celeba(root, points=True)),
    "data-cofw": _dataset(lambda root: cofw(root), "**/*.mat"),
    "data-coco": _dataset(_coco, "**/*.json"),
    "data-custom": _dataset(_custom, "*.csv"),
    "data-zip": Target(
        lambda folder: _zipped(folder / "in"), lambda f: check_images(read_dataset(f / "in.zip")), "*.zip"
    ),
    "data-prepared": Target(_prepared, _read_prepared, "in/*"),
    "weights": Target(_weights, lambda folder: load_backend(folder / "w.safetensors", "cpu")),
    "weights-header": Target(_header, _read_header, "header.json"),
    "onnx": Target(_onnx, lambda folder: load_backend(folder / "w.onnx")),
    "onnx-header": Target(_onnx_header, _read_onnx_header, "header.json"),
    "config": Target(
        lambda folder: _write(folder / "c.toml", (ROOT / "weights" / "compact.toml").read_bytes()),
        lambda folder: read_config(folder / "c.toml"),
    ),
    **{f"results-{name}": _results(name) for name in RESULTS},
    "journal": Target(_begun, _go_on, "out/journal.jsonl"),
    "run-file": Target(_begun, _go_on, "out/run.json"),
}


class Bench:
    """A target's files, whole, and a folder in which they are damaged one by one."""

    def __init__(self, target: Target, folder: Path) -> None:
        self.target, self.whole, self.work = target, folder / "whole", folder / "work"
        self.whole.mkdir(parents=True)
        target.make(self.whole)
        files = sorted(path for path in self.whole.glob(target.files) if path.is_file() and path.stat().st_size)
        self.names = [path.relative_to(self.whole) for path in files]
        assert self.names, "there is nothing to damage"
        self.read(None, b"")

    def read(self, name: Path | None, data: bytes) -> None:
        """Read the files, one of which has other content. Raises what it should not."""
        shutil.rmtree(self.work, ignore_errors=True)
        shutil.copytree(self.whole, self.work)
        if name is not None:
            (self.work / name).write_bytes(data)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                self.target.read(self.work)
            except (LandmarksError, *self.target.others) as error:
                if name is None:
                    raise
                assert str(error).strip(), "an error that says nothing"

    def case(self, dice: random.Random) -> tuple[Path, bytes]:
        """One of the files, and damaged content for it."""
        name = dice.choice(self.names)
        return name, (self.target.damage or damaged)(dice, (self.whole / name).read_bytes())


def guided(bench: Bench, folder: Path, seconds: float, hang: float) -> None:
    """Let atheris find inputs that reach new lines of the readers. Does not return."""
    import atheris

    corpus = folder / "corpus"
    corpus.mkdir()
    for i, name in enumerate(bench.names):
        shutil.copy(bench.whole / name, corpus / str(i))
    # Ours alone: torch has more functions than can be instrumented in a minute.
    ours = [vars(module) for name, module in sys.modules.items() if name.startswith("landmarks.")]
    for function in {id(f): f for names in ours for f in names.values() if inspect.isfunction(f)}.values():
        if function.__module__.startswith("landmarks."):
            atheris.instrument_func(function)
    options = [f"-max_total_time={seconds:.0f}", f"-timeout={hang:.0f}", "-rss_limit_mb=4096", "-max_len=65536"]
    atheris.Setup([sys.argv[0], *options, str(corpus)], lambda data: bench.read(bench.names[0], data))
    atheris.Fuzz()


def peak() -> int:
    """Bytes of memory that this process has had at most."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=600, help="for all targets together")
    parser.add_argument("--target", nargs="*", default=list(TARGETS), choices=list(TARGETS), metavar="NAME")
    parser.add_argument("--hang", type=float, default=60, help="seconds that a case may take")
    parser.add_argument("--atheris", action="store_true", help="one target, guided by its coverage; needs atheris")
    parser.add_argument("--seed", type=int, default=time.time_ns() % 2**32)
    arguments = parser.parse_args()
    faulthandler.enable()  # A crash in C ends with the place, too.
    if arguments.atheris:
        (name,) = arguments.target
        with tempfile.TemporaryDirectory() as folder:
            guided(Bench(TARGETS[name], Path(folder)), Path(folder), arguments.seconds, arguments.hang)
    failures = 0
    for name in arguments.target:
        dice, count, found = random.Random(f"{arguments.seed} {name}"), 0, set()
        with tempfile.TemporaryDirectory() as folder:
            bench, before = Bench(TARGETS[name], Path(folder)), peak()
            end = time.monotonic() + arguments.seconds / len(arguments.target)
            while time.monotonic() < end:
                path, data = bench.case(dice)
                keep = Path("fuzz-failures") / f"{name}-{count}" / path
                _write(Path(folder) / "last", data)
                faulthandler.dump_traceback_later(arguments.hang, exit=True)
                count += 1
                try:
                    bench.read(path, data)
                except Exception as error:
                    place = traceback.extract_tb(error.__traceback__)[-1]
                    if (mark := (type(error), place.filename, place.lineno)) not in found:
                        found.add(mark)
                        _write(keep, data)
                        print(f"{name}: {type(error).__name__} at {place.filename}:{place.lineno}: {error} -> {keep}")
                faulthandler.cancel_dump_traceback_later()
                if peak() - before > MEMORY:
                    _write(keep, data)
                    print(f"{name}: {(peak() - before) >> 20} MiB more -> {keep}")
                    found.add("memory")
                    before = peak()
        failures += len(found)
        print(f"{name}: {count} cases, {len(found)} failures", flush=True)
    print(f"seed {arguments.seed}: {failures} failures")
    sys.exit(failures > 0)


if __name__ == "__main__":
    main()
