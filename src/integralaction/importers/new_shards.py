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
from integralaction.importers.building import Imported, Remark, write_remarks


class NewShards:
    """Shards in DATA/poses.parts, under the names that they get beside the others when all are written."""

    def __init__(self, root: Path) -> None:
        self._root, self._folder = root, root / "poses.parts"
        self._account = self._folder / "account.json"

    def write(self, videos: Iterable[tuple[str, Poses]]) -> int:
        """Write poses into new shards, `SHARD` videos each; how many videos. What a stopped call left is gone."""
        self._remove()
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

    def finish(self, index: Index, skeleton: str, remarks: list[Remark], name: str) -> Imported:
        """Move the shards beside the others, of a data set whose poses have this skeleton.

        Args:
            name: of the list of remarks.
        """
        about = {"skeleton": skeleton, "remarks": [asdict(remark) for remark in remarks], "name": name}
        write_text(self._account, json.dumps(about))
        finished = self.go_on(index)
        assert finished is not None
        return finished

    def go_on(self, index: Index) -> Imported | None:
        """Finish what a call had begun that was stopped while it moved shards; None where there is none."""
        try:
            about = json.loads(self._account.read_text(encoding="utf-8"))
            skeleton, name = str(about["skeleton"]), str(about["name"])
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
        write_remarks(self._root, remarks, name)
        self._remove()
        return Imported(index, remarks, name)

    def _remove(self) -> None:
        self._account.unlink(missing_ok=True)  # first: without it nothing is taken for whole
        for path in [*self._folder.glob("poses-*.safetensors*"), *self._folder.glob("account.json*")]:
            path.unlink()
        with suppress(OSError):
            self._folder.rmdir()


def next_shard(root: Path) -> int:
    """The number after the last shard's."""
    numbers = [int(path.stem.partition("-")[2]) for path in root.glob("poses-*.safetensors")]
    return max(numbers, default=-1) + 1
