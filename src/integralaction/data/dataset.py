"""The clips of a data set: index, pose store, sampling, videos -> batches."""

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial

import numpy as np
from torch.utils.data import Dataset

from integralaction.clip import Batch, Clip, Poses, collate
from integralaction.config import ClipConfig, ModelConfig
from integralaction.console import track
from integralaction.data.clips import Source, VideoReader
from integralaction.data.index import Index, Video
from integralaction.data.poses import PoseStore
from integralaction.data.sampling import random_clip, ten_clips
from integralaction.data.transforms import random_crop
from integralaction.errors import Refused
from integralaction.skeleton import convert_joints, skeleton_named

REPLACEMENTS = 10  # videos that fail one after another before training stops


class ClipReader:
    """Cuts clips out of the videos of a data set."""

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
            if _has_seconds_alone(video):
                _check_seconds(video)  # what is wrong with it is said at once
        # poses that were added by a call that was stopped are there before the index names their skeleton
        name = (store.skeleton if isinstance(store, PoseStore) else "") or index.skeleton
        self._pose_skeleton, self.skeleton = skeleton_named(name), skeleton_named(skeleton or name)
        convert_joints(np.zeros((len(self._pose_skeleton.joints), 3), np.float32), self._pose_skeleton, self.skeleton)
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
        if number in self._sources:
            return self._sources[number]
        row = self.index.videos[number]
        source = Source.of(row, self.index.path(row))
        if _has_seconds_alone(row):  # for which the video's packets were read
            self._sources[number] = source
        return source

    def video(self, number: int) -> VideoReader:
        """Reads clips of the part of a video that row `number` means."""
        return VideoReader(
            self.source(number),
            self.clip,
            partial(self._poses_at, number),
            self._pose_skeleton,
            self.skeleton,
            self._has_frames,
        )

    def poses(self, number: int) -> Poses:
        """All poses of video `number`; nobody where the store has none of it."""
        video, skeleton = self.index.videos[number].video, self._pose_skeleton.name
        poses = self._store[video] if video in self._store else Poses.nobody(skeleton)
        if poses.skeleton != skeleton:
            raise Refused(f"Expected poses of {skeleton}, as {self.index.root} has it; {video} has {poses.skeleton}.")
        return poses

    def _poses_at(self, number: int, frames: np.ndarray) -> np.ndarray:
        """`Poses.at` of video `number`, without reading the poses of other frames where the store allows it."""
        video = self.index.videos[number].video
        if isinstance(self._store, PoseStore) and video in self._store:
            return self._store.at(video, frames)
        return self.poses(number).at(frames)

    def label(self, number: int) -> int:
        """The class of video `number` in the order of `classes`, -1 where it is not among them."""
        label = self.index.videos[number].label
        return self.classes.index(label) if label in self.classes else -1

    def fault(self, number: int, error: Exception) -> tuple[str, str]:
        """Name of video `number`, and why it cannot be read, in one line."""
        return self.index.videos[number].video, " ".join(str(error).split())


def _has_seconds_alone(video: Video) -> bool:
    """Whether a row says by seconds what part of a video it means, and not by frame numbers."""
    return video.first_frame is None and (video.start is not None or video.end is not None)


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
        self._memory: list[VideoReader | ValueError] | None = None

    def preload(self) -> "TrainClips":
        """Decode every video once and keep its frames in memory, for data sets that fit."""

        def load(number: int) -> VideoReader | ValueError:
            try:
                video = self._reader.video(number)
                frames = video.read_frames(np.arange(video.source.frames))
                return replace(video, memory=frames, poses_at=self._reader.poses(number).at)
            except (ValueError, FileNotFoundError) as error:
                return ValueError(str(error))

        self._memory = []
        with ThreadPoolExecutor() as pool:
            videos = pool.map(load, range(len(self)))
            self._memory.extend(track(videos, "decoding", len(self)))
        return self

    def __len__(self) -> int:
        return len(self._reader)

    def __getitem__(self, index: list[tuple[int, int]]) -> Batch:
        """The batch of these (epoch, video) pairs."""
        clips, videos, failures = [], [], []
        for epoch, number in index:
            clip, video, faults = self._clip_or_another(epoch, number)
            clips.append(clip)
            videos.append(video)
            failures += faults
        labels = [self._reader.label(video) for video in videos]
        return replace(collate(clips, labels, videos), replaced=tuple(failures))

    def _clip_or_another(self, epoch: int, number: int) -> tuple[Clip, int, list[tuple[str, str]]]:
        """The clip, the video that it is of, and name and fault of those that failed before."""
        random = np.random.default_rng([self._seed, epoch, number, len(self)])
        faults: list[tuple[str, str]] = []
        while True:
            try:
                return self._clip(epoch, number), number, faults
            except (ValueError, FileNotFoundError) as error:
                faults.append(self._reader.fault(number, error))
                if len(faults) == REPLACEMENTS:
                    raise
                number = int(random.integers(len(self)))

    def _clip(self, epoch: int, number: int) -> Clip:
        random = np.random.default_rng([self._seed, epoch, number])
        video = self._reader.video(number) if self._memory is None else self._memory[number]
        if isinstance(video, ValueError):
            raise video
        numbers = random_clip(video.source.frames, video.clip, random)
        crop = random_crop(*video.size, video.clip.size, random) if self._augment else None
        return video.read_clips(numbers, crop)[0]


class TestClips(Dataset[Batch]):
    """The ten test clips of each video, as one batch (paper, section 3.5)."""

    __test__ = False  # pytest takes the name for a test

    def __init__(self, reader: ClipReader) -> None:
        self._reader = reader

    def __len__(self) -> int:
        return len(self._reader)

    def __getitem__(self, index: int) -> Batch:
        video = self._reader.video(index)
        clips = video.read_clips(ten_clips(video.source.frames, video.clip))
        return collate(clips, [self._reader.label(index)] * len(clips), [index] * len(clips))


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
            return self._reader.fault(index, error)
