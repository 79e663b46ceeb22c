"""A grid as one TOML file: the questions, the arms, and arms that are swept over values.

    reference = "landmarks only"

    [groups.size]                             # fields of `Group`
    title = "Is it a matter of the number of faces?"
    varies = "faces"

    [defaults]                                # fields of `Arm`, for every arm that does not say otherwise
    epochs = 20

    [[arms]]
    name = "landmarks only"

    [[arms]]                                  # six arms: every value of the first field with every one of the second
    name = "{tasks}, {faces} faces"
    group = "size"
    [arms.sweep]
    faces = [500, 1000, 2500]
    tasks = { alone = ["points_5"], "with pose" = ["points_5", "pose"] }

A swept field is a list of values, or a table of values by the words that stand for them in the arms' names; a field
within a table is written as one key (`"stopping.threshold" = [0.1, 1.0]`). A sweep lies within `[[arms]]`, so that its
arms keep their place among the others.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from decimal import Decimal
from itertools import product
from pathlib import Path
from typing import Any

from landmarks.comparison.grid.arms import DEFAULT_GROUPS, Arm, Grid, Group
from landmarks.config import build, checked, key_of, named, override, read_toml
from landmarks.errors import LandmarksError, unknown
from landmarks.schemes import POINTS_5, Declared, in_order

SWEEP = "sweep"
_PLACE = re.compile(r"\{([^{}]*)\}")


@checked
@dataclass(frozen=True)
class GridFile:
    """The file as it is written; its arms are checked once they have their defaults."""

    arms: tuple[dict[str, Any], ...]
    """The arms, and entries that stand for several of them."""
    reference: str = ""
    """The arm that the others are held against; empty: the first one."""
    equal_seeds: bool = False
    """Whether every arm gets as many seeds as the one with most of them."""
    groups: dict[str, Group] = field(default_factory=lambda: dict(DEFAULT_GROUPS))
    """The questions, by the names that arms give as their `group`, in the order of telling."""
    defaults: dict[str, Any] = field(default_factory=dict)
    """Keys of arms, for those that do not say otherwise."""


def read_grid(
    path: str | Path, settings: Sequence[str] = (), names: Sequence[str] = (), declared: Sequence[Declared] = ()
) -> Grid:
    """A grid from its file.

    settings: `KEY=VALUE` as `landmarks.config.override` takes them. A field of an arm (`epochs=2`) is set in the arms
    of these names, in all without names, whatever the file says of them; a field of the file by its way
    (`reference=NAME`, `defaults.epochs=2`, `groups.NAME.title=TEXT`). declared: what the data's faces have labels of
    beside the built-in attributes, so that arms may learn it.

    Raises LandmarksError naming the file, the arm, the key, what is wrong and what is meant; also for settings that
    make two arms the same, and for unknown names.
    """
    where = named(path, settings)
    of_file = [setting for setting in settings if key_of(setting)[0] in {entry.name for entry in fields(GridFile)}]
    of_arms = [setting for setting in settings if setting not in of_file]
    file = build(GridFile, override(GridFile, read_toml(path), of_file), where)
    main = str(file.defaults.get("landmarks", POINTS_5.name))
    entries = [{**file.defaults, **arm} for entry in file.arms for arm in _expand(entry, where, main)]
    if any("declared" in entry for entry in entries):
        raise LandmarksError(f"{where}: declare own tasks in a tasks.toml beside the data's faces.csv, not here")
    if declared:
        entries = [{**entry, "declared": [asdict(one) for one in declared]} for entry in entries]
    grid = _grid(file, _arms(entries, where), where)
    chosen = {arm.name for arm in grid.choose(names)}
    if not of_arms:
        return grid
    entries = [override(Arm, entry, of_arms) if entry["name"] in chosen else entry for entry in entries]
    arms = _arms(entries, where)
    _refuse_equal(grid.arms, arms, where)
    return _grid(file, arms, where)


def _grid(file: GridFile, arms: Sequence[Arm], where: str) -> Grid:
    if file.equal_seeds:
        arms = [replace(arm, seeds=max(other.seeds for other in arms)) for arm in arms]
    try:
        return Grid(tuple(arms), file.reference or (arms[0].name if arms else ""), file.groups)
    except ValueError as error:
        raise LandmarksError(f"{where}: {error}") from error


def _arms(entries: Sequence[Mapping[str, Any]], where: str) -> list[Arm]:
    return [
        build(Arm, entry, f"{where}: arm {entry.get('name', place)!r}") for place, entry in enumerate(entries, start=1)
    ]


def _refuse_equal(given: Sequence[Arm], arms: Sequence[Arm], where: str) -> None:
    """Raise LandmarksError if arms that differed do no longer: their names would say what is not true."""
    seen: list[tuple[dict[str, Any], dict[str, Any], str]] = []
    for before, after in zip(given, arms):
        was, now = ({**arm.what_is_run(), "name": ""} for arm in (before, after))
        for other_was, other_now, name in seen:
            if now == other_now and was != other_was:
                raise LandmarksError(
                    f"{where}: the arms {name!r} and {after.name!r} would be the same; say with --arm "
                    "which arms you mean, or set the field where an arm says nothing of it: --set defaults.FIELD=VALUE"
                )
        seen.append((was, now, after.name))


def _expand(entry: Mapping[str, Any], where: str, main: str) -> list[dict[str, Any]]:
    """The arms that an entry of the file stands for: itself, or the product of the values that it sweeps over.

    main: the landmarks of an arm that says nothing of them.
    """
    if SWEEP not in entry:
        return [dict(entry)]
    name, sweep = entry.get("name"), entry[SWEEP]
    where = f"{where}: arm {name!r}: {SWEEP}"
    if not isinstance(name, str):
        raise LandmarksError(f"{where}: give the arm a name with its fields in braces, such as 'L2 {{strength}}'")
    if not isinstance(sweep, Mapping) or not sweep:
        raise LandmarksError(f"{where}: must be a table of fields, each with the list of its values")
    fixed = {key: value for key, value in entry.items() if key != SWEEP}
    main = str(fixed.get("landmarks", main))
    arms = []
    for chosen in product(*(_choices(key, values, where, main) for key, values in sweep.items())):
        settings = dict(zip(sweep, chosen))
        words = {key: _word(value, main) for key, value in fixed.items()}
        words |= {key: word for key, (word, _) in settings.items()}
        arm: dict[str, Any] = dict(fixed)
        for key, (_, value) in settings.items():
            *tables, last = key.split(".")
            table = arm
            for part in tables:
                table[part] = table = dict(table.get(part, {}))
            table[last] = value
        arms.append(arm | {"name": _named(name, words, where)})
    return arms


def _choices(key: str, values: Any, where: str, main: str) -> list[tuple[str, Any]]:
    """The values of a swept field, each with the word for it."""
    if isinstance(values, Mapping) and values:
        return list(values.items())
    if isinstance(values, list) and values:
        return [(_word(value, main), value) for value in values]
    raise LandmarksError(f"{where}.{key} = {values!r}: must be a list of values, or a table of values by their words")


def _named(template: str, words: Mapping[str, str], where: str) -> str:
    """A name with the words of its fields. Raises LandmarksError for a field that the arm does not give."""

    def word(match: re.Match[str]) -> str:
        if match[1] not in words:
            raise LandmarksError(f"{where}: {unknown('field', match[1], words)}")
        return words[match[1]]

    return _PLACE.sub(word, template)


def _word(value: Any, main: str) -> str:
    """A value in an arm's name: tasks as `landmarks only`, `+ pose + smile` or `pose alone`, numbers without an
    exponent or a needless zero."""
    if isinstance(value, float):
        text = f"{Decimal(repr(value)):f}"
        return text.rstrip("0").rstrip(".") if "." in text else text
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        others = [item for item in value if item != main]
        if main not in value:
            return f"{', '.join(others)} alone"
        return " ".join(f"+ {name}" for name in in_order(others)) or "landmarks only"
    return str(value)
