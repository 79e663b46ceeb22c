"""A server that is killed loses nothing that it has acknowledged; with large numbers: tests/helpers/kill_review.py."""

import subprocess
import sys

from tests.helpers.faces import SAMPLES


def test_nothing_is_lost_when_the_server_is_killed():
    command = [sys.executable, "-m", "tests.helpers.kill_review", "--faces", "60", "--kills", "5"]
    done = subprocess.run(command, cwd=SAMPLES.parents[1], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "lost or wrong: none" in done.stdout and " 0 kills" not in done.stdout
