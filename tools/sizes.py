"""How large things are: functions, dataclasses, rooms.

    python -m tools.sizes       functions over 60 lines, dataclasses over 8 fields, and the lines of each room

A room is a package of `src/integralaction`, or a group of ROOMS. Lines are those of the files, comments and empty lines
too, and of a function from its `def` to its end.
"""

import ast
from collections import Counter
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path

SOURCE = Path(__file__).parents[1] / "src" / "integralaction"
FUNCTION_LINES, FIELDS = 60, 8

# the method is read as one, from the settings to the answer; what every room stands on is the ground
ROOMS = {
    "method": (
        *("config", "clip", "model", "recipe", "recipes", "models"),
        *("training", "testing", "predict"),
    ),
    "ground": (
        *("errors", "files", "csv_files", "settings", "format1", "skeleton", "interrupts", "downloads", "draw"),
        *("pickles", "archive", "intervals"),
    ),
    "text": ("console", "escapes", "tables", "terminal", "fonts"),
    "mime/drawing": ("mime.drawing.*",),
    "cli": ("cli", "__main__", "__init__"),
}
ROOM_LINES = {"method": 5500, "model": 1200}  # of any other room 2,000


def room_of(module: str) -> str:
    """The room of a module: by its whole name, else by its first."""
    for name in (module, module.split(".")[0]):
        for room, patterns in ROOMS.items():
            if any(fnmatch(name, pattern) for pattern in patterns):
                return room
    return module.split(".")[0]


def is_dataclass(node: ast.ClassDef) -> bool:
    return any("dataclass" in ast.unparse(decorator) for decorator in node.decorator_list)


def large_definitions(path: Path) -> Iterator[str]:
    """A line for each function and each dataclass of a file that is larger than a reader likes."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            lines = (node.end_lineno or node.lineno) - node.lineno + 1
            if lines > FUNCTION_LINES:
                yield f"{path.relative_to(SOURCE)}:{node.lineno} {node.name}: {lines} lines"
        elif isinstance(node, ast.ClassDef) and is_dataclass(node):
            fields = sum(
                isinstance(line, ast.AnnAssign) and "ClassVar" not in ast.unparse(line.annotation) for line in node.body
            )
            if fields > FIELDS:
                yield f"{path.relative_to(SOURCE)}:{node.lineno} {node.name}: {fields} fields"


def room_lines() -> Counter[str]:
    """Lines by room. `model` is the part of the method that a reader of the paper's section 3 reads."""
    lines: Counter[str] = Counter()
    for path in sorted(SOURCE.rglob("*.py")):
        module = ".".join(path.relative_to(SOURCE).with_suffix("").parts)
        count = len(path.read_text(encoding="utf-8").splitlines())
        lines[room_of(module)] += count
        if module.startswith("model.") and room_of(module) == "method":
            lines["model"] += count
    return lines


def main() -> None:
    for path in sorted(SOURCE.rglob("*.py")):
        for line in large_definitions(path):
            print(line)
    for room, count in room_lines().most_common():
        limit = ROOM_LINES.get(room, 2000)
        print(f"{count:6,} of {limit:5,}  {room}{'  too many' if count > limit else ''}")


if __name__ == "__main__":
    main()
