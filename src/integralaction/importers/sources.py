"""What importers read from: folders of videos, JSON files, lists of names."""

import json
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from integralaction.assembly.plan import ImportIssue
from integralaction.errors import MissingFile, Refused
from integralaction.video.images import IMAGES, UNREAD_IMAGES, image_series, is_animation

# of a data set's videos where nobody names them: pictures of other kinds may as well be scans, stacks or icons
_FRAMES = (".jpg", ".jpeg", ".jpe", ".jfif", ".png")
_OF_THE_SYSTEM = ("thumbs.db", "ehthumbs.db", "desktop.ini")  # Windows leaves them in folders
VIDEOS = (".mp4", ".avi", ".mkv", ".webm", ".mov", ".m4v", ".mpg", ".mpeg", ".flv", ".wmv", ".3gp", ".ts", ".gif")
VIDEOS += (".mts", ".m2ts", ".ogv", ".vob", ".asf", ".mxf", ".3g2", ".m2v", ".f4v", ".divx", ".dv", ".y4m")


def read_json(path: Path) -> Any:
    """What a JSON file holds.

    Raises:
        FileNotFoundError: it is not there.
        ValueError: it is no JSON.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError:
        raise MissingFile(f"Expected a JSON file; {path} is not there.") from None
    except (ValueError, RecursionError) as error:
        raise Refused(f"Expected JSON in {path}; it cannot be read ({error}).") from error


def read_lines(path: Path) -> tuple[str, ...]:
    """The lines of a text file that are not empty.

    Raises:
        FileNotFoundError: it is not there.
        ValueError: it is no text.
    """
    if not path.is_file():
        raise MissingFile(f"Expected a text file with a name a line; {path} is not there.")
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise Refused(f"Expected a text file with a name a line in {path}; it is no text.") from error
    return tuple(line.strip() for line in lines if line.strip())


def video_files(root: Path) -> tuple[dict[str, list[str]], list[ImportIssue]]:
    """Every file below a folder, and every folder that holds images and nothing else, by its name without the ending.

    Links are followed, but for those that lead back to a folder above them.

    Returns:
        Paths relative to `root`, sorted, by stem, those with the ending of a video first; hidden files are left out.
        And an issue for each image that lies beside other files, and for what is no file or cannot be looked into.

    Raises:
        FileNotFoundError: there is no such folder.
        ValueError: it holds a folder of images that are neither JPEG nor PNG.
    """
    if not root.is_dir():
        raise MissingFile(f"Expected a folder of videos; {root} is not there.")
    paths_of: dict[str, list[str]] = {}
    issues: list[ImportIssue] = []
    for here, folders, names in _folders(root, issues):
        pictures = [name for name in names if name.lower().endswith((*IMAGES, *UNREAD_IMAGES))]
        images = [name for name in pictures if not is_animation(root / here / name)]
        if images and len(images) == len(names) and not folders and here != Path():
            _check_images(root, here, images, issues)
            paths_of.setdefault(here.name, []).append(here.as_posix())
            continue
        issues += [ImportIssue((here / name).as_posix(), "an image beside other files") for name in images]
        for name in sorted(set(names) - set(images)):
            paths_of.setdefault(Path(name).stem, []).append((here / name).as_posix())
    for paths in paths_of.values():
        paths.sort(key=lambda path: (not path.lower().endswith(VIDEOS), path))
    return paths_of, issues


def _check_images(root: Path, here: Path, images: list[str], issues: list[ImportIssue]) -> None:
    """
    Raises:
        ValueError: an image of the folder is neither JPEG nor PNG.
    """
    if other := [name for name in images if not name.lower().endswith(_FRAMES)]:
        raise Refused(
            f"Expected folders of frames as JPEG or PNG in {root}; found {here / other[0]}. Convert them, or "
            "name each folder in a table (--csv)."
        )
    if len(series := image_series([Path(name) for name in images])) > 1:
        detail = f"one after another: {', '.join(series[:4])}"
        issues.append(ImportIssue(here.as_posix(), "images of several series", detail, is_imported=True))


def _folders(root: Path, issues: list[ImportIssue]) -> Iterator[tuple[Path, list[str], list[str]]]:
    """Each folder relative to `root`, with the names of the folders and of the files in it, sorted; what is neither is
    an issue."""
    real = root.resolve()
    stack = [(Path(), {str(real), *(str(above) for above in real.parents)})]
    while stack:
        here, above = stack.pop()
        folders, names = [], []
        try:
            contents = sorted(path.name for path in (root / here).iterdir())
        except OSError as error:
            issues.append(ImportIssue(here.as_posix(), "a folder that cannot be looked into", str(error.strerror)))
            continue
        for name in contents:
            path = root / here / name
            if name.startswith(".") or name.lower() in _OF_THE_SYSTEM:
                continue
            if path.is_dir():
                folders.append(name)
            elif _is_special(path):
                issues.append(ImportIssue((here / name).as_posix(), "neither a file nor a folder"))
            else:  # a link that leads nowhere is named when it is read
                names.append(name)
        yield here, folders, names
        for name in reversed(folders):
            target = str((root / here / name).resolve())
            if target in above:
                issues.append(ImportIssue((here / name).as_posix(), "a link to a folder above it", target))
            else:
                stack.append((here / name, above | {target}))


def _is_special(path: Path) -> bool:
    """Whether it is there and no regular file: to open a pipe would wait for ever."""
    try:
        return not stat.S_ISREG(path.stat().st_mode)
    except OSError:
        return False
