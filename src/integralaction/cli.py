"""The commands. Each is a thin layer over one function; what it needs is imported when it is called."""

import errno
import json
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from cyclopts import App, CycloptsError, Parameter

from integralaction.cli_import import imports
from integralaction.mime.settings import MimeSettings

Device = Literal["auto", "cpu", "cuda", "mps"]

app = App(
    name="integralaction",
    help="Recognise human actions in video without being fooled by the scene.",
    help_epilogue="Add --debug to any command to see where an error comes from.",
    result_action="return_value",
    default_parameter=Parameter(negative=()),
    suppress_keyboard_interrupt=False,
)


app.command(imports)


@app.command
def predict(
    videos: Annotated[list[Path], Parameter(negative=())],
    /,
    *,
    model: str | None = None,
    poses: str | None = None,
    weights: Annotated[list[Path] | None, Parameter(negative=(), consume_multiple=True)] = None,
    pose_model: Path | None = None,
    pose_units: Literal["pixels", "unit", "centred"] | None = None,
    save_frames: Path | None = None,
    json_: Annotated[bool, Parameter(name="--json", negative=())] = False,
    device: Device = "auto",
) -> int:
    """Say what action each video shows: the best five classes, the mean gate, and what each stream alone says.

    Parameters
    ----------
    videos
        Files that FFmpeg reads, or folders of images. One that cannot be read is named and the rest go on.
    model
        A run folder, a model folder or file, another project's checkpoint (see convert), the id of a model on the
        Hugging Face Hub, or mime, the embedded model, which answers where none is named.
    poses
        Where the persons are: rtmo or rtmpose (estimators, of the extra integralaction[pose]); a data set folder or one
        of its shards; a folder of OpenPose's JSON files; COCO results or AlphaPose's, a JSON file of one video or a
        folder with one named after each video; none. By default rtmo where the extra is installed, else none.
    weights
        Local ONNX files instead of a download: RTMO's one, or YOLOX's and RTMPose's.
    pose_model
        An OpenPose network of 18 joints as an ONNX file, instead of --poses.
    pose_units
        Units of poses in JSON files: pixels, 0..1 or -1..1 of the video; by default as their values tell.
    save_frames
        A folder for the clips' frames with poses and gate drawn on them, a folder a video.
    json_
        Print one JSON object a line instead.
    device
        Where the model runs.
    """
    from integralaction.data.pose_files import read_poses
    from integralaction.data.video import probe
    from integralaction.predict import as_dict, as_text, predict_video
    from integralaction.predict import save_frames as save
    from integralaction.run import choose_device, load_model

    target = choose_device(device)
    loaded = load_model(model or "mime").to(target)
    if model is None:
        _say("No --model given: the embedded model answers; its labels are the drawn actions of the benchmark mime.")
    source = _pose_source(videos, poses, weights or [], pose_model, target.type, loaded.config.method)
    if save_frames is not None:
        save_frames.mkdir(parents=True, exist_ok=True)
    failed = 0
    folders: set[str] = set()
    for video in videos:
        try:
            probe(video)  # what is wrong with the video is said before what its poses lack
            found = read_poses(source, video, pose_units) if isinstance(source, Path) else source
            prediction = predict_video(loaded, video, found)
            print(json.dumps(as_dict(prediction)) if json_ else as_text(prediction), flush=True)
            if save_frames is not None:
                name = video.resolve().name if video.is_dir() else video.stem
                folder = save_frames / _unused(name, folders)
                _say(f"{save(prediction, folder)} frames in {folder}")
        except (ValueError, OSError) as error:
            if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EPIPE):
                raise
            failed += 1
            _say(f"integralaction: {_one_line(error)}")
    return 1 if failed else 0


def _pose_source(
    videos: list[Path], poses: str | None, weights: list[Path], pose_model: Path | None, device: str, method: str
) -> Any:
    """What `predict` is to take the poses from: a path, an estimator, or None."""
    from integralaction.openpose import OpenPose
    from integralaction.pose_estimation import estimator_installed, estimator_named

    if method == "appearance-only":
        if weights or pose_model is not None or poses not in (None, "none"):
            _say("The model looks at no poses: their source is not used.")
        return None
    if pose_model is not None:
        if poses is not None or weights:
            raise ValueError("Expected one source of poses; found --pose-model beside --poses or --weights. Give one.")
        return OpenPose(pose_model, device)
    if poses in ("rtmo", "rtmpose"):
        return estimator_named(poses, weights, device)
    if weights:
        if poses is not None:
            raise ValueError(f"Expected --poses rtmo or --poses rtmpose with --weights; found --poses {poses}.")
        return estimator_named("rtmo" if len(weights) == 1 else "rtmpose", weights, device)
    if poses == "none" and method != "pose-only":
        return None
    if poses is not None and poses != "none":
        path = Path(poses)
        if not path.exists():
            raise FileNotFoundError(f"Expected rtmo, rtmpose, none, or a file or folder of poses; {path} is not there.")
        if path.suffix == ".json" and path.is_file() and len(videos) > 1:
            raise ValueError(
                f"Expected one video for the poses of one, {path}; found {len(videos)}. Give a folder with a file "
                "named after each video."
            )
        return path
    if method == "pose-only" and (poses == "none" or not estimator_installed()):
        raise ValueError(
            "Expected poses for a model that looks at nothing else; found none. Give --poses, or install an estimator: "
            "pip install 'integralaction[pose]'."
        )
    blind = "The model sees nobody and must answer from appearance."
    if not estimator_installed():
        _say(
            "No poses: no estimator is installed (pip install 'integralaction[pose]') and none were given (--poses). "
            + blind
        )
        return None
    try:
        return estimator_named("rtmo", (), device)
    except (ConnectionError, ModuleNotFoundError) as error:  # nobody asked for it by name
        if method == "pose-only":
            raise
        _say(f"No poses: {_one_line(error)} {blind}")
        return None


def _unused(name: str, used: set[str]) -> str:
    """The name, with a number where an earlier video has it."""
    names = (name, *(f"{name}-{i}" for i in range(2, len(used) + 3)))
    free = next(n for n in names if n.casefold() not in used)  # as some file systems compare names
    used.add(free.casefold())
    return free


@app.command
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
        raise ValueError(f"Expected at least one process; found {processes}.")
    index = generate(out, settings or MimeSettings(), processes or os.cpu_count() or 1)
    print(f"{len(index.videos)} videos of {len(index.classes)} classes in {out}: {_counts(index.videos)}")
    if sheet is not None:
        contact_sheet(index, sheet)
        print(f"contact sheet: {sheet}")
    return 0


@app.command
def pose(
    data: Path,
    /,
    *,
    estimator: Literal["rtmo", "rtmpose", "keypoint-rcnn"] | None = None,
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
    from integralaction.data.index import read_index
    from integralaction.importers.building import summary
    from integralaction.posing import Estimator, estimate_data_set
    from integralaction.run import choose_device

    if processes < 1:
        raise ValueError(f"Expected at least one process; found {processes}.")
    if processes > 1 and ray is not None:
        raise ValueError("Expected --processes or --ray, one of them; found both. Ray counts its own.")
    if pose_model is not None and (estimator is not None or weights):
        raise ValueError("Expected one estimator; found --pose-model beside --estimator or --weights. Give one.")
    files = [pose_model] if pose_model is not None else weights or []
    name = "openpose" if pose_model is not None else estimator or "rtmo"
    target = choose_device(device).type if device != "auto" else choose_device("auto").type
    chosen = Estimator(name, tuple(str(file.resolve()) for file in files), "cuda" if target == "cuda" else "cpu")
    print(summary(estimate_data_set(read_index(data), chosen, processes, ray)))
    return 0


@app.command
def audit(
    run: Path,
    /,
    *,
    data: Path | None = None,
    split: Annotated[list[str] | None, Parameter(negative=())] = None,
    seed: int = 0,
    sheet: Path | None = None,
    device: Device = "auto",
) -> int:
    """Ask what the answers follow, the person or the scene: on videos whose backgrounds were swapped by their poses.

    Parameters
    ----------
    run
        The run folder, all of whose methods are asked.
    data
        A data set folder with poses; the one it was trained on by default.
    split
        Splits to ask about; all but train and val by default.
    seed
        Of the backgrounds.
    sheet
        Also write a picture of some videos taken apart, a PNG.
    device
        Where the model runs.
    """
    from rich.console import Console

    from integralaction.audit import VideoVersions, audit_name, contact_sheet, print_audit, tested, write_audit
    from integralaction.audit import audit as run_audit
    from integralaction.data.dataset import ClipReader
    from integralaction.data.index import read_index
    from integralaction.data.poses import PoseStore
    from integralaction.run import choose_device, open_run

    opened = open_run(run)
    index = read_index(data or opened.data)
    found = run_audit(opened, index, tuple(split or ()), choose_device(device), seed)
    print_audit(found, Console(markup=False))
    print(f"tables: {write_audit(found, opened.root / 'results', audit_name(opened, index, tuple(split or ())))}")
    if sheet is not None:
        tested = tested(index, tuple(split or ()))
        reader = ClipReader(tested, PoseStore.of(index.root), opened.load(opened.methods[-1]).config)
        contact_sheet(VideoVersions(reader, seed), tested, sheet)
        print(f"pictures: {sheet}")
    return 0


@app.command(name="data")
def show_data(data: Path, /, *, sheet: Path | None = None) -> int:
    """Show what is in a data set: splits, classes, lengths, persons a frame, frames with no pose.

    Parameters
    ----------
    data
        The data set folder.
    sheet
        Also write a contact sheet with the poses drawn, a PNG.
    """
    from rich.console import Console

    from integralaction.data.index import read_index
    from integralaction.overview import contact_sheet, print_overview

    index = read_index(data)
    print_overview(index, Console(markup=False))
    if sheet is not None:
        print(f"{contact_sheet(index, sheet)} videos on the contact sheet: {sheet}")
    return 0


@app.command
def convert(
    file: Path,
    other: Path | None = None,
    /,
    *,
    out: Path | None = None,
    mode: Literal["rgb+pose", "rgb_only", "pose_only"] = "rgb+pose",
    pose_gate: Annotated[bool, Parameter(negative="--no-pose-gate")] = True,
    pose_frame_factor: int = 1,
    frames: int | None = None,
    stride: int | None = None,
    shift: int | None = None,
    classes: Path | None = None,
) -> int:
    """Turn another project's weights into a model of this one, with an account of every tensor.

    Parameters
    ----------
    file
        A snapshot of the released IntegralAction code, TSM as MIT or MMAction2 writes it, or a plain ResNet with
        torchvision's names.
    other
        A second file: the first is then the appearance stream and this the pose stream, and both together are where
        stage 3 starts: train RECIPE --init OUT appearance.epochs=0 pose.epochs=0.
    out
        The folder to make; without it the account is printed and nothing written.
    mode
        What a released snapshot was trained as, which it cannot tell.
    pose_gate
        Whether it was trained with its gate, likewise.
    pose_frame_factor
        4 for a released snapshot of 29 pose frames, likewise.
    frames
        Frames in a clip; by default as the file's name says, else 8.
    stride
        Video frames from one frame of a clip to the next; 8 by default.
    shift
        One part in so many of the channels shifts each way; by default as the file's name says, else 8 of TSM and 4
        of a released snapshot.
    classes
        A text file with the classes' names in order, one a line.
    """
    from integralaction.convert import account, check_folder, merge, write
    from integralaction.convert import convert as run_conversion
    from integralaction.importers.building import read_lines
    from integralaction.model.checkpoint import is_ours
    from integralaction.model.foreign import Told

    names = None if classes is None else read_lines(classes)
    told = Told(mode, pose_gate, pose_frame_factor, frames, stride, shift, names)
    if out is not None:
        check_folder(out)
    if other is None:
        read = [run_conversion(file, told)]
        model = read[0].model
    else:
        model, read = merge(file, other, told)
    for foreign in read:
        print(account(foreign), end="\n\n")
    if out is None:
        print("Nothing was written; give --out FOLDER.")
    else:
        foreign_files = [path for path in (file, other) if path is not None and path.is_file() and not is_ours(path)]
        write(model, foreign_files, read, out)
        print(f"{model.config.method}: {out}" + (f", every tensor in {out / 'conversion.csv'}" if read else ""))
    return 0


@app.command
def train(
    recipe: str,
    /,
    *assignments: str,
    data: Path,
    out: Path,
    init: str | None = None,
    head: Literal["keep", "new"] | None = None,
    device: Device = "auto",
) -> int:
    """Train the three stages of a recipe; the same command continues a training that was stopped.

    Parameters
    ----------
    recipe
        The name of a recipe, also with a variant (kinetics50/lambda-5), or a YAML file of settings.
    assignments
        Settings to change, as name=value or part.name=value: seed=1, integration.epochs=5.
    data
        The data set folder.
    out
        The run folder.
    init
        A model to start from: a run folder, a model file or folder, a hub id, or another project's checkpoint. What a
        clip is and what its weights need come from it.
    head
        keep: its classifiers too, whose classes must be the data set's; new: other classes.
    device
        Where to train. Under torchrun each process takes one device.
    """
    from dataclasses import replace

    from integralaction.config import override
    from integralaction.recipes import recipe_named
    from integralaction.train import train as run_training

    settings = override(recipe_named(recipe), list(assignments))
    if init is not None:
        settings = replace(settings, init=init)
    if head is not None:
        settings = replace(settings, head=head)
    if settings.head == "new" and not settings.init:
        raise ValueError("Expected --init beside --head new; found none. Give the model to start from.")
    asked = tuple(a.partition("=")[0].removeprefix("model.") for a in assignments if a.startswith("model."))
    run = run_training(settings, data, out, device, asked)
    print(f"trained: {', '.join(str(run.model_path(m)) for m in run.methods if m != 'score-average')}")
    return 0


@app.command
def evaluate(
    run: Path,
    /,
    *,
    on: Path | None = None,
    split: Annotated[list[str] | None, Parameter(negative=())] = None,
    device: Device = "auto",
) -> int:
    """Test every method of a run on ten clips a video; predictions and tables go into the run folder.

    Parameters
    ----------
    run
        The run folder.
    on
        A data set folder; the one it was trained on by default.
    split
        Splits to test on; all but train and val by default.
    device
        Where the model runs.
    """
    from rich.console import Console

    from integralaction.data.index import read_index
    from integralaction.evaluate import evaluate as run_evaluation
    from integralaction.evaluate import print_results
    from integralaction.run import choose_device, open_run

    opened = open_run(run)
    index = read_index(on or opened.data)
    predictions = run_evaluation(opened, index, tuple(split or ()), choose_device(device))
    print_results(predictions, Console())
    print(f"tables: {opened.root / 'results'}, predictions: {opened.root / 'predictions'}")
    return 0


@app.command
def report(
    run: Path,
    /,
    *,
    on: Path | None = None,
    split: Annotated[list[str] | None, Parameter(negative=())] = None,
    out: Path | None = None,
    previews: int = 3,
) -> int:
    """Write one self-contained HTML page of a run, or of what `reproduce` left in a folder.

    Parameters
    ----------
    run
        The run folder, tested before; or the folder of a reproduction.
    on
        The data set whose predictions to show; the one that the run was trained on by default.
    split
        Its splits; all but train and val by default.
    out
        The file; by default report.html in the folder, or report-SPLIT.html where splits are named.
    previews
        Small videos of each pattern of right and wrong answers.
    """
    from integralaction.data.index import read_index
    from integralaction.report import write_report
    from integralaction.reproduce.items import REPRODUCTION
    from integralaction.reproduce.page import write_reproduction_page
    from integralaction.run import open_run

    if previews < 0:
        raise ValueError(f"Expected no negative number of previews; found {previews}. Take 0 for none.")
    if (run / REPRODUCTION).is_file():
        path = write_reproduction_page(run, out)
    else:
        opened = open_run(run)
        index = read_index(on or opened.data)
        path = write_report(opened, index, tuple(split or ()), out, previews)
    print(f"page: {path}")
    return 0


@app.command
def reproduce(
    items: Annotated[list[str], Parameter(negative=())],
    /,
    *,
    data: Annotated[list[str] | None, Parameter(negative=())] = None,
    recipe: str = "",
    out: Path = Path("reproduction"),
    seeds: int = 1,
    device: Device = "auto",
) -> int:
    """Make the paper's tables and figures, measured on the data at hand and set beside the published numbers.

    What was trained before with the same settings is used again, and a call that was stopped goes on.

    Parameters
    ----------
    items
        table1 to table14, figure1 to figure11, gate-priors (beyond the paper), all of these, or claims: what the paper
        states, each with its verdict. Settings of the recipe may stand among them, as name=value.
    data
        A data set folder, or FOLDER:SPLIT; the first is trained on, all are tested on. By default the embedded
        benchmark is rendered, anew for each seed.
    recipe
        By default the paper's for the item, or mime-demo on the embedded benchmark; mime-large is that at 224 pixels.
    out
        The folder for tables, figures and everything that was measured.
    seeds
        How many, from 0 on; claims should rest on 5.
    device
        Where to train and test.
    """
    from rich.console import Console

    from integralaction.reproduce.items import Asked, expanded
    from integralaction.reproduce.items import reproduce as run_reproduction
    from integralaction.reproduce.measure import DataPart
    from integralaction.run import choose_device

    if seeds < 1:
        raise ValueError(f"Expected at least one seed; found {seeds}.")
    named = expanded([item for item in items if "=" not in item])
    if not named:
        raise ValueError("Expected a table, a figure, all or claims; found settings alone. Name one, as table4.")
    asked = Asked(
        items=named,
        recipe=recipe,
        assignments=tuple(item for item in items if "=" in item),
        data=tuple(DataPart.parse(text) for text in data or ()),
        out=out,
        seeds=tuple(range(seeds)),
    )
    skipped = run_reproduction(asked, choose_device(device), Console(markup=False))
    for item, reason in skipped.items():
        _say(f"skipped {item}: {reason}")
    print(f"tables: {out / 'tables'}, figures: {out / 'figures'}")
    return 0


def run(arguments: list[str]) -> int:
    """Run a command line; the exit status: 0 done, 1 the work failed, 2 the call was wrong."""
    debug = "--debug" in arguments
    try:
        return app([a for a in arguments if a != "--debug"], exit_on_error=False, print_error=False) or 0
    except CycloptsError as error:
        print(f"integralaction: {_one_line(error)} See --help.", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("integralaction: stopped; the same command continues where it was.", file=sys.stderr)
        return 1
    except (ValueError, OSError, ArithmeticError, ModuleNotFoundError) as error:
        if debug:
            traceback.print_exc()
        if isinstance(error, OSError) and error.errno == errno.ENOSPC:
            print(
                "integralaction: The disk is full; free some space, then the same command continues.", file=sys.stderr
            )
            return 1
        print(f"integralaction: {_one_line(error)}", file=sys.stderr)
        from integralaction.data.video import VideoError

        wrong_call = isinstance(error, ValueError | FileNotFoundError) and not isinstance(error, VideoError)
        return 2 if wrong_call else 1
    except Exception as error:  # nobody foresaw it: still one sentence
        if debug:
            traceback.print_exc()
        told = f"{type(error).__name__}: {_one_line(error)}"
        print(
            f"integralaction: Something failed that was not foreseen ({told}). Add --debug to see where.",
            file=sys.stderr,
        )
        return 1


def _say(text: str) -> None:
    """What is not the answer goes to standard error."""
    print(text, file=sys.stderr, flush=True)


def _one_line(error: Exception) -> str:
    text = str(error)
    if "Original Traceback" in text:  # of a loader process: the error itself is the last line
        text = text.strip().splitlines()[-1].partition(": ")[2]
    return " ".join(text.split())


def _counts(videos: Sequence) -> str:
    splits = list(dict.fromkeys(video.split for video in videos))
    return ", ".join(f"{sum(video.split == name for video in videos)} {name}" for name in splits)
