"""Any command with any options in any order: it ends with 0, 1 or 2 and a sentence, never with a traceback.

The work of one call is bounded: a few small images, a network of nothing, one epoch. What is left out for that: URLs,
Ray, `compare --example`, several workers or trainings at once, shipped weights other than `compact`.
"""

from __future__ import annotations

import io
import json
import os
import random
import re
import sys
import warnings
from collections.abc import Iterator
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

import torch
import typer

from landmarks import cli
from landmarks.cli.commands import app, loaded
from landmarks.datasets.dataset import prepare, read_dataset
from landmarks.models.network import Network
from landmarks.models.store import save_model
from tests.helpers.faces import SMALL, draw_face, mtfl_line, write_png
from tests.helpers.pictures import scene

ARGUMENTS = "arguments.json"
"""The file of a case: the words after `landmarks`."""
PLACES = (
    "in", "in/a.png", "in/*.png", "in/none.png", "@list.txt", "-", "boxes.csv", "w.safetensors", "prepared", "MTFL",
    "grid.toml", "train.toml", "empty", "junk.bin", "junk.bin/x", "none", "none/deep/er", ".", "out", "in/out", "*.zip",
)  # fmt: skip
"""What a path may be: nothing outside the folder, where a case would leave something."""
ODD = (
    "", " ", "-1", "0", "1", "2", "3", "1.5", "nan", "inf", "1e3", "1e400", "99999999999999999999", "x", "None", "true",
    "--", "-", "ä", "日本", "\udcff", "a\nb", "%s", "[red]", "{00..01}", "1/2", "2/1", "0/0", "a=b", "=", "a,b", "'",
)  # fmt: skip
WORDS = {
    "weights": ("w.safetensors", "w.safetensors", "compact", "Compact", "junk.bin"),
    "detector": ("whole-image", "whole-image", "boxes.csv", "centerface:0", "centerface:x", "yunet", "whole-image:3"),
    "device": ("cpu", "auto", "cuda", "cuda:7", "cpu,cpu", "meta", "mps", "xla"),
    "backend": ("torch", "onnx"),
    "tasks": ("smile", "smile,pose", "smile,smile", "gender, glasses", "points_5", ""),
    "scheme": ("5", "68", "98", "0", "-5"),
    "format": ("csv", "parquet,csv,jsonl", "coco,pts,yolo,cvat,labelstudio", "csv,csv", "doc", "onnx"),
    "coords": ("upright", "original"),
    "chip_format": ("png", "jpg", "gif"),
    "chips": ("8", "64", "4096", "7", "9999"),
    "engine": ("local", "Local", "slurm"),
    "shard": ("1/1", "1/2", "2/2", "3/2", "0/1", "-1/-1", "1/0"),
    "every": ("1", "1000000000000", "0"),
    "workers": ("0", "0", "-1", "1,x", ","),
    "timeout": ("1", "300", "1e300", "nan", "inf"),
    "split": ("train", "val", "test", "tset"),
    "passes": ("1", "2", "0"),
    "jobs": ("1", "0", "-1"),
    "threads": ("1", "2", "0", "-2"),
    "rounds": ("0", "1", "-1"),
    "images": ("0", "-1"),
    "side": ("32", "31", "64"),
    "seed": ("0", "1", "-1", "18446744073709551616", "99999999999999999999999"),
    "encoder": ("compact", "tcdcn", "comapct", "torchvision:", "torchvision:none", "resnet"),
    "start": ("w.safetensors", "compact", "junk.bin"),
    "arm": ("one", "two", "oen", ""),
    "settings": (
        "epochs=1", "epochs=0", "epochs=-1", "epochs=1.5", "epochs='1'", "batch_size=0", "batch_size=1", "seeds=1",
        "learning_rate=nan", "learning_rate=1e300", "learning_rate=-1", "tasks=[]", "tasks=['smile']", "faces=3",
        "network=tcdcn", "network.tasks=['points_5']", "network.input_size=0", "network.input_size=-3", "training=3",
        "network.features=0", "stopping.kind=global", "stopping.kind=later", "stopping={}", "weighting=pcgrad",
        "weighting=none", "source_weights={none=1}", "source_weights={}", "task_weights={smile=-1}", "a.b.c.d=1",
        "seed=18446744073709551616", "precision=float8", "draws=0", "draws=3", "reference=two", "reference=none",
        "defaults.epochs=1", "groups={}", "arms=[]", "network=", "=1", "epochs", "epochs==", "[a]=1", "crop_scale=0",
        "crop_scale=nan", "width=0", "width=1e9", "weight_decay=-1", "strength=nan", "distance=none", "workers=0",
    ),
}  # fmt: skip
"""Words that mean something, by the option; some that are wrong by a little."""
SOUND = {
    ("annotate",): ["in", "--out", "out", "--weights", "w.safetensors", "--whole-image", "--device", "cpu"],
    ("train",): ["train.toml", "--data", "prepared", "--out", "out", "--device", "cpu", "--threads", "1"],
    ("calibrate",): ["w.safetensors", "--data", "prepared", "--out", "out.safetensors"],
    ("evaluate",): ["--data", "MTFL", "--weights", "w.safetensors", "--device", "cpu", "--detector", "whole-image"],
    ("compare",): ["grid.toml", "--data", "prepared", "--out", "out", "--detector", "whole-image", "--device", "cpu"],
    ("benchmark",): ["in", "--weights", "w.safetensors", "--detector", "whole-image", "--rounds", "1"],
    ("export",): ["w.safetensors", "--out", "out"],
    ("data", "prepare"): ["MTFL", "--out", "out"],
    ("data", "info"): ["MTFL"],
    ("data", "check"): ["prepared"],
    ("weights", "list"): [],
    ("weights", "info"): ["w.safetensors"],
    ("weights", "verify"): [],
}
"""A call of each command that does its work."""
UNBOUNDED = {"passes", "rounds", "images", "jobs", "workers"}
"""Options that say how much is done: none of the large values."""
LEFT_OUT = {"--example", "--ray-address", "--peers"}
PYTHONS_WORDS = re.compile(r"Traceback|\[Errno|NoneType|has no attribute|not subscriptable|object is not|<class '")
"""What a sentence for people does not say."""


def make_folder(folder: Path) -> None:
    """Everything that SOUND names, and a few things that are wrong."""
    for seed in range(2):
        write_png(folder / "in" / f"{'ab'[seed]}.png", scene(seed + 8))
    (folder / "in" / "broken.jpg").write_bytes(b"\xff\xd8\xff\xe0 no picture")
    (folder / "list.txt").write_text("in/a.png\nin/none.png\n")
    (folder / "boxes.csv").write_text("image,x0,y0,x1,y1,score\na.png,1,2,30,40,0.9\nb.png,,,,,\n")
    (folder / "junk.bin").write_bytes(bytes(range(256)))
    (folder / "empty").mkdir()
    lines = []
    for seed in range(12):
        picture, points, labels = draw_face(seed)
        place = "AFLW" if seed >= 8 else "net_7876"
        write_png(folder / "MTFL" / place / f"{seed}.png", picture)
        lines.append(mtfl_line(f"{place}\\{seed}.png", points, labels))
    (folder / "MTFL" / "training.txt").write_text("\r\n ".join(lines[:8]))
    (folder / "MTFL" / "testing.txt").write_text("\r\n ".join(lines[8:]))
    prepare(read_dataset(folder / "MTFL"), folder / "prepared")
    torch.manual_seed(0)
    save_model(Network(SMALL), folder / "w.safetensors", {"note": "untrained"})
    quick = "epochs = 1\nbatch_size = 4\nprecision = 'float32'\n"
    (folder / "train.toml").write_text(
        f"[network]\ninput_size = 48\nfeatures = 16\n[training]\nworkers = 0\nsource_weights = {{}}\n{quick}"
    )
    arms = "[[arms]]\nname = 'one'\ntasks = ['points_5']\n[[arms]]\nname = 'two'\ntasks = ['points_5', 'smile']\n"
    (folder / "grid.toml").write_text(f"[defaults]\nseeds = 1\n{quick}{arms}")
    (folder / ARGUMENTS).write_text("[]")


def arguments(dice: random.Random, _: bytes = b"") -> bytes:
    """Words for `landmarks`, as JSON: a sound call with changes, or any options at all."""
    commands = dict(_commands(typer.main.get_command(app)))
    way = dice.choice(list(SOUND))
    parameters = [parameter for parameter in commands[way].params if not LEFT_OUT & set(parameter.opts)]
    parts = _parts(SOUND[way]) if dice.random() < 0.8 else []
    for _ in range(dice.choice([0, 1, 1, 2, 3, 6])):
        parts.append(_given(dice, dice.choice(parameters)) if parameters else [dice.choice(ODD)])
    if parts and dice.random() < 0.3:
        del parts[dice.randrange(len(parts))]
    if dice.random() < 0.1:
        parts.append([dice.choice((*ODD, "--bogus", "--version", "--help", "-x"))])
    if dice.random() < 0.7:
        dice.shuffle(parts)
    words = [word for part in parts for word in part]
    if way == ("annotate",) and "--workers" not in words:
        words += ["--workers", "0"]
    before = [dice.choice((*ODD, "--version", "--help"))] if dice.random() < 0.03 else []
    if dice.random() < 0.03:
        way = way[: dice.randrange(len(way))]
    return json.dumps([*before, *way, *words]).encode()


def call(folder: Path) -> None:
    """Run a case's command in its folder. Raises AssertionError for an end that it must not have."""
    words = json.loads((folder / ARGUMENTS).read_text())
    output, errors = (io.TextIOWrapper(io.BytesIO(), "utf-8", how) for how in ("strict", "backslashreplace"))
    code = 0
    before, shown, threads, here = (sys.argv, sys.stdin), warnings.showwarning, torch.get_num_threads(), Path.cwd()
    try:
        sys.argv, sys.stdin = ["landmarks", *words], io.TextIOWrapper(io.BytesIO(b"in/a.png\n"))
        os.chdir(folder)
        with redirect_stdout(output), redirect_stderr(errors):
            cli.main()
    except SystemExit as stop:
        code = stop.code  # type: ignore[assignment]
    finally:
        os.chdir(here)
        (sys.argv, sys.stdin), warnings.showwarning = before, shown
        torch.set_num_threads(threads)
    said, shown_too = (stream.buffer.getvalue().decode() for stream in (_flushed(errors), _flushed(output)))
    assert code in (0, 1, 2, None), f"exit code {code!r}"
    assert not code or said.strip() or shown_too.strip(), f"exit code {code} without a word"
    assert not PYTHONS_WORDS.search(said), f"Python's words: {said[-1000:]}"


def _flushed(stream: io.TextIOWrapper) -> Any:
    stream.flush()
    return stream


def _commands(command: Any, way: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    command = loaded(command)
    if hasattr(command, "commands"):
        for name, inner in command.commands.items():
            yield from _commands(inner, (*way, name))
    else:
        yield way, command


def _parts(words: list[str]) -> list[list[str]]:
    """Words by what belongs together: an option and its value, or one word."""
    parts: list[list[str]] = []
    for word in words:
        if parts and len(parts[-1]) == 1 and parts[-1][0].startswith("--") and parts[-1][0] != "--whole-image":
            parts[-1].append(word)
        else:
            parts.append([word])
    return parts


def _given(dice: random.Random, parameter: Any) -> list[str]:
    """A parameter with a value, or what happens to it: without one, or joined to it by a sign."""
    known = (*WORDS.get(parameter.name or "", PLACES), *PLACES[:2])
    odd = [word for word in ODD if parameter.name not in UNBOUNDED or not word.isdecimal()]
    value = dice.choice(odd) if dice.random() < 0.3 else dice.choice(known)
    if parameter.param_type_name == "argument":
        return [value]
    option = dice.choice(parameter.opts)
    if getattr(parameter, "is_flag", False):
        return [option] if dice.random() < 0.95 else [f"{option}={value}"]
    if dice.random() < 0.03:
        return [option]
    return [f"{option}={value}"] if dice.random() < 0.1 else [option, value]
