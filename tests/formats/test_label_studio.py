"""The real Label Studio takes a run's tasks, shows each image and gives corrections back.

Skipped where no `label-studio` is on the PATH: it is large, so install it in an environment of its own.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.request
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from landmarks import read_results
from tests.helpers.results import HEIGHT, WIDTH, assert_same, calibrated, record, write

TOKEN = "0123456789abcdef0123456789abcdef01234567"
PATIENCE = 600
"""Seconds until a server that does not answer has failed."""
NAMES = ("plain.jpg", "folder/b & c.jpg", "päris #1?.jpg")
pytestmark = pytest.mark.skipif(not shutil.which("label-studio"), reason="no label-studio on the PATH")


class Server:
    """Label Studio on a free port of this machine, its document root at a run's labelstudio/."""

    def __init__(self, root: Path, data: Path) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        self.address = f"http://127.0.0.1:{port}"
        served = {
            "LABEL_STUDIO_LOCAL_FILES_SERVING_ENABLED": "true",
            "LABEL_STUDIO_LOCAL_FILES_DOCUMENT_ROOT": str(root),
            "COLLECT_ANALYTICS": "false",
            "HOME": str(data),
        }
        command = ["label-studio", "start", "--no-browser", "--internal-host", "127.0.0.1", "--port", str(port)]
        command += ["--data-dir", str(data), "--username", "a@example.org", "--password", "a-password-of-tests"]
        command += ["--user-token", TOKEN, "--enable-legacy-api-token", "--log-level", "ERROR"]
        self.log = data / "server.log"
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(command, env=os.environ | served, stdout=log, stderr=log)
        end = time.monotonic() + PATIENCE
        while True:
            try:
                self.ask("GET", "/api/projects")
                return
            except (OSError, urllib.error.HTTPError):
                if self.process.poll() is not None or time.monotonic() > end:
                    self.stop()
                    raise AssertionError(self.log.read_text()[-2000:]) from None
                time.sleep(1)

    def ask(self, method: str, path: str, body: Any = None) -> Any:
        """The answer of the server: of JSON what it says, else its bytes."""
        request = urllib.request.Request(f"{self.address}{path}", method=method)
        request.add_header("Authorization", f"Token {TOKEN}")
        request.add_header("Content-Type", "application/json")
        data = None if body is None else json.dumps(body).encode()
        try:
            with urllib.request.urlopen(request, data, timeout=60) as answer:
                found = answer.read()
                return json.loads(found) if "json" in answer.headers["Content-Type"] else found
        except urllib.error.HTTPError as error:
            raise AssertionError(f"{path}: {error}: {error.read()[:1000]!r}") if error.code == 400 else error from None

    def stop(self) -> None:
        self.process.terminate()
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()


@pytest.fixture
def run(tmp_path) -> Path:
    """A run over three photographs; some boxes and landmarks lie outside."""
    faces = calibrated(2)
    boxes, points = faces.boxes.copy(), faces.points.copy()
    boxes[0], points[0, 0], points[1, 1] = (-30, -20, WIDTH + 9, 300), (-5, 9), (9, HEIGHT + 7)
    outside = replace(faces, boxes=boxes, points=points)
    found = [record(outside, NAMES[0]), record(calibrated(1), NAMES[1]), record(calibrated(0), NAMES[2])]
    write(tmp_path / "run", found, ["labelstudio"])
    for i, name in enumerate(NAMES):
        path = tmp_path / "photos" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.full((HEIGHT, WIDTH, 3), 40 * i, np.uint8)).save(path)
    return tmp_path / "run"


def test_tasks_load_and_a_moved_landmark_comes_back(run, tmp_path):
    """The recipe of docs/formats.md."""
    folder = run / "labelstudio"
    (folder / "images").symlink_to(tmp_path / "photos")
    (tmp_path / "data").mkdir()
    server = Server(folder, tmp_path / "data")
    try:
        config = (folder / "config.xml").read_text()
        project = server.ask("POST", "/api/projects", {"title": "faces", "label_config": config})["id"]
        storage = {"project": project, "path": str(folder / "images"), "use_blob_urls": True}
        server.ask("POST", "/api/storages/localfiles", storage)
        tasks = json.loads((folder / "tasks.json").read_text())
        server.ask("POST", f"/api/projects/{project}/import", tasks)
        stored = server.ask("GET", f"/api/tasks?project={project}&fields=all")["tasks"]
        assert {task["data"]["name"] for task in stored} == set(NAMES)
        for task in stored:
            photograph = (tmp_path / "photos" / task["data"]["name"]).read_bytes()
            assert server.ask("GET", task["data"]["image"]) == photograph
            given = next(one for one in tasks if one["data"] == task["data"])["predictions"][0]
            assert task["predictions"][0].get("score") == pytest.approx(given.get("score"))
        first = next(task for task in stored if task["data"]["name"] == NAMES[0])
        result = first["predictions"][0]["result"]
        moved = next(r for r in result if r["type"] == "keypointlabels")
        before = moved["value"]["x"]
        moved["value"]["x"] += 100 * 0.01 / WIDTH
        server.ask("POST", f"/api/tasks/{first['id']}/annotations", {"result": result})
        exported = server.ask("GET", f"/api/projects/{project}/export?exportType=JSON")
        (back,) = (task for task in exported if task["annotations"])
    finally:
        server.stop()
    found = next(r for r in back["annotations"][0]["result"] if r["id"] == moved["id"] and r["type"] == moved["type"])
    assert (found["value"]["x"] - before) * WIDTH / 100 == pytest.approx(0.01, abs=1e-4)
    (tmp_path / "back.json").write_text(json.dumps([back | {"predictions": back["annotations"]}]))
    left = read_results(run).query("image == @NAMES[0]").reset_index(drop=True)
    name = moved["value"]["keypointlabels"][0]
    left.loc[0, f"{name}_x"] += np.float32(0.01)
    again = read_results(tmp_path / "back.json")
    assert_same(again[[c for c in left if c in again]], left[[c for c in left if c in again]], 1e-3)
