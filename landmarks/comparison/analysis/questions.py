"""Which arm each arm is held against, and which arms have a part of their own in what is told."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from landmarks.comparison.results import ArmResults, Results
from landmarks.errors import LandmarksError
from landmarks.schemes import ATTRIBUTES, in_order

ALIKE = ("network", "faces", "views", "jitter", "optimizer", "schedule")
"""What two arms must have in common if their difference is to be one of the tasks."""


def single_task_arms(results: Results) -> list[ArmResults]:
    """The arms of landmarks alone on all training faces; where none is, those on fewer."""
    alone = [arm for arm in results.arms.values() if arm.locates and not arm.auxiliary]
    return [arm for arm in alone if not arm.config["faces"]] or alone


def reference_arm(results: Results) -> ArmResults:
    """The single-task CNN: of `single_task_arms` the grid's reference, or else the first one of a group that varies the
    tasks, or else the first one.

    Raises LandmarksError if there is none.
    """
    alone = single_task_arms(results)
    if not alone:
        raise LandmarksError(
            f"{results.folder}: no arm learns the landmarks alone; add one to the grid to compare with"
        )
    named = [arm for arm in alone if arm.name == results.grid.reference]
    return [*named, *(arm for arm in alone if arm.varies == "tasks"), *alone][0]


def single_task(results: Results, arm: ArmResults) -> ArmResults | None:
    """The landmarks learnt alone by the same network from as many faces; for an arm that is such a one, and where there
    is none, the comparison's reference, trained as long where there is one that was.

    None for the reference itself and for an arm without landmarks; for an arm of fewer faces or other views, of another
    optimiser or, unless its question varies the network, of another network than the reference's, where no arm learns
    the landmarks alone from those faces or in that way: the difference would not be that of the tasks.
    """
    reference = reference_arm(results)
    if not arm.locates or arm.name == reference.name:
        return None
    if arm.auxiliary:
        found = nearest(arm, _like(results, arm, lambda other: not other.auxiliary)) or reference
    else:
        same = reference if arm.varies == "epochs" else None
        found = same or alone_by_epochs(results).get(arm.config["epochs"], reference)
    across = arm.varies in ("network", "levels")
    keys = [key for key in ALIKE if not (across and key == "network")]
    return found if all(arm.config[key] == found.config[key] for key in keys) else None


def held_against_nothing(results: Results, group: str) -> list[ArmResults]:
    """The arms of a group with landmarks that are held against no other arm, and that no other arm is held against."""
    arms = [arm for arm in results.arms.values() if arm.locates]
    others = {arm.name: (single_task(results, arm), other_reference(results, arm)) for arm in arms}
    used = {name for name, found in others.items() if any(found)}
    used |= {other.name for found in others.values() for other in found if other is not None}
    return [arm for arm in arms if arm.group == group and arm.name not in used and arm is not reference_arm(results)]


def every_task(results: Results) -> frozenset[str]:
    """The auxiliary tasks that any arm learns with the landmarks."""
    return frozenset().union(*(arm.auxiliary for arm in results.arms.values() if arm.locates))


def all_tasks(results: Results) -> ArmResults | None:
    """The landmarks with all other tasks, hard sharing, in all else as like the reference as there is."""
    reference, every = reference_arm(results), every_task(results)
    return nearest(
        reference, _like(results, reference, lambda other: bool(every) and other.auxiliary == every and _hard(other))
    )


def other_reference(results: Results, arm: ArmResults) -> ArmResults | None:
    """What the arm or its question says that it is held against, besides the single task; None for nothing."""
    found = results.arms.get(arm.against)
    if not arm.locates or found is None or not found.locates or found is arm:
        return None
    same = single_task(results, arm)
    return None if same is not None and found.name == same.name else found


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
    """The single-task CNN by the epochs of its training: the reference, then those of other lengths."""
    reference = reference_arm(results)
    others = _like(results, reference, lambda other: other.varies == "epochs" and not other.auxiliary and _hard(other))
    others.sort(key=lambda arm: arm.config["epochs"])
    return {arm.config["epochs"]: arm for arm in (reference, *others)}


def main_arms(results: Results, alone: ArmResults | None = None) -> dict[str, ArmResults]:
    """The single-task CNN's network with each set of auxiliary tasks, by the words for it: landmarks alone, with one
    task, with two, ... alone: one of `alone_by_epochs`, the reference if None."""
    alone = alone or reference_arm(results)
    found: dict[str, ArmResults] = {tasks_text(alone): alone}
    for arm in _like(results, alone, _hard):
        if (arm.group, arm.config["epochs"]) == (alone.group, alone.config["epochs"]):
            found.setdefault(tasks_text(arm), arm)
    return dict(sorted(found.items(), key=lambda item: (len(item[1].auxiliary), _order(item[1]))))


def headline_arms(results: Results, alone: ArmResults | None = None) -> dict[str, ArmResults]:
    """Of `main_arms` the landmarks alone, with one other task and with all of them."""
    every = every_task(results)
    return {
        text: arm
        for text, arm in main_arms(results, alone).items()
        if len(arm.auxiliary) <= 1 or arm.auxiliary == every
    }


def tasks_text(arm: ArmResults) -> str:
    """An arm's tasks in words."""
    if not arm.locates:
        return f"{', '.join(in_order(arm.auxiliary))} alone"
    return tasks_words(arm.auxiliary)


def tasks_words(auxiliary: frozenset[str]) -> str:
    """The landmarks with these other tasks, in words."""
    if not auxiliary:
        return "landmarks only"
    if auxiliary == frozenset(ATTRIBUTES):
        return "+ all four"
    return " ".join(f"+ {name}" for name in in_order(auxiliary))


def _pairs(
    results: Results, group: str, reference_of: Callable[[Results, ArmResults], ArmResults | None]
) -> dict[str, str]:
    found = {arm.name: reference_of(results, arm) for arm in results.arms.values() if arm.group == group}
    return {name: reference.name for name, reference in found.items() if reference is not None}


def _like(results: Results, arm: ArmResults, wanted: Callable[[ArmResults], bool]) -> list[ArmResults]:
    """Other arms with landmarks, of the same network, training faces and optimiser, that are wanted."""
    others = (other for other in results.arms.values() if other.name != arm.name and other.locates)
    return [other for other in others if all(other.config[key] == arm.config[key] for key in ALIKE) and wanted(other)]


def _hard(arm: ArmResults) -> bool:
    return arm.config["sharing"] == "hard"


def _shared(arm: ArmResults, other: ArmResults) -> int:
    # What a batch holds beside the faces that teach is no other way to learn the landmarks alone: the first arm counts.
    told_apart_by = ("name", "group", "seeds", "labelled_only", "share")
    return sum(other.config.get(key) == value for key, value in arm.config.items() if key not in told_apart_by)


def _order(arm: ArmResults) -> list[tuple[int, str]]:
    """Sets of tasks are told with those of the last built-in attributes first, declared ones at the end."""
    places = {name: place for place, name in enumerate(reversed(ATTRIBUTES))}
    return sorted((places.get(name, len(places)), name) for name in arm.auxiliary)
