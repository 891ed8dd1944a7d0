"""The model inside the package and its card: the demo of seed 0, rendered, trained and tested, then copied.

    python benchmarks/embedded_model.py --out runs/embedded --write

--write puts the model and its card into src/integralaction/weights. Continues where it was stopped. About as long as
`make demo`, which makes the same model.
"""

import argparse
import datetime
import hashlib
from pathlib import Path

import torch

from integralaction.data.index import Index, read_index
from integralaction.mime.generate import generate
from integralaction.mime.settings import MimeSettings
from integralaction.recipes import mime_demo
from integralaction.tables import to_markdown
from integralaction.testing.evaluate import evaluate, results_table
from integralaction.testing.scores import score
from integralaction.training.run import Run, environment
from integralaction.training.stages import train

WEIGHTS = Path(__file__).parents[1] / "src" / "integralaction" / "weights"
SPLITS = ("val", "in-context", "out-of-context", "no-pose", "ambiguous")


def card(run: Run, index: Index, table: str, model: bytes, command: str) -> str:
    """What the model is, what it was made of, what it can do and what it cannot."""
    config, about, size = run.load("integral").config, environment(), index.videos[0]
    counts = ", ".join(f"{sum(v.split == split for v in index.videos)} {split}" for split in index.splits)
    facts = {
        "What it is": "The paper's method, `integral`: two ResNet-18 streams of "
        f"width {config.pose.backbone.width}, {config.integration.channels} channels after alignment, "
        f"{config.clip.frames} frames at a stride of {config.clip.stride}, {config.clip.size} x {config.clip.size} "
        f"pixels, the skeleton {config.skeleton}. It keeps the "
        "classifiers of both streams, so it also tells what each alone says. "
        f"{len(model) / 2**20:.1f} MiB, SHA-256 `{hashlib.sha256(model).hexdigest()}`.",
        "Classes": f"{', '.join(config.classes)}.",
        "Data": f"The benchmark `mime` with its default settings and seed 0, rendered by this software: {counts} "
        f"videos of {size.height} x {size.width} pixels at {size.fps:.0f} frames a second. Nobody's picture is in it. "
        "The model was trained on `train` alone; nothing was chosen by a test split.",
        "Made by": f"`{command}`, which is `integralaction mime DATA`, `integralaction train mime-demo --data DATA "
        "--out RUN` and `integralaction evaluate RUN` (`make demo` does the same). "
        f"{datetime.date.today().isoformat()}, {about['processor']}, {torch.get_num_threads()} threads, torch "
        f"{torch.__version__.split('+')[0]}.",
        "Licence": "Apache-2.0, as the software.",
    }
    return "\n".join(
        [
            "# The embedded model `mime`",
            "",
            '`integralaction predict VIDEO` and `integralaction.load_model("mime")` use it. It shows the software at '
            "work: its labels are the drawn actions of the embedded benchmark, so what it says of a real video means "
            "nothing.",
            "",
            *(f"- **{name}.** {text}" for name, text in facts.items()),
            "",
            "Top-1 in per cent with 95 % intervals, ten clips a video. The model is `integral`; the rest is what it is "
            "compared with. The gate is 1 where appearance is let in and 0 where the pose alone answers.",
            "",
            table,
        ]
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--write", action="store_true")
    arguments = parser.parse_args()
    data, root = arguments.out / "data", arguments.out / "run"
    generate(data, MimeSettings())
    index = read_index(data)
    run = train(mime_demo(), data, root, "cpu")
    predictions = evaluate(run, index, SPLITS, torch.device("cpu"))
    scores = [score(p, split) for p in predictions.values() for split in SPLITS]
    model = run.model_path("integral").read_bytes()
    command = f"python benchmarks/embedded_model.py --out {arguments.out} --write"
    text = card(run, index, to_markdown(results_table(scores, SPLITS)), model, command)
    print(text)
    if arguments.write:
        WEIGHTS.mkdir(exist_ok=True)
        (WEIGHTS / "mime.safetensors").write_bytes(model)
        (WEIGHTS / "mime.md").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
