"""The commands `integralaction import ...`: each importer's options are its fields, its help is its docstring."""

from collections.abc import Callable
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Annotated, Any, Protocol, runtime_checkable

from cyclopts import App, Parameter

from integralaction.assembly.build import build
from integralaction.assembly.issues import summary
from integralaction.assembly.plan import ImportPlan
from integralaction.assembly.pose_files import add_poses
from integralaction.console import show
from integralaction.data.index import read_index
from integralaction.importers.folder import Folder
from integralaction.importers.kinetics import Kinetics
from integralaction.importers.mimetics import Mimetics
from integralaction.importers.ntu import Ntu
from integralaction.importers.penn_action import PennAction
from integralaction.importers.pyskl import Pyskl

imports = App(
    name="import",
    help_epilogue="What was left out, and why, is printed with counts and listed in OUT/import.csv.",
    default_parameter=Parameter(negative=(), consume_multiple=True),
)


@runtime_checkable
class Importer(Protocol):
    """Options of an import, as a frozen dataclass."""

    def find(self) -> ImportPlan:
        """What of the source becomes the data set."""
        ...


def import_command(name: str, kind: Any) -> Callable[..., int]:
    """The command of an importer, from its class."""

    def command(importer: Importer, *, out: Path) -> int:
        show(summary(build(importer.find(), out, command_line(name, importer))))
        return 0

    command.__doc__ = kind.__doc__
    command.__annotations__ = {
        "importer": Annotated[kind, Parameter(name="*")],
        "out": Annotated[Path, Parameter(help="The data set folder to make.")],
        "return": int,
    }
    return command


def command_line(name: str, importer: Any) -> str:
    """What made a data set, in words: the importer and its options, paths from the root of the file system."""
    words = ["integralaction", "import", name]
    for field in fields(importer):
        value = getattr(importer, field.name)
        if value is not None:
            text = " ".join(map(_absolute, value)) if isinstance(value, tuple) else _absolute(value)
            words.append(text if field.default is MISSING else f"{field.name}={text}")
    return " ".join(words)


def _absolute(value: object) -> str:
    return str(value.resolve() if isinstance(value, Path) else value)


imports.command(import_command("folder", Folder), name="folder")
imports.command(import_command("kinetics", Kinetics), name="kinetics")
imports.command(import_command("mimetics", Mimetics), name="mimetics")
imports.command(import_command("ntu", Ntu), name="ntu")
imports.command(import_command("penn-action", PennAction), name="penn-action")
imports.command(import_command("pyskl", Pyskl), name="pyskl")


@imports.command(name="poses")
def import_poses(data: Path, files: Path, /, *, pose_units: str | None = None) -> int:
    """Give the videos of a data set that have no poses those of files, each by the video's name.

    Parameters
    ----------
    data
        The data set folder.
    files
        OpenPose's JSON files (all in one folder, or a folder a video), COCO results or annotations or AlphaPose's
        (NAME.json for each video, in folders as the videos are or all in one; or one file of all videos, whose images
        are named after them), or another data set folder.
    pose_units
        Units of the places: pixels, unit (0..1 of the video), centred (-1..1), or the size of the pictures that the
        poses were found in, as 1920x1080; by default as their values tell.
    """
    show(summary(add_poses(read_index(data), files, pose_units)))
    return 0
