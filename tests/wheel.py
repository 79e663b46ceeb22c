"""Build the wheel and check that nothing of the source tree is missing in it.

    python tests/wheel.py

builds it, unpacks it into a folder of its own and imports every module from there. Fails if a module of `landmarks/`
or a shipped file is not in the wheel, if one does not import, or if the command is not there. Needs the package
`build`; the dependencies are those of the interpreter.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
KEPT = ("landmarks", "weights", "setup.py", "setup.cfg", "pyproject.toml", "README.md", "LICENSE")
"""What a wheel is made of."""
DATA = ("landmarks/py.typed", "landmarks/weights/SHA256SUMS")
IMPORT_ALL = """
import importlib, json, sys
folder, names = sys.argv[1], json.load(sys.stdin)
for name in names:
    module = importlib.import_module(name)
    assert module.__file__.startswith(folder), f"{name} came from {module.__file__}"
from landmarks.models.files import shipped_names
from landmarks.models.store import load_model
for name in shipped_names():
    load_model(name)
print(f"{len(names)} modules imported from the wheel, weights: {', '.join(shipped_names())}")
"""


def modules(root: Path) -> set[str]:
    """Names of all modules of the package below a folder."""
    files = (path.relative_to(root).with_suffix("") for path in (root / "landmarks").rglob("*.py"))
    return {".".join(path.parts).removesuffix(".__init__") for path in files}


def shipped(root: Path) -> set[str]:
    """Files that are no modules, as a wheel names them: those of the folder `weights` of the source tree, and those of
    pages."""
    kinds = (".safetensors", ".onnx", ".md", ".toml", ".json")
    weights = {f"landmarks/weights/{path.name}" for path in (root / "weights").iterdir() if path.suffix in kinds}
    pages = {path for kind in ("j2", "html", "css", "js", "svg") for path in (root / "landmarks").rglob(f"*.{kind}")}
    return weights | {path.relative_to(root).as_posix() for path in pages}


def build(folder: Path) -> Path:
    """The wheel of a copy of the source tree, so that no earlier build can lend it a file."""
    source = folder / "source"
    for name in KEPT:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(ROOT / name, source / name)
    command = [sys.executable, "-m", "build", "--wheel", "--outdir", folder / "dist", source]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    (wheel,) = (folder / "dist").glob("*.whl")
    return wheel


def main() -> None:
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary).resolve()
        target = folder / "installed"
        install = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--target", target, build(folder)]
        subprocess.run(install, check=True)
        wanted = modules(ROOT)
        missing = sorted(wanted - modules(target))
        missing += sorted(name for name in {*DATA, *shipped(ROOT)} if not (target / name).is_file())
        if missing:
            sys.exit(f"the wheel lacks {', '.join(missing)}; see packages and package_data in setup.cfg")
        if not (target / "bin" / "landmarks").is_file():
            sys.exit("the wheel installs no command `landmarks`; see entry_points in setup.cfg")
        environment = os.environ | {"PYTHONPATH": str(target)}
        command = [sys.executable, "-c", IMPORT_ALL, str(target)]
        names = json.dumps(sorted(wanted - {"landmarks.__main__"}))
        subprocess.run(command, input=names, text=True, cwd=folder, env=environment, check=True)


if __name__ == "__main__":
    main()
