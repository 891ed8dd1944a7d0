"""The commands that make and show data sets: mime, pose, data."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from integralaction.console import Tables, show
from integralaction.errors import Refused
from integralaction.estimators.choice import EstimatorChoice, EstimatorName
from integralaction.mime.settings import MimeSettings


def mime(
    out: Path,
    /,
    *,
    settings: Annotated[MimeSettings | None, Parameter(name="*")] = None,
    processes: int | None = None,
    sheet: Path | None = None,
) -> int:
    """Render the embedded benchmark: videos whose scene agrees or disagrees with the action.

    Parameters
    ----------
    out
        The data set folder to make; a rendering that was stopped continues there.
    settings
        What to render.
    processes
        How many processes render; all cores by default.
    sheet
        Also write a contact sheet, a PNG.
    """
    import os

    from integralaction.mime.generate import generate
    from integralaction.mime.sheet import contact_sheet

    if processes is not None and processes < 1:
        raise Refused(f"Expected at least one process; found {processes}.")
    index = generate(out, settings or MimeSettings(), processes or os.cpu_count() or 1)
    show(f"{len(index.videos)} videos of {len(index.classes)} classes in {out}: {_counts(index.videos)}")
    if sheet is not None:
        contact_sheet(index, sheet)
        show(f"contact sheet: {sheet}")
    return 0


def pose(
    data: Path,
    /,
    *,
    estimator: EstimatorName | None = None,
    weights: Annotated[list[Path] | None, Parameter(negative=(), consume_multiple=True)] = None,
    pose_model: Path | None = None,
    processes: int = 1,
    ray: str | None = None,
    device: Literal["auto", "cpu", "cuda"] = "auto",
) -> int:
    """Estimate the poses of every video of a data set that has none; the same command continues what was stopped.

    Parameters
    ----------
    data
        The data set folder.
    estimator
        rtmo (the default) or rtmpose, of the extra integralaction[pose]; keypoint-rcnn, of torchvision.
    weights
        Local files instead of a download: RTMO's one, YOLOX's and RTMPose's, or Keypoint R-CNN's.
    pose_model
        An OpenPose network of 18 joints as an ONNX file instead.
    processes
        How many work at the same time, each with an estimator of its own.
    ray
        The address of a Ray cluster that works instead, whose machines see the same folders; local: one on this
        machine.
    device
        Where the estimator runs.
    """
    from integralaction.assembly.issues import summary
    from integralaction.data.index import read_index
    from integralaction.importers.pose import estimate_data_set
    from integralaction.models import choose_device

    if processes < 1:
        raise Refused(f"Expected at least one process; found {processes}.")
    if processes > 1 and ray is not None:
        raise Refused("Expected --processes or --ray, one of them; found both. Ray counts its own.")
    if pose_model is not None and (estimator is not None or weights):
        raise Refused("Expected one estimator; found --pose-model beside --estimator or --weights. Give one.")
    files = [pose_model] if pose_model is not None else weights or []
    name = "openpose" if pose_model is not None else estimator or "rtmo"
    target = choose_device(device).type if device != "auto" else choose_device("auto").type
    choice = EstimatorChoice(name, tuple(str(file.resolve()) for file in files), "cuda" if target == "cuda" else "cpu")
    show(summary(estimate_data_set(read_index(data), choice, processes, ray)))
    return 0


def show_data(data: Path, /, *, sheet: Path | None = None) -> int:
    """Show what is in a data set: splits, classes, lengths, persons a frame, frames with no pose.

    Parameters
    ----------
    data
        The data set folder.
    sheet
        Also write a contact sheet with the poses drawn, a PNG.
    """
    from integralaction.data.index import read_index
    from integralaction.report.overview import contact_sheet, print_overview

    index = read_index(data)
    print_overview(index, Tables())
    if sheet is not None:
        show(f"{contact_sheet(index, sheet)} videos on the contact sheet: {sheet}")
    return 0


def _counts(videos: Sequence) -> str:
    splits = list(dict.fromkeys(video.split for video in videos))
    return ", ".join(f"{sum(video.split == name for video in videos)} {name}" for name in splits)
