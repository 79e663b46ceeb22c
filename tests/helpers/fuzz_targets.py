"""Everything that reads files: how to make whole ones, and how they are read."""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from landmarks import RunOptions, images, read_results
from landmarks.batch.run import annotate
from landmarks.datasets.dataset import check_images, load_crops, prepare, read_dataset
from landmarks.detection.boxes import BoxFile
from landmarks.errors import LandmarksError
from landmarks.export.file import NETWORK
from landmarks.export.graph import export_model
from landmarks.formats import FORMATS as RESULTS
from landmarks.inference.backend import load_backend
from landmarks.models.network import Network
from landmarks.models.store import Model, save_model
from landmarks.schemes import POINTS_5, POINTS_68, POINTS_98
from landmarks.sources.find import expand, find
from landmarks.training.from_config import read_config
from tests.helpers import fuzz_commands
from tests.helpers.archives import make
from tests.helpers.damage import lost
from tests.helpers.datasets import celeba, coco, cofw, entry, face, pts, wflw, wflw_line
from tests.helpers.faces import SMALL, draw_face, mtfl_line, write_png
from tests.helpers.pictures import FORMATS as IMAGES
from tests.helpers.pictures import encode, scene, textured
from tests.helpers.results import CASES
from tests.helpers.results import write as write_results
from tests.helpers.stub import Stub
from tests.helpers.videos import make_video

ROOT = Path(__file__).resolve().parents[2]

ONNX = ("onnx", "onnxruntime", "onnxscript")

LIMIT = 1_000_000
"""Pixels of an image, at most."""

UNLIKE = 10
"""Mean difference of samples (0 to 255) above which a picture is another one."""


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
    quick: int = 10
    """Cases in the suite."""
    packages: tuple[str, ...] = ()
    """What must be installed for it."""


# Images


def _image(**options: Any) -> Target:
    def read(folder: Path) -> None:
        image = images.decode((folder / "image").read_bytes(), "image", LIMIT)
        assert image.pixels.dtype == np.uint8 and image.pixels.shape == (image.height, image.width, 3)
        assert image.pixels.size <= 3 * LIMIT

    return Target(lambda folder: write(folder / "image", encode(scene(), **options)), read)


def _lossy(**options: Any) -> Target:
    """An image that lost some of its bytes: the picture is like the whole one, or something is said."""

    @cache
    def whole() -> tuple[bytes, np.ndarray]:
        data = encode(textured(), **options)
        return data, images.decode(data, "image").pixels.astype(int)

    def read(folder: Path) -> None:
        image = images.decode((folder / "image").read_bytes(), "image", LIMIT)
        if image.note:
            return
        _, pixels = whole()
        assert image.pixels.shape == pixels.shape
        difference = np.abs(image.pixels - pixels).mean()
        assert difference < UNLIKE, f"differs by {difference:.1f} in silence"

    return Target(lambda folder: write(folder / "image", whole()[0]), read, damage=lost)


def write(path: Path, data: bytes | str) -> None:
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
    write(folder / "list.txt", "# comment\nfaces\nfaces/a.png\nhttps://example.org/a.jpg\n")


def _read_list(folder: Path) -> None:
    text = (folder / "list.txt").read_bytes()
    if b"://" in text:  # Nothing is fetched here.
        (folder / "list.txt").write_bytes(text.replace(b"://", b":/"))
    find([f"@{folder / 'list.txt'}"])


def _boxes(folder: Path) -> None:
    write(folder / "boxes.csv", "image,x0,y0,x1,y1,score\na.png,1,2,30,40,0.9\nb.png,,,,,\n")


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
    write(root / "MTFL" / "training.txt", "\r\n ".join(lines[:4]))
    write(root / "MTFL" / "testing.txt", "\r\n ".join(lines[4:]))


def _300w(root: Path) -> None:
    for seed, folder in enumerate(("helen/trainset", "ibug")):
        write_png(root / folder / "a.png", draw_face(seed)[0])
        write(root / folder / "a.pts", pts(face(POINTS_68, seed)))


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
    write(root / "faces.csv", "\n".join([f"image,split,{','.join(columns)},smile,pose,x0,y0,x1,y1", *rows, ""]))


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


@cache
def _graph() -> bytes:
    """Of a network that exports fast."""
    torch.manual_seed(0)
    config = replace(SMALL, encoder="tcdcn", features=16, tasks=("points_5", "smile"))
    return export_model(Model(Network(config).eval()), (NETWORK,)).parts[NETWORK]


def _onnx(folder: Path) -> None:
    write(folder / "w.onnx", _graph())


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
    annotate(Stub(), find([folder / "in"]), folder / "out", RunOptions(("jsonl",)))


def _go_on(folder: Path) -> None:
    summary = annotate(Stub(), find([folder / "in"]), folder / "out", RunOptions(("jsonl",)))
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
    "data-cofw": replace(_dataset(lambda root: cofw(root), "**/*.mat"), packages=("h5py",)),
    "data-coco": _dataset(_coco, "**/*.json"),
    "data-custom": _dataset(_custom, "*.csv"),
    "data-zip": Target(
        lambda folder: _zipped(folder / "in"), lambda f: check_images(read_dataset(f / "in.zip")), "*.zip"
    ),
    "data-prepared": Target(_prepared, _read_prepared, "in/*"),
    "weights": Target(_weights, lambda folder: load_backend(folder / "w.safetensors", "cpu")),
    "weights-header": Target(_header, _read_header, "header.json"),
    "onnx": Target(_onnx, lambda folder: load_backend(folder / "w.onnx"), packages=ONNX),
    "onnx-header": Target(_onnx_header, _read_onnx_header, "header.json", packages=ONNX),
    "config": Target(
        lambda folder: write(folder / "c.toml", (ROOT / "weights" / "compact.toml").read_bytes()),
        lambda folder: read_config(folder / "c.toml"),
    ),
    **{f"results-{name}": _results(name) for name in RESULTS},
    "journal": Target(_begun, _go_on, "out/journal.jsonl"),
    "run-file": Target(_begun, _go_on, "out/run.json"),
    "commands": Target(
        fuzz_commands.make_folder, fuzz_commands.call, fuzz_commands.ARGUMENTS, (), fuzz_commands.arguments, 60, ONNX
    ),
}
