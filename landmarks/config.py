"""From TOML to frozen dataclasses: the one door for the files of trainings, grids and facts.

A dataclass that is marked with `checked` can be built from plain values. Every key must be one of its fields and every
value of the field's type: nothing is converted but whole numbers to floats and lists to tuples, and numbers are finite.
What the dataclass itself refuses (ValueError) is told like the rest: the file, the key, what is wrong, what is meant.
"""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import MISSING, Field, asdict, fields, is_dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast, get_args, get_origin, get_type_hints

from landmarks.errors import LandmarksError, nearest, told

if TYPE_CHECKING:
    from pydantic import TypeAdapter

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

T = TypeVar("T")
Key = tuple[str, ...]
WANTED = {
    "bool_type": "true or false",
    "dataclass_type": "a table of keys",
    "dict_type": "a table of keys",
    "finite_number": "a finite number",
    "float_type": "a number",
    "int_type": "a whole number",
    "string_type": "a text in quotes",
    "tuple_type": "a list",
}
"""What is meant, by pydantic's name of the mistake."""


def checked(kind: type[T]) -> type[T]:
    """Mark a dataclass as one that `build` makes: unknown keys and values of another type are refused."""
    kind.__pydantic_config__ = {"strict": True, "extra": "forbid", "allow_inf_nan": False}  # type: ignore[attr-defined]
    return kind


def read_toml(path: str | Path) -> dict[str, Any]:
    """The content of a TOML file. Raises LandmarksError with the line that is wrong."""
    if Path(path).is_dir():
        raise LandmarksError(f"{path}: is a folder; give the TOML file itself")
    try:
        text = Path(path).read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise LandmarksError(f"{path}: cannot be read as TOML ({told(error)})") from error
    return parse_toml(text, str(path))


def parse_toml(text: str, where: str) -> dict[str, Any]:
    """What a text in TOML says. where: the name of its file. Raises LandmarksError with the line that is wrong."""
    try:
        return tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        raise LandmarksError(f"{where}: cannot be read as TOML ({told(error)})") from error


def build(kind: type[T], values: Mapping[str, Any], where: str) -> T:
    """A `checked` dataclass from plain values, such as a TOML file or a JSON header holds.

    where: what messages begin with, a file's name. Raises LandmarksError with a line for each mistake.
    """
    with suppress(_NotPlain, TypeError, ValueError, OverflowError):  # What is wrong, pydantic tells.
        return kind(**_plain_fields(kind, values))
    from pydantic import ValidationError

    try:
        # As JSON, in which a list is a tuple and a date is nothing; then strict types may be asked for everywhere.
        text = json.dumps(values, default=lambda value: {"date": str(value)})
        return adapter(cast(Any, kind)).validate_json(text)
    except ValidationError as error:
        mistakes = error.errors(include_url=False)
        raise LandmarksError("\n".join(f"{where}: {_told(kind, mistake)}" for mistake in mistakes)) from error


def override(kind: type, values: Mapping[str, Any], settings: Sequence[str]) -> dict[str, Any]:
    """Plain values for `build` with settings `KEY=VALUE` in place of what they have.

    A key is the way to a field (`training.learning_rate`) or as much of its end as no other field has
    (`learning_rate`). A value is TOML; what is no TOML is a text, so that `encoder=compact` needs no quotes.
    Raises LandmarksError for a key that names no field or several.
    """
    result: dict[str, Any] = dict(values)
    for setting in settings:
        *way, last = _way(kind, setting)
        table = result
        for part in way:
            inner = table.get(part, {})
            if not isinstance(inner, Mapping):
                raise LandmarksError(f"--set {setting}: {part} = {inner!r} in the file is no table of keys")
            table[part] = table = dict(inner)
        table[last] = value_of(setting)
    return result


def plain_values(value: Any, later: Collection[str]) -> dict[str, Any]:
    """A dataclass as plain values, its fields in `later` only where they are not their defaults: what was written
    before there were such fields stays the same as what is written today."""
    defaults = {entry.name: _default(entry) for entry in fields(value)}
    values = asdict(value)
    return {name: v for name, v in values.items() if name not in later or getattr(value, name) != defaults[name]}


def _default(entry: Field[Any]) -> Any:
    return entry.default if entry.default_factory is MISSING else entry.default_factory()


def named(path: str | Path, settings: Sequence[str]) -> str:
    """What messages call a file with settings."""
    return " --set ".join([str(path), *settings])


def key_of(setting: str) -> Key:
    """The key of `KEY=VALUE`, part by part. Raises LandmarksError for a text that is none."""
    text, sign, _ = setting.partition("=")
    try:
        table: Any = tomllib.loads(f"{text} = 0") if sign else {}
    except ValueError:
        table = {}
    key = []
    while isinstance(table, dict) and len(table) == 1:
        name, table = next(iter(table.items()))
        key.append(name)
    if not key:
        raise LandmarksError(f"--set {setting}: must be KEY=VALUE, such as learning_rate=3e-3")
    return tuple(key)


def value_of(setting: str) -> Any:
    """The value of `KEY=VALUE`: TOML, or else a text."""
    text = setting.partition("=")[2].strip()
    try:
        table = tomllib.loads(f"value = {text}")
    except ValueError:
        table = {}
    return table["value"] if len(table) == 1 else text


class _NotPlain(Exception):
    """Values that only pydantic can judge."""


def _plain_fields(kind: type, values: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a `checked` dataclass from numbers, texts and lists of them that are right as they are: as pydantic
    would make them, without its import, for which a short run would wait. Raises _NotPlain."""
    hints = get_type_hints(kind)
    if not values.keys() <= {field.name for field in fields(kind)}:
        raise _NotPlain
    return {name: _plain(hints[name], value) for name, value in values.items()}


def _plain(hint: Any, value: Any) -> Any:
    """A value of a field of this type. Raises _NotPlain."""
    if hint is float and type(value) in (int, float) and math.isfinite(value):
        return float(value)
    if hint in (bool, int) and type(value) is hint:
        return value
    if hint is str and type(value) is str:
        value.encode()  # Half a character raises UnicodeEncodeError, a ValueError.
        return value
    if get_origin(hint) is tuple and get_args(hint)[1:] == (Ellipsis,) and isinstance(value, (list, tuple)):
        return tuple(_plain(get_args(hint)[0], one) for one in value)
    raise _NotPlain


@lru_cache
def adapter(kind: Any) -> TypeAdapter[Any]:
    """What checks the values of a `checked` dataclass. Made once: this takes longer than all checks."""
    from pydantic import TypeAdapter

    return TypeAdapter(kind)


def _told(kind: type, mistake: Mapping[str, Any]) -> str:
    """A mistake that pydantic found, as a sentence: the key, what is wrong, what is meant."""
    way: tuple[str | int, ...] = mistake["loc"]
    key = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in way).lstrip(".")
    if mistake["type"] == "unexpected_keyword_argument":
        known = [field.name for field in fields(_inside(kind, way[:-1]))]
        meant = nearest(str(way[-1]), known)
        return f"{key}: unknown key; " + (f"did you mean {meant[0]!r}?" if meant else f"known: {', '.join(known)}")
    if mistake["type"] == "missing":
        return f"{key}: missing"
    if mistake["type"] == "value_error":
        return ": ".join(part for part in (key, str(mistake["ctx"]["error"])) if part)
    wanted = WANTED.get(mistake["type"])
    return f"{key or 'the file'} = {mistake['input']!r}: must be {wanted}" if wanted else f"{key}: {mistake['msg']}"


def _inside(kind: Any, way: Sequence[str | int]) -> Any:
    """The type of what lies at a place in a dataclass."""
    for part in way:
        if is_dataclass(kind):
            kind = get_type_hints(kind)[str(part)]
        else:  # the values of a dict, the items of a tuple
            kind = [inner for inner in get_args(kind) if inner is not Ellipsis][-1]
    return kind


def _way(kind: type, setting: str) -> Key:
    """The one field that a setting means, and a key within it where the field is a table."""
    key = key_of(setting)
    text = ".".join(key)
    ways = dict(_fields(kind))
    meant = []
    for way, within in ways.items():
        for end in range(len(key), 0, -1) if within else (len(key),):
            if way[-end:] == key[:end]:
                meant.append(way + key[end:])
    if key in meant or len(meant) == 1:
        return key if key in meant else meant[0]
    names = [".".join(way) for way in ways]
    if meant:
        raise LandmarksError(f"--set {setting}: say which: {', '.join('.'.join(way) for way in meant)}")
    close = nearest(text, names, 3) or [".".join(way) for way in ways if way[-1] in nearest(key[-1], sum(ways, ()))]
    told = f"did you mean {' or '.join(map(repr, close))}?" if close else f"known: {', '.join(names)}"
    raise LandmarksError(f"--set {setting}: no field {text!r}; {told}")


def _fields(kind: type, way: Key = ()) -> Iterator[tuple[Key, bool]]:
    """The way to each field of a dataclass and of those in it, and whether keys of any name lie within."""
    hints = get_type_hints(kind)
    for field in fields(kind):
        hint = hints[field.name]
        yield (*way, field.name), get_origin(hint) is dict
        if is_dataclass(hint):
            yield from _fields(hint, (*way, field.name))  # type: ignore[arg-type]
