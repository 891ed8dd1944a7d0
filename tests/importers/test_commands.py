"""The commands of the importers: what their help says, and what a data set says of how it was made."""

import shlex
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from integralaction.assembly.build import build
from integralaction.assembly.plan import Entry, ImportPlan
from integralaction.cli import imports
from integralaction.cli.main import app, run
from integralaction.errors import Refused
from integralaction.importers.folder import Folder
from integralaction.importers.kinetics import Kinetics
from integralaction.importers.mimetics import Mimetics
from integralaction.importers.ntu import Ntu
from integralaction.importers.penn_action import PennAction
from integralaction.importers.pyskl import Pyskl
from integralaction.video.encoding import write_video


@pytest.mark.parametrize("importer", [Folder, Kinetics, Mimetics, Ntu, PennAction, Pyskl])
def test_the_docstring_names_every_option_once(importer: type) -> None:
    lines = importer.__doc__.splitlines()
    sections = [line.strip() for line in lines if line.startswith("    ") and not line.startswith("     ")]
    names = [name for name in sections[sections.index("Parameters") + 2 :] if name]
    message = f"Say of each field of {importer.__name__} what it is, in its docstring's section Parameters"
    assert names == [field.name for field in fields(importer)], message


def test_the_help_of_an_importer(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture) -> None:
    monkeypatch.setattr(app, "console", Console(width=80))
    assert run(["import", "ntu", "--help"]) == 0
    text = capsys.readouterr().out
    assert max(map(len, text.splitlines())) <= 80
    for part in (
        "VIDEOS",
        "--skeletons PATH",
        "[choices: xsub, xview, xset]",
        "--out PATH",
        "listed in OUT/import.csv",
    ):
        assert text.count(part) >= 1, part


def test_a_data_set_names_every_option_that_was_chosen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    line = imports.command_line("pyskl", Pyskl(Path("a.pkl"), videos=Path("v"), split=("a=train", "b=test")))
    assert shlex.split(line) == shlex.split(
        f"integralaction import pyskl {tmp_path}/a.pkl videos={tmp_path}/v split=a=train b=test"
    )


@pytest.mark.parametrize(
    ("now", "before"),
    [
        (Folder(Path("/v")), "folder /v: val=0.0 test=0.2 group=None seed=0"),
        (Folder(Path("/v"), csv=Path("/l.csv")), "folder /v --csv /l.csv: val=0.0 test=0.2 group=None seed=0"),
        (
            Kinetics(Path("/v"), csv=(Path("/a.csv"), Path("/b.csv")), kinetics50=True),
            "kinetics /v /a.csv /b.csv skeletons=None kinetics50=True as_released=False",
        ),
        (Mimetics(Path("/v"), annotations=Path("/m.json")), "mimetics /v /m.json poses=None"),
        (
            Ntu(Path("/v"), classes=Path("/c.txt")),
            "ntu /v skeletons=None actions=60 protocol=xsub missing=None",
        ),
        (PennAction(Path("/l")), "penn-action /l frames=None square=False length=None val=0.0"),
        (Pyskl(Path("/p.pkl")), "pyskl /p.pkl videos=None split= keypoints=None"),
    ],
)
def test_an_import_of_before_is_recognised(now: object, before: str, tmp_path: Path) -> None:
    """`made_by` as commit f2b5197 wrote it: the same import is there already, one with another option is not."""
    text = imports.command_line(before.split()[0], now)
    for video in ("a.mp4", "b.mp4"):
        write_video(tmp_path / "v" / video, np.zeros((3, 32, 32, 3), np.uint8), 10)
    plan = ImportPlan("v", "openpose18", ("x",), tmp_path / "v", [Entry(f"{n}.mp4", "x", "train") for n in "ab"])
    build(plan, tmp_path / "d", f"integralaction import {before}")
    files = {path: path.stat().st_mtime_ns for path in (tmp_path / "d").iterdir()}
    build(plan, tmp_path / "d", text)
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "d").iterdir()} == files
    with pytest.raises(Refused, match="new"):
        build(plan, tmp_path / "d", text + " skeletons=/s")
