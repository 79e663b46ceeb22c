"""What a comparison asks, and which arm each arm is held against."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from landmarks.comparison.results import ArmResults, Results
from landmarks.errors import LandmarksError
from landmarks.schemes import ATTRIBUTES

EVERY = frozenset(ATTRIBUTES)
WEIGHTS = ("weighting", "auxiliary_weight")
"""Settings that say how the losses are weighted."""


@dataclass(frozen=True)
class Question:
    """A group of arms."""

    title: str
    asked: str
    """What the group is there for, a sentence."""
    other: str = ""
    """What its arms are held against besides the single task; empty for nothing."""


QUESTIONS: dict[str, Question] = {
    "tasks": Question(
        "Which auxiliary tasks help?",
        "The landmarks learnt alone, with each other task, with every set of them; and the other tasks learnt alone.",
    ),
    "sharing": Question(
        "How much should the tasks share?",
        "Everything but the heads (hard sharing); nothing; or a tower a task, held together by the squared distance of "
        "the towers or the trace norm, more and more strongly, or by cross-stitch units.",
        "hard sharing",
    ),
    "stopping": Question(
        "Does stopping tasks early help?",
        "An auxiliary task is dropped once it fits its training faces better than others (the paper's criterion), or "
        "all of training ends at once, or nothing stops.",
        "no stopping",
    ),
    "weighting": Question(
        "Does weighting the tasks help?",
        "The losses' weights are fixed, or follow the training.",
        "the usual fixed weights",
    ),
    "budget": Question("Is it a matter of longer training?", "The same arms, trained for longer."),
    "networks": Question(
        "What is left with other networks?", "The paper's network, its journal version and a modern one."
    ),
    "size": Question(
        "Does sharing keep a network from over-fitting?",
        "Fewer training faces, for the landmarks alone and with all other tasks.",
    ),
    "cascade": Question(
        "And the cascaded CNN?", "The paper's rival: three levels of networks, all for the landmarks alone."
    ),
    "controls": Question(
        "Is it the tasks, or the size of the network?",
        "Networks with as many parameters or multiply-adds as those that they are held against, or with a second task "
        "that teaches nothing.",
        "the same sharing",
    ),
}
"""By group, in the order of telling."""


def single_task_arms(results: Results) -> list[ArmResults]:
    """The arms of landmarks alone on all training faces."""
    return [arm for arm in results.arms.values() if arm.locates and not arm.auxiliary and not arm.config["faces"]]


def reference_arm(results: Results) -> ArmResults:
    """The single-task CNN: the first arm of landmarks alone on all training faces, of `tasks` if it has one.

    Raises LandmarksError if there is none.
    """
    alone = single_task_arms(results)
    if not alone:
        raise LandmarksError(
            f"{results.folder}: no arm learns the landmarks alone; add one to the grid to compare with"
        )
    return next((arm for arm in alone if arm.group == "tasks"), alone[0])


def single_task(results: Results, arm: ArmResults) -> ArmResults | None:
    """The landmarks learnt alone by the same network from as many faces; for an arm that is such a one, and where there
    is none, the comparison's reference, trained as long where there is one that was. None for the reference itself, for
    an arm without landmarks, and for landmarks alone learnt from fewer faces."""
    reference = reference_arm(results)
    if not arm.locates or arm.name == reference.name:
        return None
    if not arm.auxiliary and arm.config["faces"] != reference.config["faces"]:
        return None
    if not arm.auxiliary:
        return reference if arm.group == "budget" else alone_by_epochs(results).get(arm.config["epochs"], reference)
    alone = _like(results, arm, lambda other: not other.auxiliary)
    return nearest(arm, alone) or reference


def all_tasks(results: Results) -> ArmResults | None:
    """The landmarks with all other tasks, hard sharing, in all else as like the reference as there is."""
    reference = reference_arm(results)
    return nearest(reference, _like(results, reference, lambda other: other.auxiliary == EVERY and _hard(other)))


def other_reference(results: Results, arm: ArmResults) -> ArmResults | None:
    """What the arm's question holds it against besides the single task; None for nothing."""
    if not arm.locates:
        return None
    tasks, whole = arm.auxiliary, all_tasks(results)
    weights = [(whole or arm).config[key] for key in WEIGHTS]
    wanted: dict[str, Callable[[ArmResults], bool]] = {
        "sharing": lambda other: other.auxiliary == tasks and _hard(other),
        "controls": lambda other: (
            other.auxiliary == (tasks or EVERY) and other.config["sharing"] == arm.config["sharing"]
        ),
        "stopping": lambda other: other.auxiliary == tasks and other.stopping == "none",
        "weighting": lambda other: other.auxiliary == tasks and [other.config[key] for key in WEIGHTS] == weights,
    }
    if arm.group not in wanted:
        return None
    found = nearest(arm, _like(results, arm, wanted[arm.group]))
    same = single_task(results, arm)
    return None if found is None or (same is not None and found.name == same.name) else found


def pairs_with_single_task(results: Results, group: str) -> dict[str, str]:
    """The arms of a group, each with the landmarks alone that it is held against, by name."""
    return _pairs(results, group, single_task)


def pairs_with_others(results: Results, group: str) -> dict[str, str]:
    """The arms of a group, each with what else its question holds it against, by name."""
    return _pairs(results, group, other_reference)


def nearest(arm: ArmResults, candidates: Iterable[ArmResults]) -> ArmResults | None:
    """The candidate that shares most settings with the arm, the first of equals."""
    return max(candidates, key=lambda other: _shared(arm, other), default=None)


def alone_by_epochs(results: Results) -> dict[int, ArmResults]:
    """The single-task CNN by the epochs of its training: the reference, then those that were trained for longer."""
    reference = reference_arm(results)
    longer = _like(results, reference, lambda other: other.group == "budget" and not other.auxiliary and _hard(other))
    longer.sort(key=lambda arm: arm.config["epochs"])
    return {arm.config["epochs"]: arm for arm in (reference, *longer)}


def main_arms(results: Results, alone: ArmResults | None = None) -> dict[str, ArmResults]:
    """The single-task CNN's network with each set of auxiliary tasks, by the words for it: landmarks alone, with one
    task, with two, ... alone: one of `alone_by_epochs`, the reference if None."""
    alone = alone or reference_arm(results)
    found: dict[str, ArmResults] = {tasks_text(alone): alone}
    for arm in _like(results, alone, _hard):
        if (arm.group, arm.config["epochs"]) == (alone.group, alone.config["epochs"]):
            found.setdefault(tasks_text(arm), arm)
    return dict(sorted(found.items(), key=lambda item: (len(item[1].auxiliary), _order(item[1]))))


def tasks_text(arm: ArmResults) -> str:
    """An arm's tasks in words."""
    if not arm.locates:
        return f"{', '.join(name for name in ATTRIBUTES if name in arm.auxiliary)} alone"
    return tasks_words(arm.auxiliary)


def tasks_words(auxiliary: frozenset[str]) -> str:
    """The landmarks with these other tasks, in words."""
    if not auxiliary:
        return "landmarks only"
    return "+ all four" if auxiliary == EVERY else " ".join(f"+ {name}" for name in ATTRIBUTES if name in auxiliary)


def _pairs(
    results: Results, group: str, reference_of: Callable[[Results, ArmResults], ArmResults | None]
) -> dict[str, str]:
    found = {arm.name: reference_of(results, arm) for arm in results.arms.values() if arm.group == group}
    return {name: reference.name for name, reference in found.items() if reference is not None}


def _like(results: Results, arm: ArmResults, wanted: Callable[[ArmResults], bool]) -> list[ArmResults]:
    """Other arms with landmarks, of the same network and number of training faces, that are wanted."""
    same = ("network", "faces")
    others = (other for other in results.arms.values() if other.name != arm.name and other.locates)
    return [other for other in others if all(other.config[key] == arm.config[key] for key in same) and wanted(other)]


def _hard(arm: ArmResults) -> bool:
    return arm.config["sharing"] == "hard"


def _shared(arm: ArmResults, other: ArmResults) -> int:
    told_apart_by = ("name", "group", "seeds")
    return sum(other.config.get(key) == value for key, value in arm.config.items() if key not in told_apart_by)


def _order(arm: ArmResults) -> tuple[int, ...]:
    """Places of its tasks, in the order in which the paper adds them."""
    paper = ("gender", "glasses", "smile", "pose")
    return tuple(paper.index(name) for name in paper if name in arm.auxiliary)
