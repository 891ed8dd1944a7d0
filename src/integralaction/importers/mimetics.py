"""Mimetics: mimed actions out of context, 713 clips of the 50 classes of Kinetics50; a test set alone.

The official csv with videos in folders of classes, or the released code's JSON with folders of frames; poses as the
released code keeps them, pose_results/CLASS/NAME/data.json. All videos are kept; those that the released protocol
keeps are marked.
"""

from collections.abc import Callable, Sequence
from dataclasses import KW_ONLY, dataclass
from pathlib import Path

import numpy as np

from integralaction.assembly.plan import Entry, ImportIssue, ImportPlan
from integralaction.clip import Poses
from integralaction.csv_files import read_csv
from integralaction.data.video import VideoInfo
from integralaction.errors import Refused
from integralaction.importers.kinetics import KINETICS50, check_one_list, clip_name, file_of, folder_of, note_of_length
from integralaction.importers.released_lists import read_released
from integralaction.importers.sources import read_json, video_files
from integralaction.importers.spelling import one_spelling


@dataclass(frozen=True)
class Mimetics:
    """Import Mimetics, a test set of actions out of context.

    Parameters
    ----------
    videos
        Folders of classes with videos; with --annotations the folder of frames (CLASS/NAME).
    csv
        mimetics_v1.0.csv.
    annotations
        The released code's Mimetics50.json or Mimetics400.json instead.
    poses
        The released code's pose_results.
    """

    videos: Path
    _: KW_ONLY
    csv: Path | None = None
    annotations: Path | None = None
    poses: Path | None = None

    def find(self) -> ImportPlan:
        """The videos of the list; the note of a row says whether the released protocol tests on it.

        Raises:
            FileNotFoundError: the list or the folder is not there.
            ValueError: the list is of another form.
        """
        check_one_list(self.csv, self.annotations)
        if self.csv is not None:
            entries, issues = self._official_entries(self.csv)
            classes = KINETICS50
        else:
            assert self.annotations is not None
            clips, classes, issues = read_released([self.annotations])
            entries, spellings = one_spelling(
                [
                    Entry(c.folder, c.label, "out-of-context", self._reader(*c.folder.rsplit("/", 1), c.size), c.name)
                    for c in clips
                ]
            )
            issues += spellings
        return ImportPlan("mimetics", "openpose18", classes, self.videos, entries, tuple(issues), note=note_of_length)

    def _official_entries(self, table: Path) -> tuple[list[Entry], list[ImportIssue]]:
        """A first line of names, or none, then label, YouTube id, start, end and two more."""
        content = read_csv(table)
        rows = [fields for _, fields in content.rows]
        if _is_clip(content.names):  # a table without a first line of names
            rows.insert(0, list(content.names))
        files, issues = video_files(self.videos)
        label_of = {folder_of(name): name for name in KINETICS50}
        entries = []
        for fields in rows:
            row = [value.strip() for value in fields]
            try:
                label, youtube_id, start, end = row[:4]
                name = clip_name(youtube_id, start, end)
            except (ValueError, OverflowError):
                issues.append(ImportIssue(",".join(row), "no label, YouTube id, start and end"))
                continue
            label = label if label in KINETICS50 else label_of.get(folder_of(label), label)
            video = file_of(name, label, files)
            if video is None:
                issues.append(ImportIssue(name, "no such video", label))
                continue
            entries.append(Entry(video, label, "out-of-context", self._reader(label, name), youtube_id))
        return entries, issues

    def _reader(
        self, label: str, name: str, size: tuple[int | None, int | None] = (None, None)
    ) -> Callable[[VideoInfo], Poses] | None:
        """Reads POSES/CLASS/NAME/data.json, of frames of `size` (height, width), by default the video's own."""
        root = self.poses
        if root is None:
            return None

        def read(info: VideoInfo) -> Poses:
            folders = (root / label, root / folder_of(label), root / label.replace(" ", "_"))
            files = [folder / name / "data.json" for folder in folders]
            file = next((file for file in files if file.is_file()), files[0])
            scale = np.array([info.width / (size[1] or info.width), info.height / (size[0] or info.height)], np.float32)
            return poses_of_json(file, scale)

        return read


def _is_clip(fields: Sequence[str]) -> bool:
    """Whether the third and fourth field are seconds."""
    try:
        clip_name(*fields[1:4])
    except (TypeError, ValueError, OverflowError):
        return False
    return True


def poses_of_json(file: Path, scale: np.ndarray) -> Poses:
    """`pose`: for each frame nothing or P x 18 x (x, y, score); `score`: for each frame P scores, which multiply.

    Raises:
        FileNotFoundError: the file is not there.
        ValueError: it is no such JSON.
    """
    content = read_json(file)
    frames = {}
    try:
        for number, (pose, score) in enumerate(zip(content["pose"], content["score"], strict=True)):
            joints = np.zeros((0, 18, 3), np.float32) if pose is None else np.array(pose, np.float32).reshape(-1, 18, 3)
            if len(joints):
                joints[..., 2] *= np.array(score, np.float32).reshape(-1, 1)
                joints[..., 2] = np.clip(joints[..., 2], 0, 1)
                joints[..., :2] *= scale
            if not np.isfinite(joints).all():
                raise Refused(f"NaN or infinity in frame {number}")
            frames[number] = joints
    except (KeyError, TypeError, ValueError) as error:
        raise Refused(f"Expected pose and score of each frame in {file}; found {error!r}.") from error
    return Poses.from_frames("openpose18", frames)
