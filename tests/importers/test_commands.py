"""The commands of the importers: what their help says, and what a data set says of how it was made."""

import shlex
from dataclasses import fields
from pathlib import Path

import pytest
from rich.console import Console

from integralaction.cli import imports
from integralaction.cli.main import app, run
from integralaction.importers.folder import Folder
from integralaction.importers.kinetics import Kinetics
from integralaction.importers.mimetics import Mimetics
from integralaction.importers.ntu import Ntu
from integralaction.importers.penn_action import PennAction
from integralaction.importers.pyskl import Pyskl


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
