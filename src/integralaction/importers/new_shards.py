"""New pose shards of a data set, all or none of them: a call that is stopped leaves the data set as it was, or what the
next call needs to go on.
"""

import json
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import asdict, replace
from pathlib import Path

from integralaction.clip import Poses
from integralaction.data.index import Index, write_index
from integralaction.data.poses import SHARD, PoseStore, write_shard
from integralaction.files import flush_folder, write_text
from integralaction.importers.building import Imported, Remark, read_remarks, write_remarks

ACCOUNT = "account.json"
LIST = "poses.csv"  # the videos without poses, and why


class NewShards:
    """Shards in DATA/poses.parts, under the names that they get beside the others when all are written."""

    def __init__(self, root: Path) -> None:
        self._root, self._folder, self._finished = root, root / "poses.parts", root / "poses.finished"
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

    def finish(self, index: Index, skeleton: str, remarks: list[Remark]) -> Imported:
        """Move the shards beside the others, of a data set whose poses have this skeleton."""
        about = {"skeleton": skeleton, "remarks": [asdict(remark) for remark in remarks]}
        write_text(self._account, json.dumps(about))
        finished = self.go_on(index)
        assert finished is not None
        return finished

    def go_on(self, index: Index) -> Imported | None:
        """Finish what a call had begun that was stopped while it moved shards; None where there is none."""
        if self._finished.is_dir():  # it was stopped at its very end
            _remove(self._finished)
            with suppress(FileNotFoundError, ValueError):
                return Imported(index, read_remarks(self._root, LIST), LIST)
        try:
            about = json.loads(self._account.read_text(encoding="utf-8"))
            skeleton = str(about["skeleton"])
            remarks = tuple(Remark(**remark) for remark in about["remarks"])
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
        write_remarks(self._root, remarks, LIST)
        self._folder.rename(self._finished)
        _remove(self._finished)
        return Imported(index, remarks, LIST)


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
