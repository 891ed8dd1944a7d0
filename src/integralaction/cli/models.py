"""The commands that make and test models: train, evaluate, audit, convert."""

from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from integralaction.console import Tables, show
from integralaction.errors import Refused
from integralaction.recipes import RECIPES, VARIANTS

Device = Literal["auto", "cpu", "cuda", "mps"]
Splits = Annotated[list[str] | None, Parameter(negative=(), consume_multiple=True)]


def train(
    recipe: Annotated[
        str,
        Parameter(
            help="The name of a recipe, also with a variant (kinetics50/lambda-5), or a YAML file of settings. "
            f"Recipes: {', '.join(RECIPES)}. Variants: {', '.join(VARIANTS)}."
        ),
    ],
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
    assignments
        Settings to change, as name=value or part.name=value: stages.integration.epochs=5; seed=1 is the seed of
        new weights and of the order and augmentation of the videos. RUN/settings.yaml shows all that can be set.
    data
        The data set folder.
    out
        The run folder.
    init
        A model to start from: a run folder, a model file or folder, a hub id, or another project's checkpoint. The
        settings of a clip and those that its weights need come from it.
    head
        keep: its classifiers too, whose classes must be the data set's; new: other classes.
    device
        Where to train. Under torchrun each process takes one device.
    """
    from dataclasses import replace

    from integralaction.recipes import recipe_named
    from integralaction.settings import override
    from integralaction.training.stages import train as run_training

    words = (recipe, *assignments)
    recipe = next((word for word in words if "=" not in word), recipe)  # settings may stand before it
    assignments = tuple(word for word in words if word != recipe)
    settings = override(recipe_named(recipe), list(assignments))
    if init is not None:
        settings = replace(settings, start=replace(settings.start, init=init))
    if head is not None:
        settings = replace(settings, start=replace(settings.start, head=head))
    if settings.start.head == "new" and not settings.start.init:
        raise Refused("Expected --init beside --head new; found none. Give the model to start from.")
    fixed_names = tuple(a.partition("=")[0].removeprefix("model.") for a in assignments if a.startswith("model."))
    run = run_training(settings, data, out, device, fixed_names)
    show(f"trained: {', '.join(str(run.model_path(m)) for m in run.methods if m != 'score-average')}")
    return 0


def evaluate(
    run: Path,
    /,
    *,
    on: Path | None = None,
    split: Splits = None,
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
    from integralaction.data.index import read_index
    from integralaction.models import choose_device
    from integralaction.testing.evaluate import evaluate as run_evaluation
    from integralaction.testing.evaluate import print_results
    from integralaction.training.run import open_run

    opened = open_run(run)
    index = read_index(on or opened.data)
    predictions = run_evaluation(opened, index, tuple(split or ()), choose_device(device))
    print_results(predictions, Tables())
    show(f"tables: {opened.root / 'results'}, predictions: {opened.root / 'predictions'}")
    return 0


def audit(
    run: Path,
    /,
    *,
    data: Path | None = None,
    split: Splits = None,
    seed: int = 0,
    sheet: Path | None = None,
    device: Device = "auto",
) -> int:
    """Ask what the answers follow, the person or the scene: on videos whose persons were put elsewhere.

    Parameters
    ----------
    run
        The run folder, all of whose methods are asked.
    data
        A data set folder with poses; the one it was trained on by default.
    split
        Splits to ask about; all but train and val by default.
    seed
        Seed of the draw of backgrounds: which video's scene each person is put into.
    sheet
        Also write a picture of some videos taken apart, a PNG.
    device
        Where the model runs.
    """
    from integralaction.data.dataset import ClipReader
    from integralaction.data.index import read_index
    from integralaction.data.poses import PoseStore
    from integralaction.models import choose_device
    from integralaction.testing.audit import audit as run_audit
    from integralaction.testing.audit import audit_name, audited_videos, print_audit, write_audit
    from integralaction.testing.context_swaps import ContextSwaps, contact_sheet
    from integralaction.training.run import open_run

    opened = open_run(run)
    index = read_index(data or opened.data)
    result = run_audit(opened, index, tuple(split or ()), choose_device(device), seed)
    print_audit(result, Tables())
    show(f"tables: {write_audit(result, opened.root / 'results', audit_name(opened, index, tuple(split or ())))}")
    if sheet is not None:
        videos = audited_videos(index, tuple(split or ()))
        reader = ClipReader.for_model(videos, PoseStore.of(index.root), opened.load(opened.methods[-1]).config)
        contact_sheet(ContextSwaps(reader, seed), videos, sheet)
        show(f"pictures: {sheet}")
    return 0


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
        stage 3 starts: train RECIPE --init OUT stages.appearance.epochs=0 stages.pose.epochs=0.
    out
        The folder to make; without it the account is printed and nothing written.
    mode
        What a released snapshot was trained as, which it cannot tell.
    pose_gate
        Whether a released snapshot was trained with its gate, which it cannot tell either.
    pose_frame_factor
        4 for a released snapshot of 29 pose frames, which it cannot tell either.
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
    from integralaction.checkpoints import convert as conversion
    from integralaction.checkpoints.hints import CheckpointHints
    from integralaction.importers.sources import read_lines
    from integralaction.models import load_model

    names = None if classes is None else read_lines(classes)
    hints = CheckpointHints(mode, pose_gate, pose_frame_factor, frames, stride, shift, names)
    if out is not None:
        conversion.check_folder(out)
    model, checkpoints = conversion.convert_files([file] if other is None else [file, other], hints, load_model)
    for checkpoint in checkpoints:
        show(conversion.format_account(checkpoint) + "\n")
    if out is None:
        show("Nothing was written; give --out FOLDER.")
    else:
        conversion.write_conversion(model, checkpoints, out)
        show(f"{model.config.method}: {out}" + (f", every tensor in {out / 'conversion.csv'}" if checkpoints else ""))
    return 0
