"""The commands `integralaction import ...`: one for each public data set or format."""

from pathlib import Path
from typing import Annotated, Any, Literal

from cyclopts import App, Parameter

from integralaction.console import show
from integralaction.errors import Refused

imports = App(
    name="import",
    help="Make a data set folder of a public data set, of a folder of videos, or of pose files.",
    help_epilogue="What was left out, and why, is printed with counts and listed in OUT/import.csv.",
    default_parameter=Parameter(negative=()),
)
Split = Annotated[list[str] | None, Parameter(negative=(), consume_multiple=True)]


@imports.command(name="folder")
def import_folder(
    videos: Path,
    /,
    *,
    out: Path,
    csv: Path | None = None,
    val: float = 0.0,
    test: float = 0.2,
    group: str | None = None,
    seed: int = 0,
) -> int:
    """Import a folder of videos: VIDEOS/SPLIT/CLASS/* or VIDEOS/CLASS/*, or a csv of paths and labels.

    Parameters
    ----------
    videos
        The folder; a folder of images is a video too.
    out
        The data set folder to make.
    csv
        A table with the columns path and label, and optionally split, group, start and end (seconds); paths are
        relative to VIDEOS.
    val
        Share of the videos for the split val, where folders or table do not tell the split.
    test
        Share of the videos for the split test, likewise.
    group
        A regular expression on paths whose parenthesis is what must not be divided, such as a person or a scene:
        `'_(g[0-9]+)_'`.
    seed
        Seed of the division into splits, where folders or table do not tell it.
    """
    from integralaction.importers.folder import find_in_csv, find_in_folder

    if csv is None:
        return _build(find_in_folder(videos, val=val, test=test, group=group, seed=seed), out)
    return _build(find_in_csv(csv, videos, val=val, test=test, group=group, seed=seed), out)


@imports.command(name="kinetics")
def import_kinetics(
    videos: Path,
    /,
    *,
    out: Path,
    csv: Split = None,
    annotations: Split = None,
    skeletons: Path | None = None,
    kinetics50: bool = False,
    as_released: bool = False,
) -> int:
    """Import Kinetics with kinetics-skeleton's poses; its test is the split in-context.

    Parameters
    ----------
    videos
        Folders of classes with videos YOUTUBEID_000001_000011.mp4; with --annotations the folder of frames
        (train_256/CLASS/NAME, val_256/CLASS/NAME).
    out
        The data set folder to make.
    csv
        The official train.csv, validate.csv, ...
    annotations
        The released code's Kinetics50_train.json, Kinetics50_val.json, ... instead.
    skeletons
        Kinetics-skeleton: its folder of JSON files, or a processed *_data.npy with its *_label.pkl beside it.
    kinetics50
        Keep the 50 classes of Mimetics alone.
    as_released
        Take poses by the number of their frame, as the released code does, instead of by time.
    """
    from integralaction.importers import kinetics

    if (csv is None) == (annotations is None):
        raise Refused("Expected --csv or --annotations, one of them; found " + ("both." if csv else "neither."))
    if as_released and skeletons is None:
        raise Refused("Expected --skeletons with --as-released, which is about their frames; found none.")
    read = None if skeletons is None else kinetics.skeleton_reader(skeletons, as_released)
    files = [Path(file) for file in csv or annotations or []]
    told = f"integralaction import kinetics {videos.resolve()} {' '.join(str(f.resolve()) for f in files)}"
    made_by = f"{told} skeletons={skeletons and skeletons.resolve()} kinetics50={kinetics50} as_released={as_released}"
    if csv is not None:
        found = kinetics.find_by_csv(files, videos, fifty=kinetics50, read=read, made_by=made_by)
    else:
        found = kinetics.find_by_json(files, videos, read=read, made_by=made_by, fifty=kinetics50)
    return _build(found, out, kinetics.note_of_protocol)


@imports.command(name="mimetics")
def import_mimetics(
    videos: Path, /, *, out: Path, csv: Path | None = None, annotations: Path | None = None, poses: Path | None = None
) -> int:
    """Import Mimetics, a test set of actions out of context.

    Parameters
    ----------
    videos
        Folders of classes with videos; with --annotations the folder of frames (CLASS/NAME).
    out
        The data set folder to make.
    csv
        mimetics_v1.0.csv.
    annotations
        The released code's Mimetics50.json or Mimetics400.json instead.
    poses
        The released code's pose_results.
    """
    from integralaction.importers import mimetics

    if (csv is None) == (annotations is None):
        raise Refused("Expected --csv or --annotations, one of them; found " + ("both." if csv else "neither."))
    told = f"integralaction import mimetics {videos.resolve()} {(csv or annotations or Path()).resolve()}"
    made_by = f"{told} poses={poses and poses.resolve()}"
    if csv is not None:
        found = mimetics.find_by_csv(csv, videos, poses, made_by)
    else:
        assert annotations is not None
        found = mimetics.find_released(annotations, videos, poses, made_by)
    return _build(found, out, mimetics.note_of_protocol)


@imports.command(name="ntu")
def import_ntu(
    videos: Path,
    /,
    *,
    out: Path,
    skeletons: Path | None = None,
    actions: Literal[60, 120] = 60,
    protocol: Literal["xsub", "xview", "xset"] = "xsub",
    missing: Path | None = None,
    classes: Path | None = None,
) -> int:
    """Import NTU RGB+D 60 or 120: colour videos with the joints of the .skeleton files.

    Parameters
    ----------
    videos
        The folder of S...C...P...R...A..._rgb.avi, or of folders of frames with such names.
    out
        The data set folder to make.
    skeletons
        The folder of .skeleton files.
    actions
        60 or 120.
    protocol
        Cross-subject, cross-view (of 60) or cross-setup (of 120).
    missing
        The list of samples without a skeleton, which are left out.
    classes
        A text file with the actions' names in order, one a line; by default A001, A002, ...
    """
    from integralaction.importers import ntu

    told = f"integralaction import ntu {videos.resolve()} skeletons={skeletons and skeletons.resolve()}"
    made_by = f"{told} actions={actions} protocol={protocol} missing={missing and missing.resolve()}"
    found = ntu.find(
        videos,
        skeletons,
        actions=actions,
        protocol=protocol,
        missing=missing,
        classes=classes,
        made_by=made_by,
    )
    return _build(found, out)


@imports.command(name="pyskl")
def import_pyskl(
    pickle: Path,
    /,
    *,
    out: Path,
    videos: Path | None = None,
    split: Split = None,
    classes: Path | None = None,
    keypoints: Path | None = None,
) -> int:
    """Import a 2D skeleton pickle of PYSKL or MMAction2, joined to videos by name.

    Parameters
    ----------
    pickle
        The file, such as ntu60_2d.pkl; nothing in it but plain data and arrays is read.
    out
        The data set folder to make.
    videos
        The folder of the videos; without it the poses are all there is, which is enough for the pose stream.
    split
        Which splits to take as which, as THEIRS=OURS: xsub_train=train xsub_val=test.
    classes
        A text file with class names in order, one a line.
    keypoints
        The folder of the files that Kinetics-400's annotations name.
    """
    from integralaction.importers import pyskl

    told = f"integralaction import pyskl {pickle.resolve()} videos={videos and videos.resolve()}"
    made_by = f"{told} split={' '.join(split or [])} keypoints={keypoints and keypoints.resolve()}"
    found = pyskl.find(pickle, videos, splits=split or [], classes=classes, keypoints=keypoints, made_by=made_by)
    return _build(found, out)


@imports.command(name="penn-action")
def import_penn_action(
    labels: Path,
    /,
    *,
    out: Path,
    frames: Path | None = None,
    square: bool = False,
    length: int | None = None,
    val: float = 0.0,
) -> int:
    """Import Penn Action's labels: 13 joints, 15 actions, official split. Needs scipy: the extra integralaction[penn].

    Parameters
    ----------
    labels
        The folder of .mat files, or a tar archive of it.
    out
        The data set folder to make.
    frames
        The folder of Penn Action's images, a folder a video; without it the poses are all there is.
    square
        Make each video's frame a square around its person, still for the whole video; not with --frames.
    length
        Resample each video to so many frames, evenly taken; not with --frames.
    val
        Share of the training videos that becomes the split val, to choose settings by.
    """
    from integralaction.importers import penn_action

    told = f"integralaction import penn-action {labels.resolve()} frames={frames and frames.resolve()}"
    made_by = f"{told} square={square} length={length} val={val}"
    found = penn_action.find(labels, frames, square=square, length=length, val=val, made_by=made_by)
    return _build(found, out)


@imports.command(name="poses")
def import_poses(data: Path, files: Path, /, *, pose_units: str | None = None) -> int:
    """Give the videos of a data set that have no poses those of files, each by the video's name.

    Parameters
    ----------
    data
        The data set folder.
    files
        OpenPose's JSON files (all in one folder, or a folder a video), COCO results or annotations or AlphaPose's
        (NAME.json for each video, in folders as the videos are or all in one; or one file of all videos, whose images
        are named after them), or another data set folder.
    pose_units
        Units of the places: pixels, unit (0..1 of the video), centred (-1..1), or the size of the pictures that the
        poses were found in, as 1920x1080; by default as their values tell.
    """
    from integralaction.data.index import read_index
    from integralaction.importers.building import summary
    from integralaction.importers.pose_files import add_poses

    show(summary(add_poses(read_index(data), files, pose_units)))
    return 0


def _build(found: Any, out: Path, note: Any = None) -> int:
    from integralaction.importers.building import build, summary

    show(summary(build(found, out, note)))
    return 0
