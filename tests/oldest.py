"""Run the tests with the oldest packages that setup.cfg allows.

    python tests/oldest.py --python python3.10
    python tests/oldest.py --python python3.10 -- -x tests/formats

makes an environment of its own with that interpreter, installs this source tree and the extra `test` in it with every
package at its lower bound, and runs pytest. The bounds are those of setup.cfg; none is written here. Where one no
longer installs or works, raise it there.
"""

from __future__ import annotations

import argparse
import configparser
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[1]


def oldest(requirements: Iterable[str]) -> Iterator[str]:
    """A pin `name==version` for each lower bound."""
    for line in requirements:
        requirement = Requirement(line)
        for bound in requirement.specifier:
            if bound.operator == ">=":
                yield f"{canonicalize_name(requirement.name)}=={bound.version}"


def requirements() -> list[str]:
    """What setup.cfg asks for, all extras included."""
    parser = configparser.ConfigParser()
    parser.read(ROOT / "setup.cfg", encoding="utf-8")
    lists = [parser["options"]["install_requires"]]
    # Tools of developers are to be new, and no test runs them.
    lists += [text for extra, text in parser["options.extras_require"].items() if extra != "dev"]
    return [line for text in lists for line in text.splitlines() if line.strip()]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--python", default=sys.executable, help="the interpreter; the oldest that setup.cfg allows")
    parser.add_argument("--folder", type=Path, help="keep the environment in this folder, and use it again")
    parser.add_argument("pytest", nargs="*", help="what pytest is given, after `--`")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = arguments.folder or Path(temporary) / "environment"
        python = folder / "bin" / "python"
        if not python.exists():
            subprocess.run([arguments.python, "-m", "venv", folder], check=True)
        pins = folder / "oldest.txt"
        pins.write_text("\n".join(sorted(set(oldest(requirements())))) + "\n", encoding="utf-8")
        print(pins.read_text(encoding="utf-8"))
        subprocess.run([python, "-m", "pip", "install", "-q", "-c", pins, "-e", f"{ROOT}[test]"], check=True)
        sys.exit(subprocess.run([python, "-m", "pytest", *arguments.pytest], cwd=ROOT).returncode)


if __name__ == "__main__":
    main()
