"""Settings read, checked and changed: from YAML, from plain values, from name=value."""

import difflib
import re
from collections.abc import Iterable, Mapping
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any, TypeVar, get_args

import yaml
from pydantic import TypeAdapter, ValidationError

from integralaction.errors import Refused
from integralaction.files import write_text

LARGEST = 2**24  # bytes of a file of settings: that of a data set of 100,000 classes is smaller
MOST = 1_000_000  # values in it, those that aliases repeat counted each time


class _Loader(yaml.SafeLoader):  # not the one in C, which a deep file sends to a segmentation fault
    """Plain values as YAML 1.2 reads them: 010 is ten, 1e-3 a number, `no` and `12:30` words."""

    yaml_implicit_resolvers: dict = {}  # noqa: RUF012 (the library's own name)


class _Dumper(yaml.SafeDumper):
    """Quotes every word that either version of YAML takes for another value; a list that two settings share is written
    twice, without an alias."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


_PLAIN = (
    ("null", r"~|null|Null|NULL|", ("~", "n", "N", "")),
    ("bool", r"true|True|TRUE|false|False|FALSE", tuple("tTfF")),
    ("int", r"[-+]?[0-9]+", tuple("-+0123456789")),
    ("float", r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?", tuple("-+.0123456789")),
    ("float", r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)", tuple("-+.")),
)
for _kind, _form, _first in _PLAIN:
    for _class in (_Loader, _Dumper):
        _class.add_implicit_resolver(f"tag:yaml.org,2002:{_kind}", re.compile(f"^(?:{_form})$"), list(_first))
_BREAKS = set("\x85\u2028\u2029")  # line ends of YAML 1.1, which would be read as spaces
_Dumper.add_representer(
    str,
    lambda dumper, text: dumper.represent_scalar("tag:yaml.org,2002:str", text, '"' if _BREAKS & set(text) else None),
)
_Loader.add_constructor("tag:yaml.org,2002:int", lambda loader, node: int(loader.construct_scalar(node)))


def parse_yaml(text: str, where: str) -> Any:
    """What a YAML text says, in dicts, lists, words and numbers.

    Args:
        where: the text's origin, for the error.

    Raises:
        ValueError: it is no YAML, or so large or deep that it must be a mistake.
    """
    try:
        loader = _Loader(text)
        try:
            node = loader.get_single_node()
            if node is not None and _count_values(node, {}) > MOST:
                raise Refused(f"Expected at most {MOST} values in {where}; its aliases make more. Write it out.")
            return None if node is None else loader.construct_document(node)
        finally:
            loader.dispose()
    except (yaml.YAMLError, OverflowError) as error:
        raise Refused(f"Expected YAML in {where}; found {' '.join(str(error).split())}.") from error
    except RecursionError as error:
        raise Refused(f"Expected settings a few levels deep in {where}; found hundreds.") from error


def read_yaml(path: Path) -> Any:
    """What a YAML file says: see `parse_yaml`.

    Raises:
        FileNotFoundError: it is not there.
        ValueError: it is too large, no text, or no YAML.
    """
    if path.stat().st_size > LARGEST:
        raise Refused(f"Expected at most {LARGEST} bytes of YAML in {path}; found {path.stat().st_size}.")
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise Refused(f"Expected YAML in UTF-8 in {path}; found other bytes ({error}).") from error
    return parse_yaml(text, str(path))


def write_yaml(path: Path, values: dict[str, Any]) -> None:
    """Write settings as a YAML file, whole or not at all, in the order given."""
    write_text(path, yaml.dump(values, Dumper=_Dumper, sort_keys=False, allow_unicode=True))


def _count_values(node: yaml.Node, sizes: dict[int, int]) -> int:
    """Values in a node, those behind aliases counted each time."""
    if id(node) not in sizes:
        sizes[id(node)] = MOST + 1  # a node that holds itself never ends
        parts: list[yaml.Node] = []
        if isinstance(node, yaml.SequenceNode):
            parts = node.value
        elif isinstance(node, yaml.MappingNode):
            parts = [part for pair in node.value for part in pair]
        sizes[id(node)] = 1 + sum(_count_values(part, sizes) for part in parts)
    return sizes[id(node)]


T = TypeVar("T")


def to_dict(settings: Any) -> dict[str, Any]:
    """Settings as plain lists, dicts and numbers, for YAML and JSON."""
    return TypeAdapter(type(settings)).dump_python(settings, mode="json")


def from_dict(kind: type[T], values: Any, where: str) -> T:
    """Settings from plain values.

    Args:
        kind: the dataclass.
        values: what `to_dict` gave, or what a user wrote.
        where: the values' origin, for the error.

    Raises:
        ValueError: an unknown name (with the nearest known one, or what it is called now), a wrong type, a
            contradiction; one sentence.
    """
    if not isinstance(values, dict):
        raise Refused(f"Expected settings as `name: value` in {where}; found {values!r}.")
    former_names = getattr(kind, "FORMER_NAMES", {})
    for name, value in leaves(values):
        if name in former_names and not isinstance(value, dict):
            raise Refused(f"{where}: Expected {_join_names(former_names[name])}, as it is called now; found {name}.")
    if name := _find_number_as_bool(kind, values):
        raise Refused(f"{where}: Expected a number for {name}; found true or false.")
    try:
        return TypeAdapter(kind).validate_python(values)
    except ValidationError as error:
        raise Refused(f"{where}: {sentence_of(kind, error)}") from error


def leaves(values: dict[str, Any], prefix: str = "") -> Iterable[tuple[str, Any]]:
    """The values in nested settings with their dotted names."""
    for name, value in values.items():
        if isinstance(value, dict) and value:
            yield from leaves(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value


def change_settings(settings: T, values: Mapping[str, Any], where: str) -> T:
    """Settings with other values, checked.

    Args:
        values: by their dotted names, such as `clip.frames`.
        where: the values' origin, for the error.

    Raises:
        ValueError: as for `from_dict`, or a name leads through what is no group.
    """
    nested = to_dict(settings)
    for path, value in values.items():
        *groups, name = path.split(".")
        target = nested
        for group in groups:
            if not isinstance(target.get(group), dict):
                target[group] = {}  # what is no group of settings is refused with the whole name
            target = target[group]
        target[name] = value
    return from_dict(type(settings), nested, where)


def override(settings: T, assignments: list[str]) -> T:
    """Settings with `name=value` or `part.name=value` assignments applied; values are read as YAML.

    Raises:
        ValueError: an assignment without `=`, or what `from_dict` refuses.
    """
    values = {}
    for assignment in assignments:
        path, equals, text = assignment.partition("=")
        if not equals:
            raise Refused(f"Expected settings as name=value, for example seed=1; found {assignment!r}.")
        values[path] = parse_yaml(text, repr(assignment))
    return change_settings(settings, values, "settings")


def sentence_of(kind: type, error: ValidationError) -> str:
    """The first problem of a pydantic error, as one sentence."""
    # an unknown name first: it is often what a missing one was meant to be
    problem = min(error.errors(), key=lambda e: e["type"] not in ("unexpected_keyword_argument", "extra_forbidden"))
    # in brackets stands which of several classes of settings it is
    path = ".".join(str(part) for part in problem["loc"] if not str(part).startswith("("))
    if problem["type"] in ("unexpected_keyword_argument", "extra_forbidden"):
        nearest = _nearest_name(path, _list_names(kind))
        hint = f"; did you mean {nearest!r}?" if nearest else "."
        return f"found a setting {path!r} that does not exist{hint}"
    message = problem["msg"].removeprefix("Value error, ")
    if problem["type"] == "value_error":
        return message
    return f"{path or kind.__name__}: {message}; found {problem['input']!r}."


def _nearest_name(path: str, names: list[str]) -> str | None:
    """The known name that is most like this one, whole or in its last part."""
    whole = difflib.get_close_matches(path, names, n=1)
    if whole:
        return whole[0]
    last = {name.rpartition(".")[2]: name for name in reversed(names)}
    alike = difflib.get_close_matches(path.rpartition(".")[2], last, n=1)
    return last[alike[0]] if alike else None


def _settings_classes(kind: Any) -> list[Any]:
    """The dataclasses that a field of this type may hold; none of a single value."""
    if isinstance(kind, type) and is_dataclass(kind):
        return [kind]
    return [group for part in get_args(kind) for group in _settings_classes(part)]


def _find_number_as_bool(kind: Any, values: dict[str, Any], prefix: str = "") -> str:
    """The name of a number that is given as true or false, which would be read as 1 or 0."""
    for f in fields(kind):
        value = values.get(f.name)
        if f.type in (int, float) and isinstance(value, bool):
            return prefix + f.name
        if isinstance(value, dict):
            names = (_find_number_as_bool(group, value, f"{prefix}{f.name}.") for group in _settings_classes(f.type))
            if name := next(filter(None, names), ""):
                return name
    return ""


def _list_names(kind: Any, prefix: str = "") -> list[str]:
    names = []
    for f in fields(kind):
        names.append(prefix + f.name)
        for group in _settings_classes(f.type):
            names.extend(_list_names(group, f"{prefix}{f.name}."))
    return names


def _join_names(names: str) -> str:
    return " and ".join(names.split())
