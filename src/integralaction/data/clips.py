"""Clips of one video: the frames and poses that `sampling` names, read, resized and cut to the model's square."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from integralaction.clip import Clip, Poses
from integralaction.config import ClipConfig, ModelConfig
from integralaction.data.index import Video
from integralaction.data.sampling import ClipFrames, frames_between
from integralaction.data.transforms import Crop, apply_crop, centre_crop, resize_joints, short_side
from integralaction.data.video import VideoError, VideoInfo, frame_times, read_frames, scale_size
from integralaction.errors import Refused
from integralaction.skeleton import Skeleton, convert_joints, skeleton_named
from integralaction.video.info import FrameNumberError


@dataclass(frozen=True)
class Source:
    """The part of a video that clips are cut out of: frames `first` to before `first + frames`.

    Attributes:
        path: of the video.
        info: of the whole video.
    """

    path: Path
    info: VideoInfo
    first: int
    frames: int

    @classmethod
    def of(cls, row: Video, path: Path = Path()) -> "Source":
        """The frames that a row of the index names; where it gives seconds alone, those that are shown between them.

        Args:
            path: of the video, whose frames' own times then tell; where it cannot be read, the mean rate does. A row
                that names frames needs none to say which they are.

        Raises:
            ValueError: there is no frame between them.
        """
        info = VideoInfo(row.frames, row.fps, row.height, row.width)
        if row.first_frame is not None and row.last_frame is not None:
            return cls(path, info, row.first_frame, row.last_frame - row.first_frame + 1)
        if row.start is None and row.end is None:
            return cls(path, info, 0, row.frames)
        times = np.arange(row.frames) / row.fps
        with suppress(FileNotFoundError, VideoError):
            times = frame_times(path)[: row.frames]
        first, last = frames_between(times, row.start, row.end, row.video)
        return cls(path, info, first, last - first + 1)


@dataclass(frozen=True)
class VideoReader:
    """Cuts clips out of a part of a video: frames with a short side of 256 for 224, poses in their pixels.

    Frames are numbered from the first of the part.

    Attributes:
        source: the part.
        clip: what a clip is.
        poses_at: from frame numbers of the whole video (F,) to their poses (F, P, K, 3) in its pixels, as `Poses.at`.
        pose_skeleton: theirs.
        skeleton: of the clips' joints.
        has_frames: False: nobody asks for frames, and none are read.
        memory: all frames of the part as `read_frames` gives them, where they have been read before.
    """

    source: Source
    clip: ClipConfig
    poses_at: Callable[[np.ndarray], np.ndarray]
    pose_skeleton: Skeleton
    skeleton: Skeleton
    has_frames: bool = True
    memory: np.ndarray | None = None

    @classmethod
    def for_model(cls, source: Source, poses: Poses, model: ModelConfig) -> "VideoReader":
        """A reader of what that model looks at.

        Args:
            poses: of the whole video.

        Raises:
            ValueError: their skeleton does not convert to the model's.
        """
        pose_skeleton = skeleton_named(poses.skeleton)
        skeleton = skeleton_named(model.skeleton or poses.skeleton)
        convert_joints(np.zeros((len(pose_skeleton.joints), 3), np.float32), pose_skeleton, skeleton)
        return cls(source, model.clip, poses.at, pose_skeleton, skeleton, has_frames=model.appearance is not None)

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of the frames that `read_frames` gives."""
        return scale_size(self.source.info.height, self.source.info.width, short_side(self.clip.size))

    def read_clips(self, numbers: ClipFrames, crop: Crop | None = None) -> list[Clip]:
        """These clips, cut to the square that the model sees.

        Args:
            crop: in frames of `size`; None: the middle, as in testing.

        Raises:
            FileNotFoundError: there is no such video.
            ValueError: it cannot be read, or is another than `source` says.
        """
        return self.cut_clips(numbers, self.read_frames(numbers.distinct), self.read_joints(numbers.poses), crop)

    def cut_clips(
        self, numbers: ClipFrames, frames: np.ndarray | None, joints: np.ndarray, crop: Crop | None = None
    ) -> list[Clip]:
        """These clips out of frames that have been read.

        Args:
            frames: (F, H, W, 3), those of `numbers.distinct`; None where nobody asks for them.
            joints: (N, T', P, K, 3), those of `numbers.poses`.
        """
        rows, size = np.searchsorted(numbers.distinct, numbers.frames), self.clip.size
        crop = crop or centre_crop(*self.size, size)
        clips = []
        for row, persons in zip(rows, joints, strict=True):
            clip = Clip(None if frames is None else frames[row], persons)
            clips.append(apply_crop(clip, crop, size, self.skeleton.flip))
        return clips

    def read_frames(self, numbers: np.ndarray) -> np.ndarray | None:
        """Frames by number: (F, H, W, 3) uint8; None where nobody asks for them."""
        if not self.has_frames:
            return None
        if self.memory is not None:
            return self.memory[numbers]
        path, info = self.source.path, self.source.info
        try:
            frames = read_frames(path, self.source.first + numbers, short_side=short_side(self.clip.size))
        except FrameNumberError as error:
            raise Refused(
                f"Expected {info.frames} frames in {path}, as the index has it; it has fewer. Correct its row."
            ) from error
        if frames.shape[1:3] != self.size:
            raise Refused(
                f"Expected frames of {info.height} x {info.width} pixels in {path}, as the index has it; found another "
                f"shape, {frames.shape[1]} x {frames.shape[2]} after resizing. Correct the index."
            )
        return frames

    def read_joints(self, numbers: np.ndarray) -> np.ndarray:
        """The poses of frames by number, of any shape (...): (..., P, K, 3), in pixels of the resized frames."""
        joints = convert_joints(self.poses_at(self.source.first + numbers.ravel()), self.pose_skeleton, self.skeleton)
        native = (self.source.info.height, self.source.info.width)
        return resize_joints(joints, native, self.size).reshape(*numbers.shape, *joints.shape[1:])
