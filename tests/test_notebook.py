"""The notebook in docs runs, also without Jupyter."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from tests.helpers.faces import SAMPLES

NOTEBOOK = SAMPLES.parents[1] / "docs" / "notebook.ipynb"


@pytest.fixture
def folder(tmp_path) -> Path:
    """A copy of the folder that the notebook lies in, since it writes beside itself."""
    shutil.copytree(SAMPLES, tmp_path / "data" / "samples")
    (tmp_path / "docs").mkdir()
    return tmp_path / "docs"


def test_its_cells_run_as_python(folder, monkeypatch):
    pyplot = pytest.importorskip("matplotlib.pyplot")
    monkeypatch.setattr(pyplot, "show", lambda: None)
    monkeypatch.chdir(folder)
    cells = json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"]
    names: dict[str, object] = {}
    for cell in cells:
        if cell["cell_type"] == "code":
            exec(compile("".join(cell["source"]), cell["id"], "exec"), names)
    assert len(names["table"]) == len(names["faces"]) + 1 == 2  # type: ignore[arg-type]
    (axes,) = names["figure"].axes  # type: ignore[attr-defined]
    assert sum(bar.get_height() for bar in axes.patches) == 2
    pyplot.close("all")


def test_it_is_stored_without_what_came_out():
    cells = json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"]
    assert all(not cell["outputs"] for cell in cells if cell["cell_type"] == "code")


def test_it_runs_in_jupyter(folder, monkeypatch):
    nbformat = pytest.importorskip("nbformat", reason="needs nbformat, to read notebooks")
    nbclient = pytest.importorskip("nbclient", reason="needs nbclient, to run notebooks")
    pytest.importorskip("ipykernel", reason="needs ipykernel, to run notebooks")
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    monkeypatch.setenv("JUPYTER_DATA_DIR", str(folder))  # A kernel of the user's may be of another Python.
    resources = {"metadata": {"path": str(folder)}}
    nbclient.NotebookClient(notebook, resources=resources, startup_timeout=600, iopub_timeout=60).execute()
    shown = [output for cell in notebook.cells for output in cell.get("outputs", ())]
    kinds = [kind for output in shown for kind in output.get("data", ())]
    assert any("data:image/jpeg" in output.get("data", {}).get("text/html", "") for output in shown)
    assert "image/png" in kinds  # The plot.
