"""The demo over several seeds, each with its own videos and its own training: the table in docs/results/mime-demo.md.

    python benchmarks/mime_seeds.py --out runs/mime-seeds --seeds 0 1 2 3 4 --write

--write puts the page into docs/results/mime-demo.md and its table into the README.

Continues where it was stopped. About as long as `make demo` for each seed.
"""

import argparse
import datetime
import statistics
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from integralaction.data.index import read_index
from integralaction.evaluate import Predictions, evaluate, paired_difference, read_predictions, score
from integralaction.mime.generate import generate
from integralaction.mime.settings import MimeSettings
from integralaction.recipes import mime_demo
from integralaction.run import Run, environment, open_run
from integralaction.train import train

ROOT = Path(__file__).parents[1]
PAGE, README = ROOT / "docs" / "results" / "mime-demo.md", ROOT / "README.md"
SPLITS = ("in-context", "out-of-context", "no-pose", "ambiguous")
CLAIMS = (
    ("appearance-only, in context minus out of context", 30.0),
    ("integral minus gate-free, out of context", 5.0),
    ("integral minus score-average, out of context", 5.0),
    ("integral minus the best method, in context", -5.0),
    ("integral minus pose-only, no pose", 10.0),
)


def one_seed(out: Path, seed: int) -> tuple[Run, dict[str, Predictions]]:
    """Render, train and test one seed, or read what is there."""
    data, root = out / f"data-{seed}", out / f"run-{seed}"
    index = generate(data, MimeSettings(seed=seed))
    run = train(replace(mime_demo(), seed=seed), data, root, "cpu")
    run = open_run(root)
    try:
        return run, {method: read_predictions(run, index, method, SPLITS) for method in run.methods}
    except FileNotFoundError:
        return run, dict(evaluate(run, read_index(data), SPLITS, torch.device("cpu")))


def claims(found: dict[str, Predictions]) -> list[float]:
    """The five margins of one seed, in points."""

    def top1(method: str, split: str) -> float:
        return 100 * score(found[method], split).top1

    best = max(top1(method, "in-context") for method in found if method != "integral")
    return [
        top1("appearance-only", "in-context") - top1("appearance-only", "out-of-context"),
        top1("integral", "out-of-context") - top1("gate-free", "out-of-context"),
        top1("integral", "out-of-context") - top1("score-average", "out-of-context"),
        top1("integral", "in-context") - best,
        top1("integral", "no-pose") - top1("pose-only", "no-pose"),
    ]


def spread(values: list[float]) -> str:
    """Mean and standard deviation over seeds."""
    return f"{statistics.mean(values):.1f} ± {statistics.stdev(values) if len(values) > 1 else 0:.1f}"


def table(results: dict[int, dict[str, Predictions]]) -> str:
    """Methods by splits: top-1 and mean gate, mean ± standard deviation over seeds."""
    methods = list(next(iter(results.values())))
    lines = ["| method | " + " | ".join(SPLITS) + " |", "|---" * (len(SPLITS) + 1) + "|"]
    for method in methods:
        scores = {split: [score(found[method], split) for found in results.values()] for split in SPLITS}
        lines.append(
            f"| {method} | " + " | ".join(spread([100 * s.top1 for s in scores[split]]) for split in SPLITS) + " |"
        )
    for method in methods:
        gates = {split: [score(found[method], split).gate for found in results.values()] for split in SPLITS}
        if not np.isnan(gates["in-context"][0]):
            shown = [f"{statistics.mean(gates[split]):.2f}" for split in SPLITS]
            lines.append(f"| mean gate of {method} | " + " | ".join(shown) + " |")
    return "\n".join(lines)


def report(results: dict[int, dict[str, Predictions]], command: str) -> str:
    """The page."""
    margins = {seed: claims(found) for seed, found in results.items()}
    lines = [
        "# The demo over several seeds",
        "",
        f"`{command}`, {datetime.date.today().isoformat()}, {environment()['processor']}, "
        f"{torch.get_num_threads()} cores, torch {torch.__version__.split('+')[0]}. Each seed has its own videos and "
        "its own training. The last epoch is used; nothing is chosen on a test split.",
        "",
        "Top-1 in per cent, mean ± standard deviation over seeds:",
        "",
        table(results),
        "",
        "Margins in points; `at least` is what is asked of their mean:",
        "",
        "| margin | at least | mean | " + " | ".join(f"seed {seed}" for seed in results) + " |",
        "|---" * (len(results) + 3) + "|",
    ]
    for i, (name, least) in enumerate(CLAIMS):
        values = [margins[seed][i] for seed in results]
        lines.append(f"| {name} | {least:+.0f} | {spread(values)} | " + " | ".join(f"{v:+.1f}" for v in values) + " |")
    lines += ["", "Paired 95 % intervals of integral minus the other method, out of context:", ""]
    lines += ["| method | " + " | ".join(f"seed {seed}" for seed in results) + " |", "|---" * (len(results) + 1) + "|"]
    for method in ("gate-free", "score-average", "feature-fuse"):
        cells = []
        for found in results.values():
            gap, low, high = (100 * x for x in paired_difference(found["integral"], found[method], "out-of-context"))
            cells.append(f"{gap:+.1f} [{low:+.1f}, {high:+.1f}]")
        lines.append(f"| {method} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2, 3, 4])
    parser.add_argument("--write", action="store_true")
    arguments = parser.parse_args()
    results = {seed: one_seed(arguments.out, seed)[1] for seed in arguments.seeds}
    seeds = " ".join(map(str, arguments.seeds))
    text = report(results, f"python benchmarks/mime_seeds.py --out {arguments.out} --seeds {seeds} --write")
    print(text)
    if arguments.write:
        PAGE.parent.mkdir(parents=True, exist_ok=True)
        PAGE.write_text(text, encoding="utf-8")
        before, _, rest = README.read_text(encoding="utf-8").partition("<!-- results -->\n")
        _, _, after = rest.partition("<!-- end of results -->\n")
        marked = f"<!-- results -->\n{table(results)}\n<!-- end of results -->\n"
        README.write_text(before + marked + after, encoding="utf-8")


if __name__ == "__main__":
    main()
