"""The pose store: the poses of a data set's videos in `poses-*.safetensors`, read lazily by slices.

A shard holds at most 256 videos: `joints` (N, K, 3) float32, `frame_offsets` (frame -> rows of joints),
`video_offsets` (video -> frames), `frame_index`; its metadata lists the videos in order. Eight frames of a video
touch only their rows.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from integralaction.clip import Poses, best_of_frames
from integralaction.files import write_whole

SHARD = 256
FORMAT = 1
HEAD, READERS = 2**16, 32  # bytes of a shard that hold its list of videos; how many are read at once
_KEY = "integralaction.poses"
_DTYPES = {"F32": "<f4", "I64": "<i8"}  # of a shard's tensors, as safetensors calls them
_TENSORS = ("joints", "frame_offsets", "video_offsets", "frame_index")


def write_shard(path: Path, videos: list[tuple[str, Poses]]) -> None:
    """Write the poses of these videos as one shard, aside and then renamed.

    Raises:
        ValueError: no videos, or videos of more than one skeleton.
    """
    skeletons = {poses.skeleton for _, poses in videos}
    if len(skeletons) != 1:
        raise ValueError(f"Expected videos of one skeleton in {path}; found {sorted(skeletons)}.")
    joints = np.concatenate([poses.joints for _, poses in videos])
    frame_counts = np.concatenate([np.diff(poses.frame_offsets) for _, poses in videos])
    tensors = {
        "joints": np.ascontiguousarray(joints, np.float32),
        "frame_offsets": np.concatenate([[0], np.cumsum(frame_counts)]).astype(np.int64),
        "video_offsets": np.cumsum([0, *(len(poses.frame_index) for _, poses in videos)]).astype(np.int64),
        "frame_index": np.concatenate([poses.frame_index for _, poses in videos]).astype(np.int64),
    }
    about = {"format": FORMAT, "skeleton": skeletons.pop(), "videos": [name for name, _ in videos]}
    with write_whole(path) as aside:
        save_file(tensors, aside, metadata={_KEY: json.dumps(about)})


def write_pose_store(root: Path, videos: Iterable[tuple[str, Poses]]) -> None:
    """Write all poses of a data set into `root`, `SHARD` videos a file."""
    remaining = iter(videos)
    number = 0
    while shard := list(islice(remaining, SHARD)):
        write_shard(root / f"poses-{number:05d}.safetensors", shard)
        number += 1


class PoseStore(Mapping[str, Poses]):
    """The poses of a data set, by the video's path in the index.

    Only the list of videos is held in memory. Shards are mapped when first read; a loader process maps its own.
    """

    def __init__(self, paths: Iterable[Path]) -> None:
        """
        Raises:
            ValueError: a file is not a pose shard, or two shards disagree.
        """
        self._paths = sorted(paths)
        self._where: dict[str, tuple[int, int]] = {}
        self._mapped: dict[int, dict[str, np.ndarray]] = {}
        self.skeleton = ""
        _warm(self._paths)
        for shard, path in enumerate(self._paths):
            about = _about(path)
            if self.skeleton not in ("", about["skeleton"]):
                raise ValueError(f"Expected poses of {self.skeleton} in {path}; found {about['skeleton']}.")
            self.skeleton = about["skeleton"]
            for row, name in enumerate(about["videos"]):
                if name in self._where:
                    raise ValueError(f"Expected each video's poses once; found {name} again in {path}.")
                self._where[name] = (shard, row)

    @classmethod
    def of(cls, root: Path) -> "PoseStore":
        """The pose store in a data set folder; empty where there is none."""
        return cls(root.glob("poses-*.safetensors"))

    def __getstate__(self) -> dict:
        return {**self.__dict__, "_mapped": {}}

    @property
    def state(self) -> str:
        """Changes when a shard is written again: names, sizes and times."""
        return repr([(path.name, path.stat().st_size, path.stat().st_mtime_ns) for path in self._paths])

    def shards_of(self, videos: Iterable[str]) -> list[Path]:
        """The shards that hold these videos."""
        return [self._paths[n] for n in sorted({self._where[video][0] for video in videos if video in self._where})]

    def __iter__(self) -> Iterator[str]:
        return iter(self._where)

    def __len__(self) -> int:
        return len(self._where)

    def __contains__(self, video: object) -> bool:
        return video in self._where

    def __getitem__(self, video: str) -> Poses:
        """The poses of one video.

        Raises:
            KeyError: the store does not hold that video.
        """
        shard, first, last = self._find(video)
        offsets = shard["frame_offsets"][first : last + 1]
        return Poses(
            skeleton=self.skeleton,
            joints=shard["joints"][offsets[0] : offsets[-1]].copy(),
            frame_index=shard["frame_index"][first:last].copy(),
            frame_offsets=offsets - offsets[0],
        )

    def at(self, video: str, frames: np.ndarray) -> np.ndarray:
        """The poses of these frames of one video, as `Poses.at` gives them, without reading the others.

        Raises:
            KeyError: the store does not hold that video.
            ValueError: a joint is not finite.
        """
        shard, first, last = self._find(video)
        index = shard["frame_index"][first:last]
        wanted = frames.tolist()
        low = int(index.searchsorted(min(wanted)))
        high = int(index.searchsorted(max(wanted), side="right"))
        offsets = shard["frame_offsets"][first + low : first + high + 1]
        joints = shard["joints"][offsets[0] : offsets[-1]]
        found = best_of_frames(joints, index[low:high], offsets - offsets[0], frames)
        if not np.isfinite(found).all():
            raise ValueError(f"Expected finite joints of {video} in the pose store; found NaN or infinity.")
        return found

    def _find(self, video: str) -> tuple[dict[str, np.ndarray], int, int]:
        """The tensors of a video's shard, and the range of its frames there."""
        if video not in self._where:
            raise KeyError(f"Expected a video of the pose store; it holds no poses of {video}.")
        number, row = self._where[video]
        if number not in self._mapped:
            self._mapped[number] = _map(self._paths[number])
        shard = self._mapped[number]
        first, last = shard["video_offsets"][row : row + 2].tolist()
        return shard, first, last


def _map(path: Path) -> dict[str, np.ndarray]:
    """The tensors of a shard, mapped into memory: as safetensors' slices, but each costs a tenth of the time.

    PyTorch maps it, which, unlike Python's mmap, does not keep the file open: a large store has more shards than a
    process may have open files.
    """
    with path.open("rb") as file:
        head = int.from_bytes(file.read(8), "little")
        header = json.loads(file.read(head))
    whole = torch.from_file(str(path), shared=False, size=path.stat().st_size, dtype=torch.uint8).numpy()
    whole.flags.writeable = False
    tensors = {}
    for name in _TENSORS:
        about = header[name]
        first, last = (8 + head + place for place in about["data_offsets"])
        tensors[name] = whole[first:last].view(_DTYPES[about["dtype"]]).reshape(about["shape"])
    return tensors


def _warm(paths: list[Path]) -> None:
    """Have the heads of many shards read at once: one after another, each would wait for the disk."""

    def read(path: Path) -> None:
        with suppress(OSError), path.open("rb") as file:
            file.read(HEAD)

    if len(paths) > READERS:
        with ThreadPoolExecutor(READERS) as pool:
            list(pool.map(read, paths))


def _about(path: Path) -> dict:
    try:
        with safe_open(path, "numpy") as handle:
            about = json.loads((handle.metadata() or {}).get(_KEY, "null"))
            keys = set(handle.keys())
            dtypes = {handle.get_slice(name).get_dtype() for name in _TENSORS if name in keys}
    except (SafetensorError, OSError) as error:
        raise ValueError(f"Expected a pose shard in {path}; it cannot be read ({error}).") from error
    if about is None or not keys.issuperset(_TENSORS):
        raise ValueError(f"Expected a pose shard with {', '.join(_TENSORS)} in {path}; found {sorted(keys)}.")
    if about["format"] != FORMAT:
        raise ValueError(f"Expected pose format {FORMAT} in {path}; found {about['format']!r}.")
    if not dtypes <= _DTYPES.keys():
        raise ValueError(f"Expected joints as F32 and offsets as I64 in {path}; found {sorted(dtypes)}.")
    return about
