"""Index + pose store + video + sampling + transforms -> batches."""

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from torch.utils.data import Dataset

from integralaction.clip import Batch, Clip, Poses, collate
from integralaction.config import ClipConfig, ModelConfig
from integralaction.console import track
from integralaction.data.index import Index, Video
from integralaction.data.poses import PoseStore
from integralaction.data.sampling import clip_frames, random_start, test_starts
from integralaction.data.transforms import apply_crop, centre_crop, random_crop, resize_joints, short_side
from integralaction.errors import Refused
from integralaction.skeleton import convert_joints, skeleton_named
from integralaction.video.frames import VideoError, frame_times, read_frames, scale_size

REPLACEMENTS = 10  # videos that fail one after another before training stops
_SAME = 1e-6  # seconds within which two times are one: those of files are fractions, those of tables decimals


@dataclass(frozen=True)
class Source:
    """The part of a video that a row of the index means: frames `first` to `first + frames`."""

    video: Video
    first: int
    frames: int

    @classmethod
    def of(cls, video: Video, path: Path | None = None) -> "Source":
        """The frames that the row names; where it gives seconds alone, those that are shown between them.

        Args:
            path: of the video, whose frames' own times then tell; None, or where it cannot be read, the mean rate does.

        Raises:
            ValueError: there is no frame between them.
        """
        if video.first_frame is not None and video.last_frame is not None:
            return cls(video, video.first_frame, video.last_frame - video.first_frame + 1)
        if video.start is None and video.end is None:
            return cls(video, 0, video.frames)
        times = np.arange(video.frames) / video.fps
        if path is not None:
            with suppress(FileNotFoundError, VideoError):
                times = frame_times(path)[: video.frames]
        first, last = frames_between(times, video.start, video.end, video.video)
        return cls(video, first, last - first + 1)


def frames_between(times: np.ndarray, start: float | None, end: float | None, name: str) -> tuple[int, int]:
    """Numbers of the first and the last frame with start <= time < end.

    Args:
        times: (frames,) seconds at which each frame is shown, ascending.
        start, end: seconds; None: from the first, to the last.
        name: of the video, for the error.

    Raises:
        ValueError: there is no such frame.
    """
    first = 0 if start is None else int(np.searchsorted(times, start - _SAME))
    last = (len(times) if end is None else int(np.searchsorted(times, end - _SAME))) - 1
    if last < first:
        raise Refused(
            f"Expected frames between start and end of {name}; found none from {start} to {end} s, of {len(times)} "
            f"frames up to {times[-1] if len(times) else 0:.3f} s."
        )
    return first, last


class ClipReader:
    """Cuts clips out of the videos of a data set: frames with a short side of 256 for 224, poses in their pixels."""

    def __init__(
        self,
        index: Index,
        store: Mapping[str, Poses],
        clip: ClipConfig,
        classes: tuple[str, ...],
        skeleton: str | None,
        has_frames: bool = True,
    ) -> None:
        """
        Args:
            clip: what a clip is.
            classes: the names whose order the labels have.
            skeleton: of the joints; None: nobody asks for poses, and they stay as the data set has them.
            has_frames: False: nobody asks for frames, and none are read.

        Raises:
            ValueError: the data set's skeleton does not convert to that one, or the store has none of these videos.
        """
        self.index, self._store, self.clip, self.classes = index, store, clip, classes
        self.has_poses, self._has_frames = skeleton is not None, has_frames
        self._sources: dict[int, Source] = {}
        for video in index.videos:
            if video.first_frame is None and (video.start is not None or video.end is not None):
                _check_seconds(video)  # what is wrong with it is said at once
        # poses that were added by a call that was stopped are there before the index names their skeleton
        held = store.skeleton if isinstance(store, PoseStore) else ""
        self._skeleton = held or index.skeleton
        self._from, self.skeleton = skeleton_named(self._skeleton), skeleton_named(skeleton or self._skeleton)
        convert_joints(np.zeros((len(self._from.joints), 3), np.float32), self._from, self.skeleton)
        self._short_side = short_side(clip.size)
        self.without_poses = sum(video.video not in store for video in index.videos)
        if self.has_poses and index.videos and self.without_poses == len(index.videos):
            raise Refused(
                f"Expected poses of the videos of {index.root}; its pose store has none of its {len(index.videos)} "
                f"videos, such as {index.videos[0].video}. Only the appearance stream can do without."
            )

    @classmethod
    def for_model(cls, index: Index, store: Mapping[str, Poses], model: ModelConfig) -> "ClipReader":
        """A reader of what that model looks at."""
        return cls(index, store, model.clip, model.classes, model.skeleton, has_frames=model.appearance is not None)

    def __len__(self) -> int:
        return len(self.index.videos)

    def source(self, number: int) -> Source:
        """The part of a video that row `number` means."""
        if number not in self._sources:
            video = self.index.videos[number]
            self._sources[number] = Source.of(video, self.index.path(video))
        return self._sources[number]

    def size(self, number: int) -> tuple[int, int]:
        """Height and width of the frames that `frames` gives of video `number`."""
        video = self.index.videos[number]
        return scale_size(video.height, video.width, self._short_side)

    def frames(self, number: int, wanted: np.ndarray) -> np.ndarray | None:
        """Frames of video `number`, counted from its first: (len(wanted), H, W, 3) uint8; None where nobody
        asks for them."""
        if not self._has_frames:
            return None
        source = self.source(number)
        path = self.index.path(source.video)
        try:
            frames = read_frames(path, source.first + wanted, short_side=self._short_side)
        except VideoError:
            raise
        except ValueError as error:
            raise Refused(
                f"Expected {source.video.frames} frames in {path}, as the index has it; it has fewer. Correct its row."
            ) from error
        if frames.shape[1:3] != self.size(number):
            native = f"{source.video.height} x {source.video.width}"
            raise Refused(
                f"Expected frames of {native} pixels in {path}, as the index has it; found another shape, "
                f"{frames.shape[1]} x {frames.shape[2]} after resizing. Correct the index."
            )
        return frames

    def poses(self, number: int) -> Poses:
        """All poses of video `number`; nobody where the store has none of it."""
        video = self.index.videos[number].video
        if video not in self._store:
            return Poses.nobody(self._skeleton)
        poses = self._store[video]
        self._check_skeleton(video, poses.skeleton)
        return poses

    def _check_skeleton(self, video: str, skeleton: str) -> None:
        if skeleton != self._skeleton:
            raise Refused(f"Expected poses of {self._skeleton}, as {self.index.root} has it; {video} has {skeleton}.")

    def joints(self, number: int, poses: Poses | None, start: int) -> np.ndarray:
        """The poses of the clip that starts there, (T', P, K, 3), in pixels of the resized frames.

        Args:
            poses: of the whole video; None: read those of the clip alone.
        """
        return self.joints_at(number, self.wanted_poses(number, start), poses)

    def joints_at(self, number: int, wanted: np.ndarray, poses: Poses | None = None) -> np.ndarray:
        """The poses of these frames of video `number`: see `joints`."""
        source = self.source(number)
        native = (source.video.height, source.video.width)
        wanted = source.first + wanted
        if poses is None and isinstance(self._store, PoseStore) and source.video.video in self._store:
            self._check_skeleton(source.video.video, self._store.skeleton)
            found = self._store.at(source.video.video, wanted)
        else:
            found = (poses or self.poses(number)).at(wanted)
        return resize_joints(convert_joints(found, self._from, self.skeleton), native, self.size(number))

    def wanted(self, number: int, start: int) -> np.ndarray:
        """The frame numbers of the clip that starts there: T of them."""
        return clip_frames(start, self.clip.frames, self.clip.stride, self.source(number).frames)

    def wanted_poses(self, number: int, start: int) -> np.ndarray:
        """The frame numbers of the poses of the clip that starts there: T' of them."""
        return clip_frames(start, self.clip.pose_frames, self.clip.pose_stride, self.source(number).frames)

    def starts(self, number: int) -> list[int]:
        """First frames of the test clips of video `number`."""
        return test_starts(self.source(number).frames, self.clip.span).tolist()

    def label(self, number: int) -> int:
        """The class of video `number` in the order of `classes`, -1 where it is not among them."""
        label = self.index.videos[number].label
        return self.classes.index(label) if label in self.classes else -1


def _check_seconds(video: Video) -> None:
    """
    Raises:
        ValueError: no frame can lie between start and end.
    """
    start, end = video.start or 0, video.frames / video.fps if video.end is None else video.end
    if not (start < end and end > 0 and start * video.fps < video.frames):
        raise Refused(
            f"Expected frames between start and end of {video.video}; found {video.start} to {video.end} s "
            f"of a video of {video.frames} frames at {video.fps:g} a second."
        )


class TrainClips(Dataset[Batch]):
    """One random clip of each video asked for. What is drawn depends on the seed, the epoch and the video alone.

    A video that cannot be read is replaced by another one, and the batch says so.
    """

    def __init__(self, reader: ClipReader, augment: bool, seed: int) -> None:
        self._reader, self._augment, self._seed = reader, augment, seed
        self._flip = reader.skeleton.flip
        self._memory: list[tuple[np.ndarray | None, Poses] | ValueError] | None = None

    def preload(self) -> "TrainClips":
        """Decode every video once and keep its frames in memory, for data sets that fit."""
        reader = self._reader

        def read(number: int) -> tuple[np.ndarray | None, Poses] | ValueError:
            everything = np.arange(reader.source(number).frames)
            try:
                return reader.frames(number, everything), reader.poses(number)
            except (ValueError, FileNotFoundError) as error:
                return ValueError(str(error))

        self._memory = []
        with ThreadPoolExecutor() as pool:
            reading = pool.map(read, range(len(self)))
            self._memory.extend(track(reading, "decoding", len(self)))
        return self

    def __len__(self) -> int:
        return len(self._reader)

    def __getitem__(self, index: list[tuple[int, int]]) -> Batch:
        """The batch of these (epoch, video) pairs."""
        clips, videos, replaced = [], [], []
        for epoch, number in index:
            clip, video, failed = self._clip_or_another(epoch, number)
            clips.append(clip)
            videos.append(video)
            replaced += failed
        labels = [self._reader.label(video) for video in videos]
        return replace(collate(clips, labels, videos), replaced=tuple(replaced))

    def _clip_or_another(self, epoch: int, number: int) -> tuple[Clip, int, list[tuple[str, str]]]:
        """The clip, the video that it is of, and those that failed before."""
        random = np.random.default_rng([self._seed, epoch, number, len(self)])
        failed: list[tuple[str, str]] = []
        while True:
            try:
                return self._clip(epoch, number), number, failed
            except (ValueError, FileNotFoundError) as error:
                failed.append((self._reader.source(number).video.video, " ".join(str(error).split())))
                if len(failed) == REPLACEMENTS:
                    raise
                number = int(random.integers(len(self)))

    def _clip(self, epoch: int, number: int) -> Clip:
        reader, size = self._reader, self._reader.clip.size
        random = np.random.default_rng([self._seed, epoch, number])
        start = random_start(reader.source(number).frames, reader.clip.span, random)
        wanted = reader.wanted(number, start)
        if self._memory is None:
            frames, poses = reader.frames(number, wanted), None
        else:
            held = self._memory[number]
            if isinstance(held, ValueError):
                raise held
            everything, poses = held
            frames = None if everything is None else everything[wanted]
        clip = Clip(frames, reader.joints(number, poses, start))
        height, width = reader.size(number)
        crop = random_crop(height, width, size, random) if self._augment else None
        return apply_crop(clip, crop or centre_crop(height, width, size), size, self._flip)


class TestClips(Dataset[Batch]):
    """The ten test clips of each video, as one batch (paper, section 3.5)."""

    __test__ = False  # pytest takes the name for a test

    def __init__(self, reader: ClipReader) -> None:
        self._reader = reader
        self._flip = reader.skeleton.flip

    def __len__(self) -> int:
        return len(self._reader)

    def __getitem__(self, index: int) -> Batch:
        number, reader, size = index, self._reader, self._reader.clip.size
        starts = reader.starts(number)
        wanted = np.stack([reader.wanted(number, start) for start in starts])
        needed, place = np.unique(wanted, return_inverse=True)  # clips overlap: decode each frame once
        frames = reader.frames(number, needed)
        poses = reader.poses(number)
        crop = centre_crop(*reader.size(number), size)
        clips = []
        for start, rows in zip(starts, place.reshape(wanted.shape), strict=True):
            clip = Clip(None if frames is None else frames[rows], reader.joints(number, poses, start))
            clips.append(apply_crop(clip, crop, size, self._flip))
        return collate(clips, [reader.label(number)] * len(clips), [number] * len(clips))


class ReadableClips(Dataset["Batch | tuple[str, str]"]):
    """The test clips of each video, or name and fault of one that cannot be read."""

    def __init__(self, clips: TestClips, reader: ClipReader) -> None:
        self._clips, self._reader = clips, reader

    def __len__(self) -> int:
        return len(self._clips)

    def __getitem__(self, index: int) -> Batch | tuple[str, str]:
        try:
            return self._clips[index]
        except (ValueError, FileNotFoundError) as error:
            return self._reader.source(index).video.video, " ".join(str(error).split())
