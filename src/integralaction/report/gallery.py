"""The gallery of a run's page: videos by which methods are right, with small previews that play."""

import tempfile
from pathlib import Path

import numpy as np
from PIL import Image

from integralaction.config import SINGLE_STREAMS
from integralaction.data.clips import Source
from integralaction.data.index import Index, Video
from integralaction.data.poses import PoseStore
from integralaction.data.video import read_frames, write_video
from integralaction.draw import draw_poses
from integralaction.figures.gallery import Example, examples
from integralaction.model.pose_maps import MIN_SCORE
from integralaction.report.page import Answer, Card, Group, Section, data_uri
from integralaction.report.results import RunResults
from integralaction.report.sections import SectionAndOmissions
from integralaction.skeleton import skeleton_named
from integralaction.testing.predictions import Predictions

HEIGHT = 160  # of a preview, pixels
SECONDS, FPS = 4, 15  # a preview's length and rate at most


def gallery_section(results: RunResults, index: Index, previews: int) -> SectionAndOmissions:
    """At most so many videos of each pattern of right and wrong answers."""
    omissions = []
    if missing := [m for m in ("integral", *SINGLE_STREAMS) if m not in results.predictions]:
        omissions.append(f"Patterns of right and wrong answers of {', '.join(missing)}, which this run did not test.")
    if previews == 0:
        return None, ["Gallery: no previews were asked for.", *omissions]
    store, videos = PoseStore.of(index.root), results.main.videos
    predictions: dict[str, Predictions] = {**results.predictions}
    groups = []
    for pattern in _patterns(results):
        first, *others = [f"{method} is {'right' if is_right else 'wrong'}" for method, is_right in pattern.items()]
        title = f"{first} where {' and '.join(others)}" if others else first
        matches = examples(predictions, pattern, len(videos))
        if not matches:
            omissions.append(f"Gallery, {title}: there is no such video.")
            continue
        cards = []
        for example in matches[:previews]:
            video = videos[example.number]
            uri, fault = _preview_uri(index, store, video)
            if fault:
                omissions.append(f"Preview of {video.video}: {fault}")
            cards.append(_card(example, results.main, uri))
        groups.append(Group(title.capitalize(), f"{len(matches)} of {len(videos)} videos", tuple(cards)))
    text = (
        "Videos grouped by which methods are right, those with the surest answers first, of as many classes as there "
        "are.",
    )
    return Section("gallery", "Gallery", text, groups=tuple(groups)), omissions


def _patterns(results: RunResults) -> list[dict[str, bool]]:
    """By method whether it is right: where the main method is right and single streams fail; where it fails."""
    main: str = results.main_method
    streams: list[str] = [m for m in SINGLE_STREAMS if m in results.predictions and m != main]
    rights = {2: [(False, True), (True, False), (False, False)], 1: [(False,)], 0: []}[len(streams)]
    return [*({main: True, **dict(zip(streams, right, strict=True))} for right in rights), {main: False}]


def _card(example: Example, main: Predictions, preview: str) -> Card:
    answers = tuple(Answer(method, name, is_right) for method, (name, is_right) in example.answers.items())
    gate = float(main.gate[example.number])
    split = main.videos[example.number].split
    return Card(example.title, split, preview, answers, None if np.isnan(gate) else gate)


def _preview_uri(index: Index, store: PoseStore, video: Video) -> tuple[str, str]:
    """A data URI and '', or '' and what is wrong with the video."""
    try:
        return data_uri("video/mp4", make_preview(index, store, video)), ""
    except (ValueError, OSError) as error:
        return "", " ".join(str(error).split())


def make_preview(index: Index, store: PoseStore, video: Video) -> bytes:
    """The middle seconds of a video as a small H.264 mp4, its poses drawn.

    Raises:
        FileNotFoundError: there is no such video.
        ValueError: it cannot be read.
    """
    source = Source.of(video, index.path(video))
    step = max(1, round(video.fps / FPS))
    count = min(source.frames, max(1, round(SECONDS * video.fps)))
    frame_numbers = source.first + (source.frames - count) // 2 + np.arange(0, count, step)
    frames = read_frames(index.path(video), frame_numbers, short_side=_short_side(video))
    skeleton = skeleton_named(index.skeleton)
    nobody = np.zeros((0, len(skeleton.joints), 3))
    joints = store.at(video.video, frame_numbers) if video.video in store else [nobody] * count
    scale = np.array([frames.shape[2] / video.width, frames.shape[1] / video.height, 1])
    pictures = []
    for frame, persons in zip(frames, joints[: len(frames)], strict=True):
        picture = Image.fromarray(frame)
        draw_poses(picture, persons * scale, skeleton, MIN_SCORE)
        pictures.append(np.asarray(picture)[: len(frame) // 2 * 2, : frame.shape[1] // 2 * 2])
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "preview.mp4"
        write_video(path, pictures, video.fps / step)
        return path.read_bytes()


def _short_side(video: Video) -> int:
    """The shorter side with which the height becomes that of a preview."""
    return min(HEIGHT, max(2, round(HEIGHT * video.width / video.height)))
