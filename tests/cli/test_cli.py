import csv
import hashlib
import json
import os
import re
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest
import typer.main

from landmarks import AnnotatorConfig, Summary, __version__, cli, read_results
from landmarks.batch.engines import processes
from landmarks.cli.annotate import summary_lines
from landmarks.cli.commands import COMMANDS, app, loaded
from landmarks.detection.create import DETECTORS
from landmarks.evaluation import calibrate
from landmarks.formats import FORMATS, formats_in
from landmarks.models.encoders import MAKERS
from tests.helpers.commands import run
from tests.helpers.faces import draw_face, write_png


@pytest.fixture
def images(tmp_path):
    for seed in range(3):
        write_png(tmp_path / "in" / f"{seed}.png", draw_face(seed)[0])
    return tmp_path / "in"


def test_annotate(monkeypatch, images, small_weights, tmp_path, capsys):
    out = tmp_path / "out"
    options = ("--out", out, "--weights", small_weights, "--whole-image", "--draw", "--format", "csv,jsonl")
    assert run(monkeypatch, "annotate", images, *options) == 0
    assert {p.name for p in out.iterdir()} == {
        "images.csv", "failures.csv", "faces.csv", "faces.jsonl", "review.csv", "schema.json", "drawings",
        "journal.jsonl", "journal.lock", "run.json",
    }  # fmt: skip
    captured = capsys.readouterr()
    assert captured.out == "" and "3 images (3 ok), 3 faces" in captured.err


def test_annotate_in_every_format(monkeypatch, images, small_weights, tmp_path):
    out = tmp_path / "out"
    options = ("--out", out, "--weights", small_weights, "--whole-image", "--quiet", "--coords", "original")
    options += ("--format", ",".join(FORMATS), "--chips", 64, "--chip-format", "jpg")
    assert run(monkeypatch, "annotate", images, *options) == 0
    assert set(formats_in(out)) == set(FORMATS)
    assert sorted(path.name for path in (out / "chips").iterdir()) == [f"{i}.png.0.jpg" for i in range(3)]
    assert json.loads((out / "schema.json").read_text())["coordinates"]["frame"] == "original"
    assert all(len(read_results(out, name)) == 3 for name in FORMATS)


def test_annotate_crops_a_face_as_often_as_is_asked_for(monkeypatch, images, small_weights, tmp_path):
    seen = {}
    for passes in (1, 2, 3):
        out = tmp_path / str(passes)
        options = ("--weights", small_weights, "--whole-image", "--quiet", "--passes", passes, "--out", out)
        assert run(monkeypatch, "annotate", images, *options) == 0
        assert json.loads((out / "run.json").read_text())["settings"]["passes"] == passes
        seen[passes] = read_results(out)["nose_x"].tolist()
    assert len({tuple(places) for places in seen.values()}) == 3


def test_annotate_only_the_largest(monkeypatch, images, small_weights, tmp_path):
    boxes = tmp_path / "boxes.csv"
    boxes.write_text("image,x0,y0,x1,y1\n0.png,0,0,50,50\n0.png,10,10,150,150\n0.png,0,0,60,60\n1.png,0,0,20,20\n")
    options = ("--weights", small_weights, "--boxes", boxes, "--quiet", "--max-faces", 2, "--min-face-size", 55)
    assert run(monkeypatch, "annotate", images, "--out", tmp_path / "out", *options) == 0
    frame = read_results(tmp_path / "out")
    assert frame[["image", "x1"]].to_numpy().tolist() == [["0.png", 150], ["0.png", 60]]


def test_annotate_ends_with_1_if_an_image_failed(monkeypatch, images, small_weights, tmp_path, capsys):
    (images / "bad.jpg").write_text("text")
    options = ("--out", tmp_path / "out", "--weights", small_weights, "--whole-image")
    assert run(monkeypatch, "annotate", images, images / "gone.png", *options) == 1
    assert "bad.jpg" in capsys.readouterr().err
    with open(tmp_path / "out" / "failures.csv", newline="") as file:
        assert [row["status"] for row in csv.DictReader(file)] == ["unreadable", "missing"]


def test_names_are_text_and_nothing_else(monkeypatch, small_weights, tmp_path, capsys):
    """The name of a file, perhaps from an archive or a server, moves no cursor, turns no line and sets no colour."""
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "\x1b[2J\x9b31m\u202e[red]:smile:.png").write_text("no image")
    options = ("--out", tmp_path / "out", "--weights", small_weights, "--whole-image", "--workers", 0)
    assert run(monkeypatch, "annotate", tmp_path / "in", *options) == 1
    assert "\\x1b[2J\\x9b31m\\u202e[red]:smile:.png: this is not an image" in capsys.readouterr().err


def test_annotate_with_own_boxes(monkeypatch, images, small_weights, tmp_path):
    boxes = tmp_path / "boxes.csv"
    boxes.write_text("image,x0,y0,x1,y1\n0.png,10,10,150,150\n0.png,0,0,50,50\n2.png,20,20,140,140\n")
    options = ("--out", tmp_path / "out", "--weights", small_weights, "--boxes", boxes, "--quiet")
    assert run(monkeypatch, "annotate", images, *options) == 0
    with open(tmp_path / "out" / "images.csv", newline="") as file:
        assert [(r["image"], r["status"], r["faces"]) for r in csv.DictReader(file)] == [
            ("0.png", "ok", "2"), ("1.png", "no_face", "0"), ("2.png", "ok", "1"),
        ]  # fmt: skip


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("annotate", "IN", "--out", "OUT", "--weights", "gone"), "no such weights; give"),
        (("annotate", "IN", "--out", "OUT", "--weights", "compct"), "no such weights; did you mean 'compact'? give"),
        (("annotate", "IN", "--out", "OUT", "--weights", "IN/0.png"), "not a whole safetensors file"),
        (("annotate", "IN", "--out", "OUT", "--weights", "W", "--scheme", "points_68"), "no head for 68 landmarks"),
        (("review", "IN/gone"), "is not there; name the folder given to"),
        (("annotate", "IN", "--out", "OUT", "--weights", "W", "--format", "doc"), "unknown format 'doc'"),
        (
            ("annotate", "IN", "--out", "OUT", "--weights", "W", "--coords", "doc"),
            "unknown frame of coordinates 'doc'; known: upright, original",
        ),
        (("annotate", "IN", "--out", "OUT", "--weights", "W", "--chips", "64", "--chip-format", "gif"), ".png or .jpg"),
        (("annotate", "IN", "--out", "OUT", "--weights", "W", "--chips", "9999"), "8 to 4096 pixels"),
        (("annotate", "IN", "--out", "OUT", "--weights", "W", "--detector", "eyes"), "eyes"),
        (("annotate", "IN", "--out", "OUT/x/y", "--weights", "W", "--detector", "yunet"), "LANDMARKS_YUNET"),
        (("annotate", "EMPTY", "--out", "OUT", "--weights", "W"), "EMPTY"),
        (("annotate", "IN", "--out", "IN/0.png/out", "--weights", "W"), "cannot be written (Not a directory); choose"),
        (("data", "info", "EMPTY"), "no dataset known"),
        (("evaluate", "--data", "EMPTY", "--weights", "W"), "no dataset known"),
        (("train", "none.toml", "--data", "EMPTY", "--out", "OUT"), "none.toml"),
        (("train", "GRID", "--data", "EMPTY", "--out", "OUT"), "arms: unknown key"),
        (("train", "TRAIN", "--data", "EMPTY", "--out", "OUT", "--set", "epochs=1.5"), "must be a whole number"),
        (("train", "TRAIN", "--data", "EMPTY", "--out", "OUT", "--encoder", "comapct"), "did you mean 'compact'?"),
        (("annotate", "IN", "--whole-image", "--out", ""), "--out: is empty, as a variable of the shell may be"),
        (("annotate", "IN", "--whole-image", "--out="), "--out: is empty"),
        (("annotate", "", "--whole-image", "--out", "OUT"), "a source is empty"),
        (("data", "prepare", "EMPTY", "--out", ""), "--out: is empty"),
        (("compare",), "give a grid and --data, or --example"),
        (("compare", "--example", "--set", "epochs=1", "--out", "OUT"), "--example has none"),
        (
            ("compare", "GRID", "--data", "EMPTY", "--faces", "IN/0.png"),
            "0.png: is no folder; give one with photographs",
        ),
        (("compare", "--example", "GRID", "--out", "OUT"), "--example takes nothing but the word full"),
        (("compare", "--example", "full", "--data", "EMPTY", "--out", "OUT"), "--example takes nothing but the word"),
        (("compare", "full", "--example", "--arm", "alone", "--out", "OUT"), "no arm 'alone' in the grid"),
        (
            ("compare", "GRID", "--data", "EMPTY", "--out", "OUT", "--arm", "oen"),
            "'oen' in the grid; did you mean one",
        ),
        (("compare", "GRID", "--data", "EMPTY", "--out", "OUT", "--set", "epoch=1"), "did you mean 'epochs'?"),
    ],
)
def test_wrong_calls_end_in_one_sentence_and_2(
    monkeypatch, images, small_weights, tmp_path, capsys, arguments, message
):
    (tmp_path / "EMPTY").mkdir()
    (tmp_path / "grid.toml").write_text("[[arms]]\nname = 'one'\n[[arms]]\nname = 'two'")
    (tmp_path / "train.toml").write_text("[training]\nepochs = 1")
    places = {
        "GRID": tmp_path / "grid.toml",
        "TRAIN": tmp_path / "train.toml",
        "IN": images,
        "OUT": tmp_path / "out",
        "EMPTY": tmp_path / "EMPTY",
        "W": small_weights,
    }
    filled = []
    for argument in arguments:
        head, _, rest = argument.partition("/")
        filled.append(f"{places[head]}/{rest}".rstrip("/") if head in places else argument)
    assert run(monkeypatch, *filled) == 2
    error = " ".join(capsys.readouterr().err.split())
    assert message in error.replace(str(tmp_path), "") and "Traceback" not in error


def test_unknown_option_is_2(monkeypatch):
    assert run(monkeypatch, "annotate", "--bogus") == 2


def test_data_to_weights_to_figures(monkeypatch, mtfl, tmp_path, capsys):
    """The whole training river by commands alone."""
    assert run(monkeypatch, "data", "check", mtfl) == 0
    assert run(monkeypatch, "data", "info", mtfl) == 0
    assert "48 faces" in capsys.readouterr().out
    assert run(monkeypatch, "data", "prepare", mtfl, "--out", tmp_path / "p") == 0
    config = tmp_path / "c.toml"
    config.write_text(
        "[network]\ninput_size = 48\nfeatures = 32\n[training]\nepochs = 1\nbatch_size = 16\nworkers = 0\n"
    )
    assert (
        run(monkeypatch, "train", config, "--data", tmp_path / "p", "--out", tmp_path / "run", "--device", "cpu") == 0
    )
    captured = capsys.readouterr()
    assert "epoch 1: points_5 " in captured.err and "weights: " in captured.out
    weights = tmp_path / "run" / "weights.safetensors"
    assert run(monkeypatch, "weights", "info", weights) == 0
    assert hashlib.sha256(weights.read_bytes()).hexdigest() in capsys.readouterr().out
    calibrated = tmp_path / "c.safetensors"
    assert run(monkeypatch, "calibrate", weights, "--data", tmp_path / "p", "--out", calibrated) == 2
    assert "4 validation faces" in capsys.readouterr().err and not calibrated.exists()
    monkeypatch.setattr(calibrate, "LEAST_FACES", 4)
    assert run(monkeypatch, "calibrate", weights, "--data", tmp_path / "p", "--out", calibrated) == 0
    assert "temperature" in capsys.readouterr().out
    options = ("--weights", calibrated, "--data", mtfl, "--split", "val", "--device", "cpu")
    assert run(monkeypatch, "evaluate", *options, "--out", tmp_path / "r.json", "--plots", tmp_path / "plots") == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert "balanced accuracy" in shown and "rank correlation" in shown and (tmp_path / "r.json").is_file()
    assert {path.name for path in (tmp_path / "plots").iterdir()} == {"ced.png", "reliability.png"}


def test_train_takes_several_datasets_and_another_encoder(monkeypatch, prepared, tmp_path, capsys):
    config = tmp_path / "c.toml"
    config.write_text(
        "[network]\ninput_size = 64\nfeatures = 32\n[training]\nepochs = 1\nbatch_size = 16\nworkers = 0\ndraws = 16\n"
    )
    options = ("--data", prepared, "--data", prepared, "--encoder", "torchvision:mobilenet_v3_small", "--device", "cpu")
    assert run(monkeypatch, "train", config, *options, "--out", tmp_path / "run") == 0
    assert run(monkeypatch, "weights", "info", tmp_path / "run" / "weights.safetensors") == 0
    assert "torchvision:mobilenet_v3_small" in capsys.readouterr().out


def test_check_lists_problems(monkeypatch, tmp_path, capsys):
    (tmp_path / "faces.csv").write_text("image,split\ngone.png,train\n")
    assert run(monkeypatch, "data", "check", tmp_path) == 1
    assert "gone.png" in capsys.readouterr().err
    (tmp_path / "faces.csv").write_text("image,split,smiling\ngone.png,train,1\n")
    assert run(monkeypatch, "data", "check", tmp_path) == 1
    shown = capsys.readouterr()
    assert "'smiling' (perhaps 'smile')" in shown.err and "1 faces, 2 problems" in shown.out
    (tmp_path / "faces.csv").write_text("image,smile\na.png,grin\n")
    assert run(monkeypatch, "data", "check", tmp_path) == 1
    assert "faces.csv line 2: smile must be" in capsys.readouterr().err
    assert run(monkeypatch, "data", "check", tmp_path / "nowhere") == 2


def test_preparing_without_images_fails_in_one_sentence(monkeypatch, tmp_path, capsys):
    lines = "".join(f"{i}.png,1,1,90,90\n" for i in range(80))
    (tmp_path / "faces.csv").write_text("image,x0,y0,x1,y1\n" + lines)
    assert run(monkeypatch, "data", "prepare", tmp_path, "--out", tmp_path / "p") == 2
    shown = capsys.readouterr()
    assert "80 of 80 faces cannot be used: 80 without their image" in shown.err
    assert len(shown.err.strip().splitlines()) == 1 and not shown.out.strip()


@pytest.mark.parametrize(
    "command",
    [(), ("annotate",), ("live",), ("train",), ("calibrate",), ("evaluate",), ("export",), ("benchmark",), ("compare",),
     ("data", "prepare"), ("data", "info"), ("data", "check"),
     ("weights", "list"), ("weights", "info"), ("weights", "verify")],
)  # fmt: skip
def test_help_shows_an_example(monkeypatch, capsys, command):
    assert run(monkeypatch, *command, "--help") == 0
    out = capsys.readouterr().out
    assert not command or "Example: landmarks" in " ".join(out.split())


@pytest.mark.skipif(os.name == "nt", reason="asks bash for completions")
def test_the_shell_completes(tmp_path):
    """What bash asks for: the names of commands, and of a command's options."""
    for words, wanted in (
        ("landmarks an", "annotate"),
        ("landmarks annotate --met", "--metrics"),
        ("landmarks data prep", "prepare"),
        ("landmarks data prepare --uns", "--unseen"),
    ):
        asks = {"_LANDMARKS_COMPLETE": "complete_bash", "COMP_WORDS": words, "COMP_CWORD": str(words.count(" "))}
        program = "import sys; sys.argv[0] = 'landmarks'; from landmarks.cli import main; main()"
        done = subprocess.run([sys.executable, "-c", program], env=os.environ | asks, capture_output=True, text=True)
        assert done.stdout.split() == [wanted]


def out_of(capsys) -> str:
    """What went to the standard output, without frames and the ends of lines."""
    return " ".join(capsys.readouterr().out.replace("│", " ").split())


def test_version(monkeypatch, capsys):
    assert run(monkeypatch, "--version") == 0
    assert capsys.readouterr().out == f"landmarks {__version__}\n"


def test_options_come_in_groups(monkeypatch, capsys):
    """Every option of `annotate` is in one of six groups, and --help in none."""
    assert run(monkeypatch, "annotate", "--help") == 0
    out = capsys.readouterr().out
    starts = [
        out.index(f"─ {name} ") for name in ("Options", "Input", "Faces", "Output", "Machine", "Resume", "Logging")
    ]
    assert starts == sorted(starts) and out[starts[0] : starts[1]].count("--") == 1
    assert "--fresh" in out[starts[-2] :] and "--log" in out[starts[-1] :] and "--out" in out[starts[3] : starts[4]]


@pytest.mark.parametrize("command", ["annotate", "export", "compare"])
def test_brackets_in_help_are_text(monkeypatch, capsys, command):
    assert run(monkeypatch, command, "--help") == 0
    doc = " ".join((getattr(import_module(f"landmarks.cli.{command}"), command).__doc__ or "").split())
    assert doc and doc in " ".join(capsys.readouterr().out.split())


@pytest.mark.parametrize(
    ("command", "known"),
    [
        (("annotate",), FORMATS),
        (("annotate",), DETECTORS),
        (("live",), DETECTORS),
        (("benchmark",), DETECTORS),
        (("compare",), DETECTORS),
        (("data", "prepare"), DETECTORS),
        (("evaluate",), DETECTORS),
        (("train",), MAKERS),
    ],
)
def test_help_names_what_is_registered(monkeypatch, capsys, command, known):
    assert run(monkeypatch, *command, "--help") == 0
    assert f"{', '.join(known)}, " in f"{out_of(capsys)}, ".replace(". ", ", ")


def test_the_list_of_commands_says_what_their_help_begins_with(monkeypatch, capsys):
    for name, place in COMMANDS.items():
        paragraph = (loaded(typer.main.get_command(app).commands[name]).help or "").split("\n\n")[0]
        assert " ".join(paragraph.split()) == place.about
    assert run(monkeypatch, "--help") == 0
    told = out_of(capsys)
    assert all(f"{name} {place.about}" in told for name, place in COMMANDS.items())


def test_a_command_that_is_mistyped(monkeypatch, capsys):
    assert run(monkeypatch, "anotate", "photos") == 2
    assert "Did you mean 'annotate'?" in capsys.readouterr().err


EVERY = [(name,) for name in COMMANDS if name not in ("data", "corrections", "weights")]
EVERY += [("data", "prepare"), ("corrections", "import"), ("weights", "info")]


@pytest.mark.parametrize("command", [(), *EVERY])
def test_help_imports_little(command, tmp_path):
    """Nothing that computes, no other command, no drawing of what is not drawn."""
    code = (
        "import sys; sys.argv = ['landmarks', *sys.argv[1:], '--help']\n"
        "from landmarks.cli import main\n"
        "try: main()\n"
        "except SystemExit: print(*sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code, *command], capture_output=True, text=True, check=True)
    modules = set(done.stdout.splitlines()[-1].split())
    assert not modules & {"numpy", "cv2", "torch", "pandas", "pyarrow", "PIL", "av", "onnxruntime", "rich.markdown"}
    own = {COMMANDS[name].module for name in command[:1]}
    assert {place.module for place in COMMANDS.values() if f"landmarks.cli.{place.module}" in modules} == own


def test_one_image(monkeypatch, images, small_weights, tmp_path, capsys):
    """The time of one image says nothing of a speed, and it is no `1 images`."""
    options = ("--out", tmp_path / "out", "--weights", small_weights, "--whole-image", "--workers", 0)
    assert run(monkeypatch, "annotate", images / "0.png", *options) == 0
    assert f"1 image (1 ok), 1 face -> {tmp_path / 'out'}" in " ".join(capsys.readouterr().err.split())
    assert run(monkeypatch, "annotate", images, *options) == 0
    assert re.search(
        r"3 images \(3 ok\), 3 faces, 1 of the images done before, [\d.]+ images/s", capsys.readouterr().err
    )


def test_import_is_cheap():
    """Neither torch nor OpenCV is loaded before it is used."""
    code = "import sys, landmarks, landmarks.cli; print([m for m in ('torch', 'cv2', 'pandas') if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "[]"


@pytest.mark.skipif(os.name == "nt", reason="needs a POSIX shell")
@pytest.mark.parametrize("closed", ["<&-", "2>&-", "<&- >&-", "<&- >&- 2>&-", "2>/dev/full"])
def test_streams_that_are_closed_or_full(tmp_path, closed):
    """Service managers and cron start programs so; the next files opened would take the streams' numbers."""
    if "full" in closed and not Path("/dev/full").exists():
        pytest.skip("needs /dev/full")
    write_png(tmp_path / "in" / "a.png", draw_face(0)[0])
    options = "--out out --whole-image --device cpu --workers 0"  # the shipped network: torch would take seconds
    command = f"'{sys.executable}' -m landmarks annotate in {options} {closed}"
    done = subprocess.run(["sh", "-c", command], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0 and "Traceback" not in done.stderr
    lines = (tmp_path / "out" / "images.csv").read_text().splitlines()
    assert len(lines) == 2 and lines[1].startswith("a.png,ok,1,")


@pytest.mark.parametrize(
    ("facts", "lines"),
    [
        ({"statuses": {"ok": 2}}, []),
        (
            {"statuses": {"ok": 2, "missing": 1, "error": 2}, "doubtful": 3, "upside_down": 1},
            ["failed: 3 images; see out/failures.csv", "doubtful: 3 faces, 1 face upside down; see out/review.csv"],
        ),
        (
            {"statuses": {"ok": 1}, "doubtful": 1, "boxes_unused": 2},
            [
                "doubtful: 1 face; see out/review.csv",
                "boxes: 2 names without an image, 0 images without a row; see out/boxes_unmatched.csv",
            ],
        ),
    ],
)
def test_the_summary_says_what_to_look_at_next(facts, lines):
    summary = Summary(**({"faces": 4, "seconds": 1.0, "done": 1, "stages": {"read": 1.0}} | facts))
    assert summary_lines(summary, Path("out"))[1:-1] == lines


@pytest.mark.parametrize(
    ("words", "early"),
    [
        (["annotate", "photos", "--out", "out"], True),
        (["annotate", "photos", "--out", "out", "--workers", "2"], True),
        (["annotate", "photos", "--out", "out", "--workers", "0"], False),
        (["annotate", "photos", "--out", "out", "--workers=0"], False),
        (["annotate", "photos", "--out", "out", "--weights=mine.safetensors"], False),
        (["annotate", "photos", "--out", "out", "--device", "cuda"], False),
        (["annotate", "--help"], False),
        (["report", "annotate"], False),
        ([], False),
    ],
)
def test_workers_of_a_usual_call_import_at_once(monkeypatch, words, early):
    """They import what the command itself has them import later, and open their networks; or nothing yet."""
    asked = []
    monkeypatch.setenv("OPENBLAS_NUM_THREADS", "1")
    monkeypatch.setattr("landmarks.device.DRIVERS", ())  # Where there is a GPU it is asked for torch.
    monkeypatch.setattr(processes, "prepare", asked.append)
    cli._start_early(["landmarks", *words])
    assert asked == ([[*AnnotatorConfig().preload, processes.OPENED]] if early else [])
