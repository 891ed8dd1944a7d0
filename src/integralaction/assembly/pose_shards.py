"""New pose shards of a data set, all or none of them: a call that is stopped leaves the data set as it was, or what the
next call needs to go on.
"""

import json
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import asdict, replace
from pathlib import Path

from integralaction.assembly.issues import ImportResult, read_issues, write_issues
from integralaction.assembly.plan import ImportIssue
from integralaction.clip import Poses
from integralaction.data.index import Index, write_index
from integralaction.data.poses import SHARD, PoseStore, write_shard
from integralaction.files import flush_folder, write_text

ACCOUNT = "account.json"
LIST = "poses.csv"  # the videos without poses, and why


class NewShards:
    """Shards in DATA/poses.parts, under the names that they get beside the others when all are written."""

    def __init__(self, root: Path) -> None:
        self._root, self._folder, self._trash = root, root / "poses.parts", root / "poses.finished"
        self._account = self._folder / ACCOUNT

    def write(self, videos: Iterable[tuple[str, Poses]]) -> int:
        """Write poses into new shards, `SHARD` videos each; how many videos. What a stopped call left is gone."""
        _remove(self._folder)
        number, count, shard = next_shard(self._root), 0, []
        for video in videos:
            shard.append(video)
            count += 1
            if len(shard) == SHARD:
                write_shard(self._folder / f"poses-{number:05d}.safetensors", shard)
                number, shard = number + 1, []
        if shard:
            write_shard(self._folder / f"poses-{number:05d}.safetensors", shard)
        return count

    def finish(self, index: Index, skeleton: str, issues: list[ImportIssue]) -> ImportResult:
        """Move the shards beside the others, of a data set whose poses have this skeleton."""
        about = {"skeleton": skeleton, "issues": [asdict(issue) for issue in issues]}
        write_text(self._account, json.dumps(about))
        result = self.go_on(index)
        assert result is not None
        return result

    def go_on(self, index: Index) -> ImportResult | None:
        """Finish what a call had begun that was stopped while it moved shards; None where there is none."""
        if self._trash.is_dir():  # it was stopped at its very end
            _remove(self._trash)
            with suppress(FileNotFoundError, ValueError):
                return ImportResult(index, read_issues(self._root, LIST), LIST)
        try:
            about = json.loads(self._account.read_text(encoding="utf-8"))
            skeleton = str(about["skeleton"])
            issues = tuple(ImportIssue(**issue) for issue in about["issues"])
            shards = sorted(self._folder.glob("poses-*.safetensors"))
            PoseStore(shards)  # none is cut off
        except (FileNotFoundError, ValueError, KeyError, TypeError):
            return None
        # the skeleton first: without the shards it says nothing, with some of them it is theirs
        index = replace(index, skeleton=skeleton or index.skeleton)
        write_index(index)
        for shard in shards:
            shard.replace(self._root / shard.name)
        flush_folder(self._root)
        write_issues(self._root, issues, LIST)
        self._folder.rename(self._trash)
        _remove(self._trash)
        return ImportResult(index, issues, LIST)


def _remove(folder: Path) -> None:
    (folder / ACCOUNT).unlink(missing_ok=True)  # first: without it nothing is taken for whole
    for path in [*folder.glob("poses-*.safetensors*"), *folder.glob(f"{ACCOUNT}.part")]:
        path.unlink()
    with suppress(OSError):
        folder.rmdir()


def next_shard(root: Path) -> int:
    """The number after the last shard's."""
    numbers = [path.stem.partition("-")[2] for path in root.glob("poses-*.safetensors")]
    return max((int(number) for number in numbers if number.isdecimal()), default=-1) + 1
