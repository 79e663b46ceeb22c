"""The trainings of a grid one by one, or side by side in processes of their own."""

from __future__ import annotations

import logging
import multiprocessing
import os
import threading
from collections.abc import Callable, Generator
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing.synchronize import Event

import cv2
import torch

from landmarks.comparison.grid.arms import Arm

Runs = list[tuple[Arm, int]]
"""Arms and seeds."""
Outcomes = Generator[tuple[Arm, int, "str | Exception"], None, None]


def outcomes_of(work: Callable[[Arm, int], str], runs: Runs, jobs: int) -> Outcomes:
    """What `work` gives or raises for each run, as they end; `jobs` of them at once.

    Close it: when it is closed, no training goes on. Those that were going on keep the states that they have written.
    """
    jobs = min(jobs, len(runs))
    return _one_by_one(work, runs) if jobs <= 1 else _side_by_side(work, runs, jobs)


def _one_by_one(work: Callable[[Arm, int], str], runs: Runs) -> Outcomes:
    for arm, seed in runs:
        try:
            outcome: str | Exception = work(arm, seed)
        except Exception as error:  # one arm must not cost the others
            outcome = error
        yield arm, seed, outcome


def _side_by_side(work: Callable[[Arm, int], str], runs: Runs, jobs: int) -> Outcomes:
    """They share the cores."""
    threads = max(1, (os.cpu_count() or 1) // jobs)
    context = multiprocessing.get_context("spawn")
    over = context.Event()
    start = (threads, over)
    with ProcessPoolExecutor(max_workers=jobs, mp_context=context, initializer=begin, initargs=start) as pool:
        try:
            running = {pool.submit(work, arm, seed): (arm, seed) for arm, seed in runs}
            for future in as_completed(running):
                error = future.exception()
                if error is not None and not isinstance(error, Exception):
                    raise error
                yield *running[future], error or future.result()
        except BaseException:  # The pool alone would wait for every training.
            over.set()
            pool.shutdown(cancel_futures=True)
            raise


def begin(threads: int, over: Event) -> None:
    """Begin a process that trains. It ends when all is over, and with its parent, whose lock on the folder has ended
    then, too."""
    for end in (_parent_ends, over.wait):
        threading.Thread(target=_exit_after, args=(end,), daemon=True).start()
    torch.set_num_threads(threads)
    cv2.setNumThreads(0)
    logging.disable(logging.WARNING)


def _parent_ends() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()


def _exit_after(end: Callable[[], object]) -> None:
    end()
    os._exit(1)
