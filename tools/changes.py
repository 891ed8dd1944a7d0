"""The changes that a process makes to the files of a folder: listed, or died at.

Python announces them before they are made (`sys.addaudithook`). Libraries in C and Rust open their files unannounced;
these are written aside, and what becomes of them then is announced again.
"""

import os
import signal
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

WRITES = os.O_WRONLY | os.O_RDWR
EVENTS = ("os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.truncate", "os.link", "os.symlink", "os.chmod")

# how it ends at a change: killed before it, killed when a file that was there has just been opened to be written anew,
# or by a power cut, which takes with it what was not flushed: all of it, or the second half
End = Literal["kill", "kill in place", "power cut", "half power cut"]


@dataclass(frozen=True)
class Change:
    """A change of a file, and the ways to end there that leave a state of the folder not seen before.

    Attributes:
        number: from 1 on.
        what: its name in Python.
        path: the file, relative to the folder.
        ends: the ways to end there.
    """

    number: int
    what: str
    path: str
    ends: tuple[End, ...]


_State = dict[str, tuple[int, int, int]]  # of each file below a folder: inode, bytes, time of the last change


class Watch:
    """Watches the changes below a folder, from its making to the end of the process."""

    def __init__(self, root: Path, act: Callable[["Watch", int, str, Path, int], None]) -> None:
        """
        Args:
            act: what to do before each change, given its number, name, path and flags.
        """
        self.root, self._act = root.resolve(), act
        self._number, self._inside = 0, False
        self._safe: dict[int, tuple[int, int]] = {}  # of each flushed file: bytes, time
        self._before = state_of(self.root)
        flush = os.fsync

        def fsync(handle: Any) -> None:
            flush(handle)
            about = os.fstat(handle if isinstance(handle, int) else handle.fileno())
            self._safe[about.st_ino] = (about.st_size, about.st_mtime_ns)

        os.fsync = fsync  # Python announces no flushing  # ty: ignore[invalid-assignment]
        sys.addaudithook(self._hook)

    def _hook(self, event: str, arguments: tuple) -> None:
        if self._inside or (event != "open" and event not in EVENTS):
            return
        path, flags = arguments[0], arguments[2] if event == "open" else 0
        if not isinstance(path, str | bytes | os.PathLike) or (event == "open" and not flags & WRITES):
            return
        self._inside = True
        try:
            whole = self._whole(Path(os.fsdecode(path)), event, arguments)
            if whole.is_relative_to(self.root):
                self._number += 1
                self._act(self, self._number, event, whole, flags)
        finally:
            self._inside = False

    def _whole(self, path: Path, event: str, arguments: tuple) -> Path:
        """The absolute path; some calls name a file within an open folder."""
        handle = arguments[-1]
        if event in ("os.remove", "os.rmdir", "os.mkdir") and isinstance(handle, int) and handle >= 0:
            return Path(f"/proc/self/fd/{handle}").readlink() / path
        return path if path.is_absolute() else Path.cwd() / path

    def unsafe(self) -> list[Path]:
        """Files that were changed and not flushed since."""
        paths = []
        for name, about in state_of(self.root).items():
            if self._before.get(name) != about and self._safe.get(about[0]) != about[1:] and about[1] > 0:
                paths.append(self.root / name)
        return paths


def state_of(root: Path) -> _State:
    """What lies below a folder now."""
    state = {}
    for folder, folders, names in os.walk(root):
        for name in (*names, *folders):
            path = Path(folder) / name
            about = path.lstat()
            is_folder = path.is_dir()
            place = path.relative_to(root).as_posix()
            state[place] = (about.st_ino, 0, 0) if is_folder else (about.st_ino, about.st_size, about.st_mtime_ns)
    return state


def list_changes(root: Path, changes: list[Change]) -> None:
    """Append each change that this process makes below a folder from now on."""
    last: list[_State] = [state_of(root)]

    def note(watch: Watch, number: int, event: str, path: Path, flags: int) -> None:
        state, ends = state_of(watch.root), list[End]()
        if state != last[0]:
            ends.append("kill")
            if watch.unsafe():
                ends += ["power cut", "half power cut"]
        last[0] = state
        if _is_in_place(path, flags):
            ends.append("kill in place")
        changes.append(Change(number, event, path.relative_to(watch.root).as_posix(), tuple(ends)))

    Watch(root, note)


def _is_in_place(path: Path, flags: int) -> bool:
    return bool(flags & os.O_TRUNC) and path.is_file() and path.stat().st_size > 0


def die_at(root: Path, number: int, end: End) -> None:
    """Let this process die at that change below a folder."""

    def die(watch: Watch, reached: int, event: str, path: Path, flags: int) -> None:
        if reached != number:
            return
        if end == "kill in place":
            os.truncate(path, 0)
        if end in ("power cut", "half power cut"):
            for lost in watch.unsafe():
                os.truncate(lost, 0 if end == "power cut" else lost.stat().st_size // 2)
        os.kill(os.getpid(), signal.SIGKILL)

    Watch(root, die)
