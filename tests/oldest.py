"""Run the tests with the oldest packages that setup.cfg allows.

    python tests/oldest.py --python 3.10
    python tests/oldest.py --python 3.10 -- -x tests/formats

makes an environment with that Python, in which every package of setup.cfg has its lower bound and what those need is
new, and runs pytest there. Where a bound no longer installs or works, raise it in setup.cfg. uv, of the extra `dev`,
finds the versions in seconds and fetches many at once; torch alone, with what it needs, is 3 GB.

opencv-python-headless, which Albumentations needs, lies in the same folder as opencv-python: it is as old, or else that
one would be hidden by a new one.
"""

from __future__ import annotations

import argparse
import configparser
import re
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def setup() -> configparser.ConfigParser:
    parser = configparser.ConfigParser()
    parser.read(ROOT / "setup.cfg", encoding="utf-8")
    return parser


def extras() -> list[str]:
    """Those of setup.cfg but `dev`: tools of developers are to be new, and no test runs them."""
    return [name for name in setup()["options.extras_require"] if name != "dev"]


def oldest_opencv() -> str:
    found = re.search(r"opencv-python>=(\S+)", setup()["options"]["install_requires"])
    assert found is not None, "setup.cfg names no oldest opencv-python"
    return found[1]


def uv(*arguments: str | Path) -> None:
    subprocess.run([sys.executable, "-m", "uv", *arguments], check=True)


def install(python: Path, pins: Path) -> None:
    """Find the oldest versions for an environment, note them in `pins`, and put them in."""
    constraints = pins.with_name("constraints.txt")
    constraints.write_text(f"opencv-python-headless=={oldest_opencv()}\n", encoding="utf-8")
    options = ("--resolution", "lowest-direct", "--python", python, "--constraints", constraints)
    chosen = [f"--extra={name}" for name in extras()]
    uv("pip", "compile", "--quiet", "--no-annotate", *options, "--output-file", pins, *chosen, ROOT / "setup.cfg")
    print(pins.read_text(encoding="utf-8"), flush=True)
    uv("pip", "install", "--quiet", "--python", python, "--requirements", pins)
    uv("pip", "install", "--quiet", "--python", python, "--no-deps", "--editable", ROOT)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--python", default="3.10", help="the interpreter; by default the oldest that setup.cfg allows")
    parser.add_argument("--folder", type=Path, help="keep the environment in this folder, and use it again")
    parser.add_argument("pytest", nargs="*", help="what pytest is given, after `--`")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = arguments.folder or Path(temporary) / "environment"
        python = folder / "bin" / "python"
        if not python.exists():
            uv("venv", "--quiet", "--python", arguments.python, folder)
        install(python, folder / "oldest.txt")
        sys.exit(subprocess.run([python, "-m", "pytest", *arguments.pytest], cwd=ROOT).returncode)


if __name__ == "__main__":
    main()
