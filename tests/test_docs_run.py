"""Every command and every snippet of the README and the guide, run as it stands there on a miniature.

A command is run in a folder where the names in capitals are: a tiny data set DATA, a run RUN, a model MODEL and so on.
What cannot run in seconds and without a network is in NOT_RUN, with its reason.
"""

import re
import shlex
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from checkpoints.snapshots import make, released_file, released_shapes
from networks import write_network
from toy import CLASSES, toy_recipe, with_values, write_toy_dataset

from integralaction.checkpoints.hub import save_pretrained
from integralaction.cli.main import run
from integralaction.recipes import recipe_named
from integralaction.settings import override, to_dict
from integralaction.training.warm_start import new_model

ROOT = Path(__file__).parents[1]
PAGES = ("README.md", "docs/guide.md", "docs/mime.md")

# the beginning of a command, and why it is not run here
NOT_RUN = {
    "git clone": "needs a network",
    "cd ": "of the installation",
    "python3 -m venv": "of the installation",
    ". .venv/bin/activate": "of the installation",
    "pip install": "needs a network; .ci installs",
    "make demo": "minutes: it renders and trains the benchmark",
    "make test": "runs this",
    "make quick": "runs most of the others",
    "integralaction reproduce table4 figure5": "minutes: it renders and trains the benchmark; table4 is run below",
    "integralaction reproduce claims": "hours: five seeds; tests/reproduce/test_items.py runs one on toys",
}
# what the words in capitals are in the folder
STAND_INS = {"VIDEO": "DATA/in-context/009.mp4", "DATASET": "DATA", "ITEM": "table13", "FILE": "snapshot.pth"}
# what makes a command small
TRAIN = "optimizer.batch_size=4 stages.integration.epochs=1 loading.workers=0 --device cpu"
TINY_STREAMS = "start.weights=random stages.appearance.epochs=1 stages.pose.epochs=1 model.clip.size=32"
TINY_STREAMS += " model.clip.frames=2 model.clip.stride=2 model.pose.backbone.width=0.125"
TINY = f"{TINY_STREAMS} model.appearance.backbone.width=0.125"
ENCODER = "model.appearance.backbone.settings.num_hidden_layers=1"
SMALLER = {
    "train encoder.yaml": f"{TRAIN} {TINY_STREAMS} {ENCODER}",
    "train mime-demo": f"{TRAIN} {TINY}",
    "train kinetics50": f"{TRAIN} stages.appearance.epochs=0 stages.pose.epochs=0",
    "reproduce table3": "--recipe toy.yaml --device cpu",
    "reproduce table4 table7": "--recipe toy.yaml --device cpu",
    "pose": "--weights rtmo.onnx --device cpu",
    "mime": "--train 1 --val 0 --in-context 1 --out-of-context 0 --no-pose 0 --ambiguous 0 --seconds 3 3 --processes 1",
    "predict": "--poses none",
}


def blocks(page: str, *languages: str) -> list[str]:
    """The text of a page's blocks of code in these languages."""
    pairs = re.findall(r"^```(\w*)\n(.*?)^```$", (ROOT / page).read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    return [text for language, text in pairs if language in languages]


def commands() -> Iterator[tuple[str, str]]:
    """Page and command, each on one line; indented lines continue the one before."""
    for page in PAGES:
        for block in blocks(page, "bash"):
            for line in re.sub(r"\n[ ]+", " ", block).splitlines():
                if line.strip():
                    yield page, line


COMMANDS = list(dict.fromkeys(commands()))
RUN = [(page, command) for page, command in COMMANDS if not command.startswith(tuple(NOT_RUN))]
SNIPPETS = [(page, snippet) for page in PAGES for snippet in blocks(page, "python")]


def words_of(command: str) -> list[str]:
    """The arguments of a command, made small: without the parts in brackets, stand-ins for the words in capitals."""
    while command != (shorter := re.sub(r"\[[^\[\]]*\](\.\.\.)?", "", command)):
        command = shorter
    words = [word.removesuffix("...") for word in shlex.split(command, comments=True)[1:]]
    words = [STAND_INS.get(word, word) for word in words]
    for beginning, more in SMALLER.items():
        options = shlex.split(more)
        if " ".join(words).startswith(beginning) and options[0] not in words:
            words += options
    return words


@pytest.fixture(scope="module")
def miniature(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with all that the commands name and do not make."""
    root = tmp_path_factory.mktemp("miniature")
    index = write_toy_dataset(root / "DATA")
    for name in ("kinetics50", "mimetics", "ntu60"):
        (root / name).symlink_to(root / "DATA")
    labels = ["path,label"]
    for number, video in enumerate(index.videos[:9]):
        (root / "VIDEOS" / video.label).mkdir(parents=True, exist_ok=True)
        shutil.copy(index.path(video), root / "VIDEOS" / video.label / f"{number}.mp4")
        labels.append(f"{video.label}/{number}.mp4,{video.label}")
    (root / "labels.csv").write_text("\n".join(labels))
    shutil.copy(index.path(index.videos[0]), root / "video.mp4")
    (root / "toy.yaml").write_text(
        yaml.safe_dump(to_dict(with_values(toy_recipe(), epochs=1, augment_integration=False, preload=True)))
    )
    for text in [text for page in PAGES for text in blocks(page, "yaml")]:
        (root / text.partition("\n")[0].removeprefix("# ")).write_text(text)  # its first line is its name
    call = ["--data", str(root / "DATA"), "--out", str(root / "RUN"), "--device", "cpu"]
    assert run(["train", str(root / "toy.yaml"), *call]) == 0 and run(["evaluate", str(root / "RUN")]) == 0
    of_classes = with_values(toy_recipe(), classes=CLASSES)
    save_pretrained(new_model(of_classes, "integral", 0), root / "MODEL")
    save_pretrained(new_model(of_classes, "score-average", 0), root / "STREAMS")
    weights = released_file(make(released_shapes(classes=3)))
    torch.save(weights, root / "weights.pth")
    for name in ("snapshot.pth", "snapshot.pth.tar", "appearance.pth", "pose.pth"):
        (root / name).symlink_to(root / "weights.pth")
    joints = np.stack([np.linspace(8, 40, 17), np.linspace(10, 50, 17), np.ones(17)], axis=1)[None, None]
    boxes = np.array([[[0, 0, 60, 60, 0.9]]])
    write_network(root / "rtmo.onnx", [1, 3, 64, 64], {"dets": boxes, "keypoints": joints})
    write_network(root / "network.onnx", [1, "h", "w", 3], {"maps": np.zeros((1, 8, 8, 57))})
    return root


@pytest.fixture
def folder(miniature: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the miniature, as the working directory; no estimator is installed, so that none is downloaded."""
    shutil.copytree(miniature, tmp_path / "here", symlinks=True)
    monkeypatch.chdir(tmp_path / "here")
    monkeypatch.setattr("integralaction.estimators.choice.find_spec", lambda name: None)
    return tmp_path / "here"


def make_room(folder: Path, words: list[str]) -> None:
    """Take away what a command makes, so that it makes it."""
    output = words[words.index("--out") + 1] if "--out" in words else words[1] if words[0] == "mime" else None
    if output is not None:
        shutil.rmtree(folder / output, ignore_errors=True)
    if words[0] == "pose":
        for path in folder.glob("DATA/poses-*"):
            path.unlink()


@pytest.mark.parametrize(("page", "command"), RUN, ids=[command.partition("#")[0][:50] for _, command in RUN])
def test_commands_run(folder: Path, page: str, command: str, capfd: pytest.CaptureFixture) -> None:
    words = words_of(command)
    make_room(folder, words)
    status = run(words)
    assert status == 0, (
        f"{page}: expected `{command}` to run, as `{shlex.join(words)}`; it ended in {status}: {capfd.readouterr().err}"
        "Mend the page or the command; what cannot run in seconds stands in NOT_RUN with its reason."
    )


@pytest.mark.parametrize(("page", "snippet"), SNIPPETS, ids=[page for page, _ in SNIPPETS])
def test_snippets_run(folder: Path, page: str, snippet: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("integralaction.checkpoints.hub.push_to_hub", lambda model, name: name)  # needs a network
    exec(compile(snippet, page, "exec"), {})


def test_options_are_those_of_the_commands(capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of all commands, those that are not run here and those within sentences and tables too."""
    monkeypatch.setenv("COLUMNS", "200")
    for page in PAGES:
        text = (ROOT / page).read_text(encoding="utf-8")
        inline = re.findall(r"`(?:[A-Z_]+=\S+ )?((?:integralaction|import) [^`\n]+)`", text)
        inline = [f"integralaction {line}" if line.startswith("import") else line for line in inline]
        lines = [line.partition("#")[0] for _, line in COMMANDS if line.startswith("integralaction")] + inline
        for line in lines:
            words = line.split()[1:]
            assert run([*words[: 2 if words[0] == "import" else 1], "--help"]) == 0, f"{page}: no command `{line}`"
            options = set(re.findall(r"(?<![\w-])--[a-z0-9-]+", line)) - {"--help"}
            text_of_help = capsys.readouterr().out
            unknown = [option for option in options if not re.search(rf"{option}(?![\w-])", text_of_help)]
            assert not unknown, f"{page}: `{line}` has options that the command lacks: {', '.join(unknown)}"


def test_settings_are_those_of_recipes() -> None:
    for page in PAGES:
        for line in re.findall(r"`('?[a-z_.]+=[^`\n]+)`", (ROOT / page).read_text(encoding="utf-8")):
            if line != "name=value":
                override(recipe_named("kinetics50"), shlex.split(line))  # refuses what is none, in a sentence


def test_blocks_say_what_they_are() -> None:
    """A block of another kind would not be run, an exception that is no longer there would hide one."""
    for page in PAGES:
        fences = re.findall(r"^```(\w*)", (ROOT / page).read_text(encoding="utf-8"), re.MULTILINE)[::2]
        assert set(fences) <= {"bash", "python", "yaml", "text"}, (
            f"{page}: begin blocks with ```bash, ```python, ```yaml or ```text"
        )
    stale = [start for start in NOT_RUN if not any(command.startswith(start) for _, command in COMMANDS)]
    assert not stale, f"no page has these any more, take them out of NOT_RUN: {stale}"
