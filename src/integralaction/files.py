"""Files that are whole or not there: written aside, flushed to the disk, then renamed."""

import csv
import os
from collections.abc import Generator, Iterable, Sequence
from contextlib import contextmanager
from pathlib import Path

# what the user's umask allows of read and write; a process can only learn its umask by setting one
_UMASK = os.umask(0o022)
os.umask(_UMASK)
MODE = 0o666 & ~_UMASK


@contextmanager
def write_whole(path: Path) -> Generator[Path]:
    """Give a path beside `path` to write to; at the end that file is renamed to `path`.

    It is flushed before it is renamed, so that a power cut leaves the old file or the new one, never half of one, and
    it has the mode that the user's umask gives, whatever library wrote it. After an error it is deleted. The folder is
    made where it is missing. Two files never share one such path.

    Yields:
        `path` with `.part` behind its name, where there is no file.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f"{path.name}.part")
    aside.unlink(missing_ok=True)
    try:
        yield aside
        _flush(aside)
        aside.chmod(MODE)
        aside.replace(path)
    except BaseException:
        aside.unlink(missing_ok=True)
        raise
    flush_folder(path.parent)


def write_text(path: Path, text: str, errors: str = "strict") -> None:
    """Write a text file in UTF-8 with the line ends that the text has, whole or not at all."""
    with write_whole(path) as aside:
        aside.write_text(text, encoding="utf-8", errors=errors, newline="")


def flush_folder(folder: Path) -> None:
    """Make sure that the names in a folder outlast a power cut; where the system cannot, nothing is done."""
    try:
        handle = os.open(folder, os.O_RDONLY)
    except OSError:  # Windows opens no folders
        return
    try:
        os.fsync(handle)
    except OSError:  # some network file systems know no such call
        pass
    finally:
        os.close(handle)


def _flush(path: Path) -> None:
    with path.open("rb+") as file:
        os.fsync(file.fileno())


def write_rows(path: Path, rows: Iterable[Sequence[object]], errors: str = "strict") -> None:
    """Write a csv file in UTF-8 with a line a row, whole or not at all."""
    with write_whole(path) as aside, aside.open("w", newline="", encoding="utf-8", errors=errors) as file:
        csv.writer(file, lineterminator="\n").writerows(rows)
