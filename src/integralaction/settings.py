"""Settings in YAML: read with limits, written whole."""

import re
from pathlib import Path
from typing import Any

import yaml

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
            if node is not None and _size(node, {}) > MOST:
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


def _size(node: yaml.Node, sizes: dict[int, int]) -> int:
    """Values in a node, those behind aliases counted each time."""
    if id(node) not in sizes:
        sizes[id(node)] = MOST + 1  # a node that holds itself never ends
        parts: list[yaml.Node] = []
        if isinstance(node, yaml.SequenceNode):
            parts = node.value
        elif isinstance(node, yaml.MappingNode):
            parts = [part for pair in node.value for part in pair]
        sizes[id(node)] = 1 + sum(_size(part, sizes) for part in parts)
    return sizes[id(node)]
