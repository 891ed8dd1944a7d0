"""Names that say what happened to a thing instead of what it is: `found`, `told`, `shown`, ...

    python -m tools.names [FOLDER]      the share of such names, and the files that have most of them

A name counts once in each scope (module, class, function, lambda) that binds it: by assignment, as an argument, as a
function or class, as an attribute (`self.found = ...`). `self`, `cls` and `_` say nothing and do not count. A bare
participle is one of WORDS and nothing else beside underscores: `found_joints` is none. `left` is a direction, not a
participle, where the same scope binds `right` too.
"""

import ast
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

WORDS = "found wanted told shown seen kept left asked made given taken known"
PARTICIPLES = frozenset(WORDS.split())
SOURCE = Path(__file__).parents[1] / "src"


@dataclass(frozen=True)
class FileNames:
    """The names that a file binds, each once a scope, and the lines of those that are bare participles."""

    path: Path
    names: int
    participles: tuple[tuple[int, str], ...]  # line, name

    def __str__(self) -> str:
        lines = ", ".join(f"{name} {line}" for line, name in self.participles)
        return f"{len(self.participles):4} of {self.names:4}  {self.path}: {lines}"


def bound_name(node: ast.AST) -> str | None:
    """The name that a node binds in the scope around it."""
    match node:
        case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name) | ast.arg(arg=name):
            return name
        case ast.Name(id=name, ctx=ast.Store()) | ast.Attribute(attr=name, ctx=ast.Store()):
            return name
        case ast.alias(asname=name) | ast.ExceptHandler(name=name) | ast.MatchAs(name=name):
            return name
    return None


def scopes(root: ast.AST) -> Iterator[dict[str, int]]:
    """Of a scope and each scope in it: the names that it binds, each with its first line."""
    names: dict[str, int] = {}
    nodes, inner = list(ast.iter_child_nodes(root)), []
    while nodes:
        node = nodes.pop(0)
        if name := bound_name(node):
            names.setdefault(name, getattr(node, "lineno", 0))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Lambda):
            inner.append(node)
        else:
            nodes += ast.iter_child_nodes(node)
    yield names
    for node in inner:
        yield from scopes(node)


def read_names(path: Path) -> FileNames:
    """What a file binds."""
    count, participles = 0, []
    for names in scopes(ast.parse(path.read_text(encoding="utf-8"))):
        count += len(names.keys() - {"self", "cls", "_"})
        for name, line in names.items():
            is_direction = name == "left" and "right" in names
            if name.strip("_") in PARTICIPLES and not is_direction:
                participles.append((line, name))
    return FileNames(path, count, tuple(sorted(participles)))


def participles_per_thousand(files: list[FileNames]) -> float:
    """Bare participles among a thousand names."""
    return 1000 * sum(len(file.participles) for file in files) / max(1, sum(file.names for file in files))


def report(files: list[FileNames], count: int = 20) -> str:
    """The share, and the `count` files with most of them, with names and lines."""
    worst = sorted((file for file in files if file.participles), key=lambda file: -len(file.participles))[:count]
    total = f"{participles_per_thousand(files):.1f} in a thousand names are bare participles"
    return "\n".join([total, *map(str, worst)])


def main() -> None:
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else SOURCE
    print(report([read_names(path) for path in sorted(folder.rglob("*.py"))]))


if __name__ == "__main__":
    main()
