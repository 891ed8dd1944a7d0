"""A prediction's frames as pictures with poses, answer and gate on them."""

import re
from pathlib import Path

import numpy as np
from PIL import Image

from integralaction.clip import Prediction
from integralaction.draw import draw_frame
from integralaction.errors import Refused
from integralaction.files import write_whole
from integralaction.model.pose_maps import MIN_SCORE
from integralaction.skeleton import skeleton_named
from integralaction.video.frames import read_in_parts
from integralaction.video.images import IMAGES

# written into each picture, by which a later call knows its own
_MARK = b"written by integralaction predict --save-frames, which may replace it"
_NAME = re.compile(r"clip\d+-frame\d{6,}\.jpg")


def save_frames(prediction: Prediction, folder: Path) -> int:
    """Write every frame of every clip with its poses, the clip's answer and the gate, as FOLDER/clip0-frame000016.jpg.

    Pictures that an earlier call left in the folder are removed; other pictures are never touched.

    Returns:
        How many pictures were written.

    Raises:
        ValueError: the folder is that of the video's own frames, or holds pictures of others.
    """
    old = _own_pictures(folder, Path(prediction.video))
    folder.mkdir(parents=True, exist_ok=True)
    for path in old:
        path.unlink()
    skeleton = skeleton_named(prediction.persons.poses.skeleton)
    written = 0
    for clip, frame_numbers in enumerate(prediction.frames):
        best = int(prediction.clip_probabilities[clip].argmax())
        answer = f"{prediction.classes[best]} {100 * prediction.clip_probabilities[clip, best]:.0f} %"
        place = {
            int(number): t for t, number in reversed(list(enumerate(frame_numbers)))
        }  # the last frame may be repeated
        for numbers, frames in read_in_parts(prediction.video, frame_numbers):
            for number, frame in zip(numbers, frames, strict=True):
                gate = None if prediction.gates is None else float(prediction.gates[clip, place[number]])
                title = f"clip {clip}, frame {number}: {answer}"
                persons = prediction.persons.poses.at(np.array([number]))[0]
                picture = draw_frame(frame, persons, skeleton, MIN_SCORE, title, gate)
                path = folder / f"clip{clip}-frame{number:06d}.jpg"
                with write_whole(path) as aside:
                    picture.save(aside, "JPEG", quality=90, comment=_MARK)
                written += 1
    return written


def _own_pictures(folder: Path, video: Path) -> list[Path]:
    """The pictures of an earlier call in a folder, after it is sure that there are no others.

    Raises:
        ValueError: the folder is that of the video's own frames or in it, or holds pictures of others.
    """
    place = folder.resolve()
    if video.is_dir() and video.resolve() in (place, *place.parents):
        raise Refused(f"Expected another folder than the video's own for pictures; found {folder}. Choose another.")
    if not folder.is_dir():
        return []
    pictures = [path for path in sorted(folder.iterdir()) if path.suffix.lower() in IMAGES]
    for path in pictures:
        if not _is_own(path):
            raise Refused(
                f"Expected a folder without pictures of others; found {path}. Choose another folder, so that nothing "
                "is lost."
            )
    return pictures


def _is_own(path: Path) -> bool:
    if not _NAME.fullmatch(path.name) or not path.is_file():
        return False
    try:
        with Image.open(path, formats=("JPEG",)) as picture:
            return picture.info.get("comment") == _MARK
    except Exception:  # what cannot be read is nobody's of ours
        return False
