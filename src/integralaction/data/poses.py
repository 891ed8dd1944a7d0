"""The pose store: the poses of a data set's videos in `poses-*.safetensors`, read lazily by slices.

A shard holds at most 256 videos: `joints` (N, K, 3) float32, `frame_offsets` (frame -> rows of joints),
`video_offsets` (video -> frames), `frame_index`; its metadata lists the videos in order. Eight frames of a video
touch only their rows. What a shard says of itself is checked before anything of its size is read.
"""

import hashlib
import json
import math
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import torch
from safetensors.numpy import save_file

from integralaction.clip import Poses, best_of_frames
from integralaction.errors import Refused
from integralaction.files import write_whole
from integralaction.skeleton import skeleton_named

SHARD = 256
FORMAT = 1
HEAD, READERS = 2**16, 32  # bytes of a shard that hold its list of videos; how many are read at once
LARGEST = 2**26  # bytes of a shard's header: that of 256 videos has about 20,000
_KEY = "integralaction.poses"
_TENSORS = {"joints": "F32", "frame_offsets": "I64", "video_offsets": "I64", "frame_index": "I64"}
_DTYPES = {"F32": "<f4", "I64": "<i8"}  # as safetensors calls them


def write_shard(path: Path, videos: list[tuple[str, Poses]]) -> None:
    """Write the poses of these videos as one shard, aside and then renamed.

    Raises:
        ValueError: no videos, or videos of more than one skeleton.
    """
    skeletons = {poses.skeleton for _, poses in videos}
    if len(skeletons) != 1:
        raise Refused(f"Expected videos of one skeleton in {path}; found {sorted(skeletons)}.")
    joints = np.concatenate([poses.joints for _, poses in videos])
    frame_counts = np.concatenate([np.diff(poses.frame_offsets) for _, poses in videos])
    tensors = {
        "joints": np.ascontiguousarray(joints, np.float32),
        "frame_offsets": np.concatenate([[0], np.cumsum(frame_counts)]).astype(np.int64),
        "video_offsets": np.cumsum([0, *(len(poses.frame_index) for _, poses in videos)]).astype(np.int64),
        "frame_index": np.concatenate([poses.frame_index for _, poses in videos]).astype(np.int64),
    }
    digest = hashlib.sha256(b"".join(array.tobytes() for array in tensors.values())).hexdigest()
    about = {"format": FORMAT, "skeleton": skeletons.pop(), "videos": [name for name, _ in videos], "digest": digest}
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
        self._states: list[str] = []
        self.skeleton = ""
        _prefetch_heads(self._paths)
        for shard, path in enumerate(self._paths):
            head = _read_head(path)
            if self.skeleton not in ("", head.skeleton):
                raise Refused(f"Expected poses of {self.skeleton} in {path}; found {head.skeleton}.")
            self.skeleton = head.skeleton
            self._states.append(head.state)
            for row, name in enumerate(head.videos):
                if name in self._where:
                    raise Refused(f"Expected each video's poses once; found {name} again in {path}.")
                self._where[name] = (shard, row)

    @classmethod
    def of(cls, root: Path) -> "PoseStore":
        """The pose store in a data set folder; empty where there is none."""
        return cls(root.glob("poses-*.safetensors"))

    def __getstate__(self) -> dict:
        return {**self.__dict__, "_mapped": {}}

    @property
    def state(self) -> str:
        """Changes with the poses, not with the place or time of their files: a digest of each shard's content.

        Of a shard without one, as another program may write it, size and time.
        """
        return repr(self._states)

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
            ValueError: its shard is damaged.
        """
        shard, first, last = self._find(video)
        offsets = shard["frame_offsets"][first : last + 1]
        self._check(video, shard, shard["frame_index"][first:last], offsets)
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
        self._check(video, shard, index, shard["frame_offsets"][first : last + 1])
        low = int(index.searchsorted(frames.min()))
        high = int(index.searchsorted(frames.max(), side="right"))
        offsets = shard["frame_offsets"][first + low : first + high + 1]
        joints = shard["joints"][offsets[0] : offsets[-1]]
        best = best_of_frames(joints, index[low:high], offsets - offsets[0], frames)
        if not np.isfinite(best).all():
            raise Refused(f"Expected finite joints of {video} in the pose store; found NaN or infinity.")
        return best

    def _find(self, video: str) -> tuple[dict[str, np.ndarray], int, int]:
        """The tensors of a video's shard, and the range of its frames there."""
        if video not in self._where:
            raise KeyError(f"Expected a video of the pose store; it holds no poses of {video}.")
        number, row = self._where[video]
        if number not in self._mapped:
            self._mapped[number] = _map_shard(self._paths[number])
        shard = self._mapped[number]
        first, last = shard["video_offsets"][row : row + 2].tolist()
        return shard, first, last

    def _check(self, video: str, shard: dict[str, np.ndarray], index: np.ndarray, offsets: np.ndarray) -> None:
        """
        Raises:
            ValueError: the frames of a video are out of order, or their persons lie outside the joints.
        """
        outside = offsets[0] < 0 or offsets[-1] > len(shard["joints"])
        if outside or (np.diff(offsets) < 0).any() or (np.diff(index) <= 0).any():
            _refuse(self._paths[self._where[video][0]], f"frames of {video} that are out of order")


@dataclass(frozen=True)
class _Head:
    """What a shard's header says, checked.

    Attributes:
        skeleton, videos: of its poses.
        state: changes with its content.
        tensors: name -> dtype, shape, first and last byte in the file.
    """

    skeleton: str
    videos: tuple[str, ...]
    state: str
    tensors: dict[str, tuple[str, tuple[int, ...], int, int]]


def _map_shard(path: Path) -> dict[str, np.ndarray]:
    """The tensors of a shard, mapped into memory: as safetensors' slices, but each costs a tenth of the time.

    PyTorch maps it, which, unlike Python's mmap, does not keep the file open: a large store has more shards than a
    process may have open files.
    """
    head = _read_head(path)
    whole = torch.from_file(str(path), shared=False, size=path.stat().st_size, dtype=torch.uint8).numpy()
    whole.flags.writeable = False
    tensors = {
        name: whole[first:last].view(_DTYPES[dtype]).reshape(shape)
        for name, (dtype, shape, first, last) in head.tensors.items()
    }
    for name, end in (("video_offsets", len(tensors["frame_index"])), ("frame_offsets", len(tensors["joints"]))):
        offsets = tensors[name]
        if offsets[0] != 0 or offsets[-1] != end or (name == "video_offsets" and (np.diff(offsets) < 0).any()):
            _refuse(path, f"{name} that do not reach from 0 to {end}")
    return tensors


def _read_head(path: Path) -> _Head:
    """The header of a shard.

    Raises:
        ValueError: the file is no shard, is cut off, or says of itself what cannot be.
    """
    if not path.is_file():
        _refuse(path, "no file")
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
            content = file.read(length) if 0 < length <= min(size - 8, LARGEST) else b""
    except OSError as error:
        raise Refused(f"Expected a pose shard in {path}; it cannot be read ({error}).") from error
    if not content:
        _refuse(path, f"{size} bytes, of which its header would have {length}")
    try:
        header = json.loads(content)
        about = json.loads(header["__metadata__"][_KEY])
        parts = {name: header[name] for name in _TENSORS}
    except (KeyError, TypeError):
        _refuse(path, ", ".join(sorted(header)) if isinstance(header, dict) else type(header).__name__)
    except (ValueError, RecursionError) as error:
        _refuse(path, f"no header that can be read ({error})")
    tensors = {name: _read_tensor_entry(part, 8 + length, size, name, path) for name, part in parts.items()}
    return _check_head(about, tensors, size, path)


def _read_tensor_entry(
    about: Any, begin: int, size: int, name: str, path: Path
) -> tuple[str, tuple[int, ...], int, int]:
    """Dtype, shape and place of one tensor, which lies within the file and has as many bytes as its shape."""
    parts = about if isinstance(about, dict) else {}
    shape, places, dtype = (parts.get(key) for key in ("shape", "data_offsets", "dtype"))
    if dtype != _TENSORS[name]:
        _refuse(path, f"{name} as {dtype!r} instead of {_TENSORS[name]}")
    if not isinstance(shape, list) or not isinstance(places, list) or len(places) != 2:
        _refuse(path, f"{name} of shape {shape} at {places}")
    first, last = places
    if not all(type(n) is int and n >= 0 for n in (*shape, first, last)) or len(shape) > 3:
        _refuse(path, f"{name} of shape {shape} at {first} to {last}")
    if last - first != math.prod(shape) * np.dtype(_DTYPES[dtype]).itemsize or begin + last > size:
        _refuse(path, f"{name} of shape {shape} at {first} to {last} of {size - begin} bytes")
    return dtype, tuple(shape), begin + first, begin + last


def _check_head(about: Any, tensors: dict[str, tuple[str, tuple[int, ...], int, int]], size: int, path: Path) -> _Head:
    """The header, where its parts agree."""
    if not isinstance(about, dict) or about.get("format") != FORMAT:
        number = about.get("format") if isinstance(about, dict) else about
        raise Refused(f"Expected pose format {FORMAT} in {path}; found {number!r}.")
    videos, skeleton = about.get("videos"), about.get("skeleton")
    if not isinstance(videos, list) or not all(isinstance(name, str) for name in videos):
        _refuse(path, "no list of the videos' names")
    joints = len(skeleton_named(str(skeleton)).joints)
    shapes = {name: shape for name, (_, shape, *_) in tensors.items()}
    frames = math.prod(shapes["frame_index"])
    if (
        shapes["joints"][1:] != (joints, 3)
        or shapes["frame_index"] != (frames,)
        or shapes["frame_offsets"] != (frames + 1,)
        or shapes["video_offsets"] != (len(videos) + 1,)
    ):
        _refuse(path, f"{len(videos)} videos of {skeleton} in tensors of {shapes}")
    digest = about.get("digest", path.stat().st_mtime_ns)
    return _Head(str(skeleton), tuple(videos), f"{path.name} {size} {digest}", tensors)


_ADVICE = "It is damaged or of another kind: remove it and make its poses again."


def _refuse(path: Path, content: str) -> NoReturn:
    names = ", ".join(_TENSORS)
    raise Refused(f"Expected a pose shard with {names} in {path}; found {content}. {_ADVICE}")


def _prefetch_heads(paths: list[Path]) -> None:
    """Have the heads of many shards read at once: one after another, each would wait for the disk."""

    def read_head(path: Path) -> None:
        with suppress(OSError), path.open("rb") as file:
            file.read(HEAD)

    if len(paths) > READERS:
        with ThreadPoolExecutor(READERS) as pool:
            list(pool.map(read_head, paths))
