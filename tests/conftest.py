"""Fixtures that several folders of tests use.

What takes long to import is imported by them: the process that only hands the tests out needs none of it.
"""

from __future__ import annotations

import os
import random
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock

ROOT = Path(__file__).parent
SLOW = (
    "export/test_face.py",
    "test_documentation.py",
    "comparison/grid/test_arms.py",
    "comparison/test_run.py",
    "export/test_export.py",
    "test_fuzz.py",
    "batch/test_ray.py",
    "batch/test_resume.py",
    "batch/test_run.py",
    "batch/test_videos.py",
    "test_declared.py",
    "cli/test_cli.py",
    "formats/test_written_and_read.py",
    "report/test_run_page.py",
    "training/test_loop.py",
    "comparison/test_document.py",
)
"""The files that take longest: processes that share the tests begin with them, so that none waits for the last one."""

for name in (
    *("LANDMARKS_YUNET", "LANDMARKS_DEBUG"),
    *("FORCE_COLOR", "PY_COLORS", "GITHUB_ACTIONS", "TERMINAL_WIDTH"),  # Typer asks for these as it is imported.
):
    os.environ.pop(name, None)
os.environ["COLUMNS"] = "80"


def pytest_configure(config: pytest.Config) -> None:
    # pytest-xdist would begin with the files of most tests, and end with those of few long ones, alone.
    config.option.loadscopereorder = False


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    places = {ROOT / name: place for place, name in enumerate(SLOW)}
    items.sort(key=lambda item: places.get(item.path, len(SLOW)))


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> None:
    """Of torch and OpenCV, too: processes that share the tests have the cores between them."""
    import cv2
    import torch

    torch.set_num_threads(1)
    cv2.setNumThreads(1)


@pytest.fixture(autouse=True)
def seeded(request: pytest.FixtureRequest) -> None:
    """A test draws the same numbers in every run, whatever ran before it; another test draws others."""
    import numpy as np
    import torch

    seed = zlib.crc32(request.node.name.encode())
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)


@pytest.fixture(scope="module")
def driver() -> Iterator[Any]:
    """A browser without a window; without one the test is skipped, with the reason."""
    from tests.helpers.browser import NoBrowser, browser

    try:
        with browser() as one:
            yield one
    except NoBrowser as reason:
        pytest.skip(str(reason))


@pytest.fixture(scope="session")
def mtfl(tmp_path_factory) -> Path:
    """A folder in MTFL's official layout with 40 training and 8 test faces, and its quirks."""
    from tests.helpers.faces import draw_face, mtfl_line, write_png

    root = tmp_path_factory.mktemp("mtfl") / "MTFL"
    train, test = [], []
    for seed in range(48):
        image, points, labels = draw_face(seed)
        folder = "AFLW" if seed >= 40 else ("lfw_5590" if seed % 2 else "net_7876")
        write_png(root / folder / f"{seed:03}.png", image)
        separator = "/" if seed >= 40 else "\\"
        (test if seed >= 40 else train).append(mtfl_line(f"{folder}{separator}{seed:03}.png", points, labels))
    (root / "training.txt").write_bytes("\r\n ".join(train).encode() + b"\r\n")
    (root / "testing.txt").write_bytes("\r\n ".join(test).encode() + b"\r\n")
    return root.parent


@pytest.fixture(scope="session")
def prepared(mtfl, tmp_path_factory) -> Path:
    """The prepared form of `mtfl`."""
    from landmarks.datasets.dataset import prepare, read_dataset

    out = tmp_path_factory.mktemp("prepared")
    prepare(read_dataset(mtfl), out)
    return out


@pytest.fixture(scope="session")
def small_weights(tmp_path_factory) -> Path:
    """An untrained network with five heads in a weights file."""
    import torch

    from landmarks.models.network import Network
    from landmarks.models.store import save_model
    from tests.helpers.faces import SMALL

    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("weights") / "small.safetensors"
    save_model(Network(SMALL), path, {"note": "untrained"})
    return path


@pytest.fixture(scope="session")
def compact_onnx(tmp_path_factory) -> Path:
    """`compact.onnx`, beside it its parts; not to be changed."""
    from landmarks.export.write import export_weights
    from tests.helpers.packages import needs_export

    needs_export()
    base = tmp_path_factory.getbasetemp()
    # The workers of pytest-xdist share the folder above theirs.
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "compact"
    with FileLock(f"{folder}.lock"):
        if not folder.is_dir():
            export_weights("compact", folder)
    return folder / "compact.onnx"
