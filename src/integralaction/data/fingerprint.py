"""What a run knows of the data that it was trained on, by which it notices that they changed.

Digests of contents, not of times: a copy of a data set is the same one.
"""

import hashlib
from dataclasses import dataclass, fields, replace
from functools import lru_cache
from pathlib import Path

from integralaction.data.index import Index, Video
from integralaction.data.poses import PoseStore

WHOLE = 2**20  # bytes of a shard up to which each of them is looked at
BLOCKS, BLOCK = 16, 4096  # of a larger one its head and so many blocks of so many bytes, evenly spread


@dataclass(frozen=True)
class Fingerprint:
    """Digests of the training videos of a data set.

    Attributes:
        videos: how many rows.
        rows: of all that the index says of them but the labels.
        labels: of these.
        poses: of the pose shards that hold them, see `poses_digest`; empty where nothing looks at poses.
        others: of the rows of the other splits.
    """

    videos: int
    rows: str
    labels: str
    poses: str
    others: str

    @classmethod
    def of(cls, index: Index, with_poses: bool) -> "Fingerprint":
        """The fingerprint of a data set."""
        videos = tuple(v for v in index.videos if v.split == "train")
        others = ((v.split, v.label, *_place(v)) for v in index.videos if v.split != "train")
        poses = poses_digest(replace(index, videos=videos)) if with_poses else ""
        labels = _digest(*(v.label for v in videos))
        return cls(len(videos), _digest(*map(_place, videos)), labels, poses, _digest(*others))

    def changes(self, now: "Fingerprint") -> str:
        """What of the training videos is another now, in words; empty: nothing."""
        names = [f.name for f in fields(self) if getattr(self, f.name) != getattr(now, f.name)]
        if "videos" in names:
            return f"{now.videos} training videos instead of {self.videos}"
        words = {"rows": "other rows of videos.csv", "labels": "other labels", "poses": "other poses"}
        return ", ".join(word for name, word in words.items() if name in names)


def _place(video: Video) -> tuple:
    """Where a video lies and what is looked at of it."""
    return (video.video, video.frames, video.fps, video.height, video.width, video.start, video.end)


def poses_digest(index: Index) -> str:
    """A digest of the poses of an index's videos: which videos have some, and the shards in which these lie.

    Raises:
        ValueError: a shard cannot be read.
    """
    stats = [(path, path.stat()) for path in sorted(index.root.glob("poses-*.safetensors"))]
    shards = tuple((str(path), stat.st_size, stat.st_mtime_ns) for path, stat in stats)
    return _poses_digest(shards, index.skeleton, tuple(video.video for video in index.videos))


@lru_cache(maxsize=32)
def _poses_digest(shards: tuple[tuple[str, int, int], ...], skeleton: str, videos: tuple[str, ...]) -> str:
    store = PoseStore([Path(path) for path, _, _ in shards])
    digests = sorted({_shard_digest(path, path.stat().st_mtime_ns) for path in store.shards_of(videos)})
    return _digest(skeleton, [video for video in videos if video not in store], *digests)


@lru_cache(maxsize=4096)
def _shard_digest(path: Path, _changed: int) -> str:
    size = path.stat().st_size
    sha256 = hashlib.sha256(str(size).encode())
    with path.open("rb") as file:
        if size <= WHOLE:
            sha256.update(file.read())
        else:
            head = file.read(8)
            sha256.update(head + file.read(int.from_bytes(head, "little")))
            for number in range(BLOCKS):
                file.seek(number * (size - BLOCK) // (BLOCKS - 1))
                sha256.update(file.read(BLOCK))
    return sha256.hexdigest()


def _digest(*parts: object) -> str:
    sha256 = hashlib.sha256()
    for part in parts:
        sha256.update(repr(part).encode("utf-8", "surrogateescape"))
        sha256.update(b"\0")
    return sha256.hexdigest()[:16]
