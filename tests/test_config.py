"""The door from plain values to dataclasses."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from dataclasses import dataclass, field

import pytest
from pydantic import ValidationError

from landmarks.config import adapter, build, checked, override, read_toml
from landmarks.errors import LandmarksError, nearest, unknown


@checked
@dataclass(frozen=True)
class Inner:
    kind: str = "none"
    size: int = 1

    def __post_init__(self) -> None:
        if self.size < 1:
            raise ValueError("size must be 1 or more")


@checked
@dataclass(frozen=True)
class Outer:
    name: str
    rate: float = 1.0
    size: int = 3
    names: tuple[str, ...] = ()
    limit: int | None = None
    weights: dict[str, float] = field(default_factory=dict)
    first: Inner = field(default_factory=Inner)
    second: Inner = field(default_factory=Inner)
    rest: tuple[Inner, ...] = ()
    by_name: dict[str, Inner] = field(default_factory=dict)


def test_plain_values_become_the_dataclass():
    values = {"name": "a", "rate": 2, "names": ["x", "y"], "limit": 4, "rest": [{"size": 2}], "by_name": {"b": {}}}
    made = build(Outer, values, "f")
    assert made == Outer("a", 2.0, names=("x", "y"), limit=4, rest=(Inner(size=2),), by_name={"b": Inner()})
    assert isinstance(made.rate, float)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({}, "f: name: missing"),
        ({"name": 3}, "f: name = 3: must be a text in quotes"),
        ({"name": "a", "rate": "2"}, "f: rate = '2': must be a number"),
        ({"name": "a", "rate": float("inf")}, "f: rate = inf: must be a finite number"),
        ({"name": "a", "names": "xy"}, "f: names = 'xy': must be a list"),
        ({"name": "a", "names": ["x", 1]}, "f: names[1] = 1: must be a text in quotes"),
        ({"name": "a", "weights": [1]}, "f: weights = [1]: must be a table of keys"),
        ({"name": "a", "first": {"sise": 1}}, "f: first.sise: unknown key; did you mean 'size'?"),
        ({"name": "a", "first": {"size": 0}}, "f: first: size must be 1 or more"),
        ({"name": "a", "rest": [{}, {"colour": 1}]}, "f: rest[1].colour: unknown key; known: kind, size"),
        ({"name": "a", "by_name": {"b": {"sze": 1}}}, "f: by_name.b.sze: unknown key; did you mean 'size'?"),
    ],
)
def test_what_does_not_fit_is_refused(values, message):
    with pytest.raises(LandmarksError) as error:
        build(Outer, values, "f")
    assert str(error.value) == message


@pytest.mark.parametrize(
    ("setting", "values"),
    [
        ("rate=3e-3", {"rate": 3e-3}),
        ("name = two words", {"name": "two words"}),
        ('name="1"', {"name": "1"}),
        ("name=1\nsize=2", {"name": "1\nsize=2"}),
        ("names=['a', 'b']", {"names": ["a", "b"]}),
        ("first.kind=late", {"first": {"kind": "late"}}),
        ("size=2", {"size": 2}),  # the way itself comes before longer ones
        ("weights={}", {"weights": {}}),
        ("weights.pose=2", {"weights": {"pose": 2}}),
        ('weights."a b"=2', {"weights": {"a b": 2}}),
        ("by_name.b.size=2", {"by_name": {"b": {"size": 2}}}),
    ],
)
def test_settings_name_a_field(setting, values):
    assert override(Outer, {}, [setting]) == values


def test_settings_leave_the_rest_and_the_given_values_as_they_are():
    given = {"first": {"kind": "late", "size": 2}}
    assert override(Outer, given, ["first.size=3", "first.size=4"]) == {"first": {"kind": "late", "size": 4}}
    assert given == {"first": {"kind": "late", "size": 2}}


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("kind=late", "say which: first.kind, second.kind"),
        ("rat=1", "no field 'rat'; did you mean 'rate'?"),
        ("frist.kind=x", "no field 'frist.kind'; did you mean 'first.kind'"),
        ("rate", "must be KEY=VALUE"),
        ("=3", "must be KEY=VALUE"),
        ("a b=3", "must be KEY=VALUE"),
        ("a=1\nb=3", "no field 'a'"),
        ("first.kind=x", "first = 3 in the file is no table"),
    ],
)
def test_settings_that_name_none_are_refused(setting, message):
    with pytest.raises(LandmarksError) as error:
        override(Outer, {"first": 3}, [setting])
    assert message in str(error.value) and str(error.value).startswith(f"--set {setting}")


@pytest.mark.parametrize("content", [b"a = [", b"\xff\xfe", b"a = 1\na = 2"])
def test_a_file_that_is_no_toml_is_named(tmp_path, content):
    (tmp_path / "c.toml").write_bytes(content)
    with pytest.raises(LandmarksError, match=r"c\.toml: cannot be read as TOML"):
        read_toml(tmp_path / "c.toml")


def test_names_that_may_be_meant():
    known = ["learning_rate", "epochs", "smile"]
    assert nearest("smle", known) == ["smile"]
    assert nearest("rate", known) == ["learning_rate"]
    assert nearest("xyz", known) == []
    assert nearest("", known) == []
    assert (
        unknown("task", "smle", known)
        == "unknown task 'smle'; did you mean 'smile'? known: learning_rate, epochs, smile"
    )


@checked
@dataclass(frozen=True)
class Flat:
    text: str = ""
    whole: int = 0
    real: float = 0.0
    flag: bool = False
    texts: tuple[str, ...] = ()
    reals: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        if self.whole < 0:
            raise ValueError("whole must be 0 or more")


ODD = ["", "a", "1", "true", "\ud800", 10**400, 2**64, True, None, -1, 0, 7, 0.5, float("nan"), float("inf")]


def test_plain_values_are_judged_as_the_checker_judges_them():
    chance, made = random.Random(0), 0
    for _ in range(2000):
        names = chance.sample([*Flat.__dataclass_fields__, "other"], chance.randrange(4))
        lists = [[chance.choice(ODD) for _ in range(chance.randrange(3))] for _ in names]
        values = {name: chance.choice([chance.choice(ODD), some]) for name, some in zip(names, lists)}
        try:
            expected = adapter(Flat).validate_json(json.dumps(values))
        except ValidationError:
            with pytest.raises(LandmarksError):
                build(Flat, values, "f")
            continue
        made += bool(values)
        assert repr(build(Flat, values, "f")) == repr(expected), values  # 1 equals 1.0 and True
    assert made > 50


@pytest.mark.parametrize(
    ("values", "loaded"), [({"width": 2, "tasks": ["points_5"]}, False), ({"width": "2"}, True), ({"breadth": 2}, True)]
)
def test_the_checker_is_loaded_when_it_is_needed(values: dict[str, object], loaded: bool):
    code = (
        "import sys\nfrom contextlib import suppress\nfrom landmarks.config import build\n"
        "from landmarks.models.config import NetworkConfig\n"
        f"with suppress(Exception): build(NetworkConfig, {values!r}, 'f')\n"
        "print('pydantic' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.strip() == str(loaded), done.stderr
