from __future__ import annotations

import re

import pytest

from landmarks.batch.prometheus import ProgressFile
from tests.helpers.results import record, some_faces

LINE = re.compile(r'(# (HELP|TYPE) landmarks_[a-z_]+ .+|landmarks_[a-z_]+(\{status="[a-z_]+"\})? \d+(\.\d+)?)')


def values(path) -> dict[str, float]:
    lines = path.read_text().splitlines()
    assert all(LINE.fullmatch(line) for line in lines) and path.read_text().endswith("\n")
    assert not list(path.parent.glob("*.partial"))
    return {name: float(value) for name, value in (x.rsplit(" ", 1) for x in lines if not x.startswith("#"))}


def test_it_follows_a_run(tmp_path):
    path = tmp_path / "new" / "landmarks.prom"
    with ProgressFile(path, seconds=0) as file:
        assert values(path)["landmarks_running"] == 1 and "landmarks_images_expected" not in values(path)
        file.report(record(some_faces(2)))
        file.report(record(some_faces(0)))
        file.progress(12, 20)
        found = values(path)
        assert (found["landmarks_faces_total"], found['landmarks_images_total{status="no_face"}']) == (2, 1)
        assert (found["landmarks_images_done"], found["landmarks_images_expected"]) == (12, 20)
    assert values(path)["landmarks_running"] == 0
    assert values(path)["landmarks_update_time_seconds"] >= found["landmarks_start_time_seconds"]


def test_it_is_not_written_at_every_image(tmp_path):
    with ProgressFile(tmp_path / "a.prom", seconds=1000) as file:
        file.progress(1, None)
        assert values(tmp_path / "a.prom")["landmarks_images_done"] == 0
    assert values(tmp_path / "a.prom")["landmarks_images_done"] == 1


def test_an_error_ends_it_too(tmp_path):
    with pytest.raises(KeyError), ProgressFile(tmp_path / "a.prom"):
        raise KeyError
    assert values(tmp_path / "a.prom")["landmarks_running"] == 0


def test_a_file_that_cannot_be_written_costs_one_warning(tmp_path):
    (tmp_path / "a").write_text("")
    with pytest.warns(UserWarning, match="the run goes on") as caught, ProgressFile(tmp_path / "a" / "b.prom") as file:
        file.progress(1, 1)
    assert len(caught) == 1
