"""The Dockerfile names what is there, as no engine runs here that could build it."""

from __future__ import annotations

import configparser
import re
import shlex

from tests.helpers.faces import SAMPLES
from tests.wheel import KEPT

ROOT = SAMPLES.parents[1]


def steps():
    """Instruction and words of each step."""
    text = re.sub(r"^#.*\n", "", (ROOT / "Dockerfile").read_text(), flags=re.MULTILINE).replace("\\\n", " ")
    return [(line.split()[0], shlex.split(line)[1:]) for line in text.splitlines() if line.strip()]


def setup():
    parser = configparser.ConfigParser()
    parser.read(ROOT / "setup.cfg")
    return parser


def copied():
    return [word for kind, words in steps() if kind == "COPY" and not words[0].startswith("--") for word in words[:-1]]


def test_it_copies_what_a_wheel_is_made_of():
    assert sorted(copied()) == sorted(KEPT) and all((ROOT / name).exists() for name in copied())


def test_nothing_else_is_sent_to_the_engine():
    lines = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if not line.startswith("#")]
    assert lines[0] == "*" and lines[-1] == "**/__pycache__"
    assert sorted(line[1:] for line in lines[1:-1]) == sorted(copied())


def test_it_installs_extras_that_exist_and_keeps_no_cache():
    installs = [words for kind, words in steps() if kind == "RUN" and "pip" in words]
    assert len(installs) == 2 and all("--no-cache-dir" in words for words in installs)
    (extras,) = re.findall(r"^\.\[(.*)\]$", installs[-1][-1])
    assert set(extras.split(",")) <= set(setup()["options.extras_require"])
    (apt,) = [words for kind, words in steps() if kind == "RUN" and "apt-get" in words]
    assert "--no-install-recommends" in apt and apt[-1] == "/var/lib/apt/lists/*"


def test_it_runs_the_command_as_a_user_without_rights():
    last = max(i for i, (kind, _) in enumerate(steps()) if kind == "FROM")
    kinds = {kind: words for kind, words in steps()[last:]}
    assert kinds["USER"] == ["landmarks"] and kinds["ENTRYPOINT"] == ["[landmarks]"]
    assert "landmarks =" in setup()["options.entry_points"]["console_scripts"]
    assert list(kinds).index("USER") < list(kinds).index("ENTRYPOINT")
