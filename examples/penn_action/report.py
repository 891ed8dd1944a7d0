"""The page docs/results/penn-action.md of a run that was tested: accuracy, time, mistakes, learning curve.

python examples/penn_action/report.py runs/penn --data runs/penn-data
"""

import csv
import datetime
import sys
from collections import Counter
from pathlib import Path

import cyclopts
import matplotlib
import numpy as np

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import yaml
from svm import svm_accuracy

from integralaction.data.index import Index, read_index
from integralaction.data.poses import PoseStore
from integralaction.tables import Cell, Row, Table, plain_columns, to_markdown
from integralaction.testing.predictions import Predictions, read_predictions
from integralaction.testing.scores import score
from integralaction.training.run import Run, open_run

PAGE = Path(__file__).parents[2] / "docs" / "results" / "penn-action.md"


def learning_curve(log: list[dict[str, float]], accuracy: float, path: Path) -> None:
    """Loss and top-1 of the training clips by epoch, and top-1 of the test at the end."""
    epochs = [row["epoch"] for row in log]
    figure, (left, right) = plt.subplots(1, 2, figsize=(8, 3), layout="constrained")
    left.plot(epochs, [row["classification"] for row in log], color="#0072b2")
    left.set(xlabel="epoch", ylabel="loss of the training clips", ylim=(0, None))
    right.plot(epochs, [100 * row["top1"] for row in log], color="#0072b2", label="training clips, augmented")
    right.plot(epochs[-1], 100 * accuracy, "o", color="#d55e00", clip_on=False, label=f"test: {100 * accuracy:.1f} %")
    right.set(xlabel="epoch", ylabel="top-1 in %", ylim=(0, 100))
    right.legend(loc="lower right", frameon=False)
    for axes in (left, right):
        axes.set_xlim(0, epochs[-1])
        axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=150)
    plt.close(figure)


def _top1_by_visibility(predictions: Predictions, store: PoseStore) -> list[float]:
    """Share of right answers in each quarter of the videos, ordered by the share of their joints that are not seen."""
    hidden_shares = np.array([(store[video.video].joints[..., 2] < 1).mean() for video in predictions.videos])
    right = predictions.rank() == 0
    return [float(right[part].mean()) for part in np.array_split(np.argsort(hidden_shares, kind="stable"), 4)]


def page(run: Run, index: Index, predictions: Predictions, log: list[dict[str, float]], baseline: float) -> str:
    """The page in Markdown."""
    data, store = index.root, PoseStore.of(index.root)
    result = score(predictions, "test")
    about = yaml.safe_load((run.root / "environment.yaml").read_text(encoding="utf-8"))
    clip, backbone, stage = run.recipe.model.clip, run.recipe.model.pose.backbone, run.recipe.stages.pose
    arithmetic = run.recipe.optimizer.precision
    precision = "" if arithmetic == "32-true" else f" optimizer.precision={arithmetic}"
    best = predictions.probabilities.argmax(axis=1)
    answers = [
        (predictions.classes[label], predictions.classes[guess])
        for label, guess in zip(predictions.labels, best, strict=True)
    ]
    right = Counter(label for label, guess in answers if label == guess)
    wrong = Counter(answer for answer in answers if answer[0] != answer[1])
    total = Counter(video.label for video in predictions.videos)
    rows = tuple(Row(name, (Cell(float(right[name])), Cell(float(total[name])))) for name in predictions.classes)
    minutes = sum(row["seconds"] for row in log) / 60
    numbers = [f"{100 * x:.1f}" for x in (result.top1, result.low, result.high)]
    return "\n".join(
        [
            "# The pose stream on Penn Action",
            "",
            f"Real people, poses annotated by hand: {len(index.videos)} videos of 15 actions, 13 joints (Zhang, Zhu, "
            "Derpanis: From Actemes to Action, ICCV 2013), official split. No pictures: the pose stream alone, from "
            "random weights. Where a joint cannot be seen it is interpolated between the frames in which it can: where "
            "the annotators placed it by guess misleads.",
            "",
            "```",
            f"integralaction import penn-action labels.tar.xz --out {data} --square --length 72",
            f"integralaction train examples/penn_action/recipe.yaml{precision} --data {data} --out {run.root}",
            f"integralaction evaluate {run.root}",
            f"python examples/penn_action/report.py {run.root} --data {data}",
            "```",
            "",
            f"**Top-1 {numbers[0]} %** [{numbers[1]}, {numbers[2]}] of {result.videos} test videos (95 % bootstrap "
            f"interval), ten clips a video. A support vector machine on the joints themselves, `python "
            f"examples/penn_action/svm.py {data}`, reaches {100 * baseline:.1f} %.",
            "",
            f"Trained in {minutes:.0f} minutes by {about['threads']} thread{'s' * (about['threads'] > 1)} on "
            f"{about['cores']} cores ({about['processor']}, torch {about['torch'].split('+')[0]}), "
            f"{datetime.date.today().isoformat()}: ResNet-{backbone.depth} of width {backbone.width}, each video at 72 "
            f"frames, {clip.frames} of them in a clip at a stride of {clip.stride}, pose maps of {clip.map_size} x "
            f"{clip.map_size}, {stage.epochs} epochs, {arithmetic}, seed {run.recipe.seed}. The last epoch "
            "is used. Settings were chosen on a fifth of the training videos, held out for it (`--val "
            "0.2`). One was not chosen blindly: that joints placed by guess mislead was seen among the mistakes of an "
            "earlier run on the test videos, which took them as they are, before the held-out fifth confirmed it.",
            "",
            "![learning curve](penn-action.png)",
            "",
            to_markdown(Table("actions", "", "action", plain_columns(("right", "of"), digits=0), rows)),
            "Of the four quarters of the test videos by the share of joints that cannot be seen, from the least to "
            "the most, it gets "
            + ", ".join(f"{100 * share:.1f}" for share in _top1_by_visibility(predictions, store))
            + " % right.",
            "",
            "Taken for one another most: "
            + ", ".join(f"{label} for {guess} ({count})" for (label, guess), count in wrong.most_common(5))
            + ".",
            "",
        ]
    )


def report(root: Path, /, *, data: Path) -> None:
    """Write the page and its picture.

    Parameters
    ----------
    root
        The run folder, trained and tested.
    data
        The data set folder.
    """
    run, index = open_run(root), read_index(data)
    predictions = read_predictions(run, index, "pose-only", ("test",))
    with (run.stage_path("pose-only") / "log.csv").open(encoding="utf-8") as file:
        log = [{name: float(value) for name, value in row.items()} for row in csv.DictReader(file)]
    PAGE.parent.mkdir(parents=True, exist_ok=True)
    learning_curve(log, score(predictions, "test").top1, PAGE.with_suffix(".png"))
    text = page(run, index, predictions, log, svm_accuracy(index, "test"))
    PAGE.write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    try:
        cyclopts.run(report)
    except (ValueError, OSError) as error:
        sys.exit(f"report: {error}")
