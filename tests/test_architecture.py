"""The import directions of the design: each module may import the lines above its own, and nothing in a circle."""

import ast
from pathlib import Path

import integralaction

ROOT = Path(integralaction.__file__).parent

# a line a level; within `model` and `data` in the order given; files of `FREE` import each other freely
LEVELS = (
    (
        *("interrupts", "errors", "files", "csv_files", "console", "escapes", "intervals", "downloads", "fonts"),
        *("tables", "terminal"),
        *("settings", "format1", "skeleton", "pickles", "archive", "config", "recipe"),
    ),
    ("clip",),
    ("video",),
    ("pose_formats",),
    (
        *("model.pose_maps", "model.inputs", "model.layers", "model.tsm_resnet", "model.backbones", "model.streams"),
        *("model.integration", "model.network"),
        "model.loss",
        *("data.video", "data.index", "data.poses", "data.pose_files", "data.fingerprint"),
        *("data.sampling", "data.transforms", "data.clips"),
        "draw",
    ),
    ("data.dataset", "data.loading", "estimators", "engines", "recipes", "mime"),
    ("assembly", "checkpoints"),
    ("training.run",),
    ("models",),
    ("importers", "testing", "predict"),
    ("training",),
    ("export",),
    ("figures", "serve"),
    ("report.page",),
    ("reproduce",),
    ("report", "app"),
    ("cli",),
    ("", "__main__"),
)

# packages whose files import each other freely; the absence of circles orders them
FREE = (
    *("video", "pose_formats", "mime", "estimators", "assembly", "checkpoints", "importers"),
    *("training", "testing", "predict", "figures", "reproduce", "report", "cli"),
)


def level(module: str) -> tuple[int, int]:
    """Line and place of a module; a package that stands for its files is found by its first name."""
    for line, names in enumerate(LEVELS):
        for place, name in enumerate(names):
            if module == name or (name in FREE and module.startswith(f"{name}.")):
                return line, place
    raise AssertionError(f"{module} has no place in the design: give it one in LEVELS, above all that it imports")


def modules() -> dict[str, Path]:
    found = {}
    for path in sorted(ROOT.rglob("*.py")):
        name = ".".join(path.relative_to(ROOT).with_suffix("").parts)
        if name.endswith("__init__") and name != "__init__":
            assert not path.read_text().strip(), (
                f"{path} is of an inner package and stays empty: import from its modules"
            )
            continue
        found["" if name == "__init__" else name] = path
    return found


def imports(path: Path) -> set[str]:
    """The package's modules that a file imports, also inside functions and as names in strings."""
    tree, found = ast.parse(path.read_text()), set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} imports relatively: write the whole name, from integralaction..."
            if node.module == "integralaction" or (node.module or "").startswith("integralaction."):
                found.add(node.module.removeprefix("integralaction").removeprefix("."))
        elif isinstance(node, ast.Import):
            found |= {
                n.name.removeprefix("integralaction").removeprefix(".") for n in node.names if "integral" in n.name
            }
    return found


def test_imports_point_one_way() -> None:
    wrong = []
    for name, path in modules().items():
        line, place = level(name)
        for other in imports(path):
            other_line, other_place = level(other)
            same_package = name.split(".")[0] == other.split(".")[0]
            if other == "" or other_line > line:
                wrong.append(f"{name} imports {other or 'the package itself'}")
            elif name.split(".")[0] in FREE and same_package:
                continue  # the order inside is checked by the absence of circles
            elif other_line == line and line > 4:
                wrong.append(f"{name} imports {other}, which is on its own line")
            elif other_line == line == 4 and (not same_package or other_place > place):
                wrong.append(f"{name} imports {other}, which comes after it or belongs to another package")
    assert not wrong, (
        f"{'; '.join(wrong)}. Move what both need to a module of a line above, or pass it as an argument; a new place "
        "in LEVELS needs a reason of the design"
    )


def test_model_and_data_do_not_know_each_other() -> None:
    for name, path in modules().items():
        if name.startswith(("model.", "data.")):
            others = ("data", "video", "pose_formats") if name.startswith("model.") else ("model",)
            crossing = [i for i in imports(path) if i.split(".")[0] in others]
            assert not crossing, f"{name} imports {crossing}: what both need belongs in clip or above it"


def test_no_circles() -> None:
    graph = {name: imports(path) & modules().keys() for name, path in modules().items()}
    done: set[str] = set()

    def visit(name: str, above: tuple[str, ...]) -> None:
        assert name not in above, f"a circle, {' -> '.join((*above, name))}: move what two of them need to a third"
        if name not in done:
            for other in graph[name]:
                visit(other, (*above, name))
            done.add(name)

    for name in graph:
        visit(name, ())


def test_public_names() -> None:
    assert {name: getattr(integralaction, name) for name in integralaction.__all__}
    names = integralaction.__all__
    assert len(names) == 8, f"expected the eight names that the design agrees on, found {names}: agree on others first"


def test_the_readme_shows_the_tree() -> None:
    """Each file stands under its room, with a caption; several may share a line."""
    text = (ROOT.parents[1] / "README.md").read_text(encoding="utf-8")
    block = text.partition("src/integralaction/\n")[2].partition("```")[0]
    rooms: list[str] = []
    shown = set()
    for line in filter(str.strip, block.splitlines()):
        depth = (len(line) - len(line.lstrip())) // 2
        rooms = rooms[: depth - 1]
        names = [word for word in line.split() if word.endswith((".py", "/"))]
        if names and names[0].endswith("/"):
            rooms.append(names[0])
        else:
            shown |= {"".join(rooms) + name for name in names}
    files = {str(path.relative_to(ROOT)) for path in modules().values()} - {"__init__.py", "__main__.py"}
    missing, surplus = sorted(files - shown), sorted(shown - files - {"__init__.py", "__main__.py"})
    assert not missing and not surplus, f"README's tree lacks {missing} and shows {surplus}: a line a file"
