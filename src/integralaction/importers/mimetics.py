"""Mimetics: mimed actions out of context, 713 clips of the 50 classes of Kinetics50; a test set alone.

The official csv with videos in folders of classes, or the released code's JSON with folders of frames; poses as the
released code keeps them, pose_results/CLASS/NAME/data.json. All videos are kept; those that the released protocol
keeps are marked.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from integralaction.clip import Poses
from integralaction.data.csv_files import read_csv
from integralaction.data.index import AS_RELEASED, Video
from integralaction.data.video import VideoInfo
from integralaction.errors import Refused
from integralaction.importers.building import Entry, Found, Remark
from integralaction.importers.kinetics import KINETICS50, SHORTEST, clip_name, file_of, find_by_json, folder_of
from integralaction.importers.sources import read_json, video_files


def find_by_csv(table: Path, videos: Path, poses: Path | None, made_by: str) -> Found:
    """The videos of mimetics_v1.0.csv: a first line of names, or none, then label, YouTube id, start, end and two more.

    Raises:
        FileNotFoundError: the csv or the folder is not there.
        ValueError: a row is of another form.
    """
    content = read_csv(table)
    rows = [fields for _, fields in content.rows]
    if _is_clip(content.names):  # a table without a first line of names
        rows.insert(0, list(content.names))
    files, remarks = video_files(videos)
    spelled = {folder_of(name): name for name in KINETICS50}
    entries = []
    for fields in rows:
        row = [value.strip() for value in fields]
        try:
            label, youtube_id, start, end = row[:4]
            name = clip_name(youtube_id, start, end)
        except (ValueError, OverflowError):
            remarks.append(Remark(",".join(row), "no label, YouTube id, start and end"))
            continue
        label = label if label in KINETICS50 else spelled.get(folder_of(label), label)
        video = file_of(name, label, files)
        if video is None:
            remarks.append(Remark(name, "no such video", label))
            continue
        entries.append(Entry(video, label, "out-of-context", pose_reader(poses, label, name), group=youtube_id))
    return Found("mimetics", "openpose18", KINETICS50, videos, made_by, entries, tuple(remarks))


def _is_clip(fields: Sequence[str]) -> bool:
    """Whether the third and fourth field are seconds."""
    try:
        clip_name(*fields[1:4])
    except (TypeError, ValueError, OverflowError):
        return False
    return True


def find_released(file: Path, frames: Path, poses: Path | None, made_by: str) -> Found:
    """The videos of the released code's Mimetics50.json or Mimetics400.json, as folders of frames.

    Raises:
        FileNotFoundError, ValueError: see `kinetics.find_by_json`.
    """
    found = find_by_json([file], frames, read=None, made_by=made_by, mimetics=True)
    images = {}
    content = read_json(file)
    for image in content["images"]:
        images[(Path(str(image["seq_name"])) / str(image["file_name"])).as_posix()] = (
            image.get("height"),
            image.get("width"),
        )
    entries = [
        Entry(e.video, e.label, e.split, pose_reader(poses, *e.video.rsplit("/", 1), images[e.video]), e.group)
        for e in found.entries
    ]
    return Found("mimetics", "openpose18", found.classes, frames, made_by, entries, found.remarks)


def note_of_protocol(video: Video, poses: Poses | None, with_poses: bool) -> str:
    """Marks what the released protocol keeps: videos as long as its clip, whoever is in them."""
    return AS_RELEASED if video.frames >= SHORTEST else ""


def pose_reader(poses: Path | None, label: str, name: str, size: tuple[int | None, int | None] = (None, None)):
    """Reads POSES/CLASS/NAME/data.json, in pixels of frames of `size` (height, width), by default the video's own."""
    if poses is None:
        return None

    def read(info: VideoInfo) -> Poses:
        folders = (poses / label, poses / folder_of(label), poses / label.replace(" ", "_"))
        files = [folder / name / "data.json" for folder in folders]
        file = next((file for file in files if file.is_file()), files[0])
        scale = np.array([info.width / (size[1] or info.width), info.height / (size[0] or info.height)], np.float32)
        return poses_of_json(file, scale)

    return read


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
