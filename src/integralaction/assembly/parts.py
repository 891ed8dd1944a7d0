"""The finished parts of a call that may be stopped, in a folder beside what it makes, until all is whole."""

import hashlib
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from integralaction.errors import Refused
from integralaction.files import write_text

CLAIM = "made_by.txt"


class Parts:
    """OUT/NAME.parts: parts of a call, and what the call is of, by which a later call knows its own work.

    When all is whole the folder gets another name and is then removed: what is half removed is never taken for parts.
    """

    def __init__(self, out: Path, name: str) -> None:
        self.out, self.folder, self._trash = out, out / f"{name}.parts", out / f"{name}.finished"

    def tidy(self) -> None:
        """Remove what a call left that was stopped at its very end."""
        _remove(self._trash)

    def claim(self, identity: Sequence[str]) -> None:
        """Make the folder, after it is sure that `out` is new or of an unfinished call of the same identity.

        Raises:
            ValueError: `out` holds something else.
        """
        digest = hashlib.sha256(repr(list(identity)).encode("utf-8", "surrogateescape")).hexdigest()
        text = f"{identity[0]}\n{len(identity) - 1} {digest}\n"
        claim = self.folder / CLAIM
        if claim.is_file() and not self._is_begun():
            if claim.read_text(encoding="utf-8", errors="replace") != _as_written(text):
                raise Refused(
                    f"Expected {self.out} to be new or of the same import; it holds parts of another one, or its "
                    "videos have changed since. Choose another folder or remove that one."
                )
            return
        if self.out.exists() and not self.out.is_dir():
            raise Refused(f"Expected a folder for the data set; {self.out} is a file. Choose another name.")
        if self.out.exists() and any(self.out.iterdir()) and not self._is_begun():
            raise Refused(f"Expected {self.out} to be new or empty; it holds other files. Choose another folder.")
        self.folder.mkdir(parents=True, exist_ok=True)
        write_text(claim, text, errors="backslashreplace")

    def finish(self) -> None:
        """Remove the folder; `out` stays."""
        self.folder.rename(self._trash)
        _remove(self._trash)

    def _is_begun(self) -> bool:
        """Whether nothing is there but an empty claim, or none yet: a call was stopped as it began."""
        if not self.folder.is_dir() or {path.name for path in self.out.iterdir()} != {self.folder.name}:
            return False
        names = {path.name for path in self.folder.iterdir()}
        claim = self.folder / CLAIM
        return names <= {CLAIM, f"{CLAIM}.part"} and not (claim.is_file() and claim.stat().st_size)


def _as_written(text: str) -> str:
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def _remove(folder: Path) -> None:
    """Remove a folder of parts, whose files are all ours; where others are beside them, it stays with these."""
    for path in [*folder.glob("[0-9]*.json*"), *folder.glob(f"{CLAIM}*")]:
        path.unlink()
    with suppress(OSError):
        folder.rmdir()
