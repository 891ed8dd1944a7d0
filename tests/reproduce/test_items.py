"""`integralaction reproduce` as a user calls it, on a toy data set; what was measured is not measured again."""

import csv
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from toy import toy_recipe, write_toy_dataset

from integralaction.cli.main import run
from integralaction.data.index import read_index
from integralaction.recipe import Stage
from integralaction.reproduce.items import ITEMS, expand_items
from integralaction.reproduce.measure import DataPart
from integralaction.settings import to_dict
from tests.toy import with_values


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data set, a second one of mimes alone, a recipe, and everything made from them."""
    root = tmp_path_factory.mktemp("reproduce")
    write_toy_dataset(root / "data")
    once = Stage(epochs=1, lr=0.05)
    recipe = with_values(toy_recipe(), appearance=once, pose=once, integration=once, augment_integration=False)
    (root / "toy.yaml").write_text(yaml.safe_dump(to_dict(with_values(recipe, preload=True))))
    assert run(command(root, "all")) == 0
    return root


def command(root: Path, *items: str, data: tuple[str, ...] = ("data",), out: str = "out") -> list[str]:
    parts = [part for name in data for part in ("--data", str(root / name))]
    return [
        "reproduce",
        *items,
        *parts,
        "--recipe",
        str(root / "toy.yaml"),
        "--out",
        str(root / out),
        "--device",
        "cpu",
    ]


def rows(path: Path) -> list[list[str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.reader(file))


def test_all_leaves_every_table_and_figure_or_says_why_not(folder: Path) -> None:
    out = folder / "out"
    skipped = {item for item, _ in rows(out / "skipped.csv")[1:]}
    for item in ITEMS:
        if item in skipped:
            assert not (out / "figures" / f"{item}.png").exists()
            continue
        kind, endings = (
            ("figures", ("pdf", "png")) if item.startswith("figure") else ("tables", ("csv", "md", "tex", "json"))
        )
        for ending in endings:
            assert (out / kind / f"{item}.{ending}").stat().st_size > 100
    assert skipped <= {"figure1", *(f"figure{n}" for n in range(7, 12))}, "galleries alone may lack videos"


def test_numbers_are_those_of_the_run(folder: Path) -> None:
    """Table 4 says of integral what the run's own results say."""
    out = folder / "out"
    (of_run,) = out.glob("runs/toy-integral-*/results/toy.csv")
    top1 = {(method, split): float(value) for method, split, _, value, *_ in rows(of_run)[1:]}
    table = rows(out / "tables" / "table4.csv")
    heading = table[0].index("in-context top-1")
    by_label = {row[0]: float(row[heading]) for row in table[1:]}
    assert by_label["pose-only"] == pytest.approx(100 * top1["pose-only", "in-context"], abs=0.01)
    assert by_label["integral (ours, λ = 1.5)"] == pytest.approx(100 * top1["integral", "in-context"], abs=0.01)


def test_streams_are_trained_once(folder: Path) -> None:
    """Of fourteen variants, four trainings of single streams: two of the paper's, heatmaps and PAFs alone."""
    stages = [path for path in (folder / "out" / "stages").iterdir() if path.is_dir()]
    assert len(stages) == 4
    weights = {path.read_bytes() for path in folder.glob("out/runs/toy-*/appearance-only.safetensors")}
    assert len(weights) == 1


def test_a_second_call_trains_nothing(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    before = {path: path.stat().st_mtime_ns for path in folder.glob("out/runs/**/*.safetensors")}
    table = (folder / "out" / "tables" / "table4.csv").read_bytes()
    assert run(command(folder, "table4", "claims")) == 0
    printed = capfd.readouterr()
    assert "epoch" not in printed.err
    assert "claims over 1 seed" in printed.out
    assert max(len(line) for line in printed.out.splitlines() if "/" not in line) <= 80
    assert before == {path: path.stat().st_mtime_ns for path in folder.glob("out/runs/**/*.safetensors")}
    assert (folder / "out" / "tables" / "table4.csv").read_bytes() == table
    verdicts = {row[-1] for row in rows(folder / "out" / "claims.csv")[1:]}
    assert verdicts <= {"holds", "does not hold", "undecided"}


def test_a_second_data_set_is_a_column(folder: Path) -> None:
    """Kinetics and Mimetics are such a pair: one is trained on, both are tested on."""
    mimes = folder / "mimes"
    shutil.copytree(folder / "data", mimes)
    about = yaml.safe_load((mimes / "dataset.yaml").read_text())
    (mimes / "dataset.yaml").write_text(yaml.safe_dump({**about, "name": "mimes"}))
    assert run(command(folder, "table6", data=("data:in-context", "mimes:out-of-context"))) == 0
    heading = rows(folder / "out" / "tables" / "table6.csv")[0]
    assert [name for name in heading if name.endswith("top-1") and "paper" not in name] == [
        "toy in-context top-1",
        "mimes out-of-context top-1",
    ]


def test_shapes_need_no_training(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two tables and two figures are read off the models: nothing is rendered, trained or tested."""
    for name in ("generate", "train", "evaluate_together"):
        monkeypatch.setattr(f"integralaction.reproduce.measure.{name}", None)
    out = tmp_path / "out"
    for recipe in ([], ["--recipe", "kinetics50"]):
        items = ["table13", "table14", "figure2", "figure3"]
        assert run(["reproduce", *items, *recipe, "--out", str(out), "--device", "cpu"]) == 0
    assert sorted(path.name for path in out.iterdir()) == [
        *("README.md", "figures", "reproduction.yaml", "skipped.csv", "tables"),
    ]
    assert "nothing was trained" in (out / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", ["README.md", "skipped.csv", "tables/table13.md", "reproduction.yaml"])
def test_what_an_earlier_call_did_not_write_is_not_replaced(
    tmp_path: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_text("# Mine\n")
    assert run(["reproduce", "table13", "--out", str(tmp_path), "--device", "cpu"]) == 2
    message = capsys.readouterr().err
    assert name in message and "Give another --out" in message
    assert (tmp_path / name).read_text() == "# Mine\n"
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == [tmp_path / name]


def test_an_own_readme_in_a_folder_of_ours_is_kept(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    call = ["reproduce", "table13", "--out", str(tmp_path), "--device", "cpu"]
    assert run(call) == 0 and run(call) == 0
    (tmp_path / "README.md").write_text("# Mine\n")
    assert run(call) == 2 and "README.md" in capsys.readouterr().err
    assert (tmp_path / "README.md").read_text() == "# Mine\n"


def test_the_page_has_what_the_tables_have(folder: Path) -> None:
    """Spreads in their cells, notes, the own row, and by which command, when and with which seeds it was made."""
    assert run(["report", str(folder / "out")]) == 0
    page = (folder / "out" / "report.html").read_text(encoding="utf-8")
    about = yaml.safe_load((folder / "out" / "reproduction.yaml").read_text(encoding="utf-8"))
    head = page.partition("<nav")[0]
    for value in (about["date"], about["environment"]["command"].split()[-1], "<dt>seeds</dt><dd>0</dd>"):
        assert str(value) in head
    table = page.partition('<section id="table4">')[2].partition("</section>")[0]
    text = (folder / "out" / "tables" / "table4.md").read_text(encoding="utf-8")
    row = next(line for line in text.splitlines() if line.startswith("| **integral"))
    for cell in re.findall(r"\*\*(.+?)\*\*", row):
        assert f">{cell}</t" in table
    assert '<tr class="strong">' in table and "Too few videos to rely on" in table and " ±</th>" not in table


def test_what_cannot_be_asked(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(command(folder, "table99")) == 2
    assert "found 'table99'" in capsys.readouterr().err
    assert run(command(folder, "table4", data=("data:nowhere",))) == 2
    assert "nowhere" in capsys.readouterr().err
    assert run(["reproduce", "table4", "--recipe", "kinetics50", "--out", str(folder / "out")]) == 2
    assert "Expected --data for the recipe kinetics50" in capsys.readouterr().err
    assert run(["reproduce", "seed=1"]) == 2
    assert "settings alone" in capsys.readouterr().err
    assert expand_items(["table4", "all"])[0] == "table4"
    assert len(expand_items(["table4", "all"])) == len(ITEMS)


def test_data_part(folder: Path) -> None:
    whole = DataPart.parse(str(folder / "data"))
    assert whole.splits == ("in-context", "out-of-context")
    assert DataPart.parse(f"{folder / 'data'}:train").splits == ("train",)
    assert read_index(whole.root).name == "toy"


def test_a_killed_call_goes_on(folder: Path, tmp_path: Path) -> None:
    """SIGKILL amid the second variant; the same command, anew, then makes the bytes of an uninterrupted call."""
    arguments = command(folder, "table7")
    arguments[arguments.index("--out") + 1] = str(tmp_path / "killed")
    process = subprocess.Popen(
        [sys.executable, "-m", "integralaction", *arguments],
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    assert process.stderr is not None
    for line in process.stderr:
        if line.startswith("[2/4]"):
            break
    process.kill()
    process.communicate()
    assert process.returncode == -signal.SIGKILL
    assert not (tmp_path / "killed" / "tables").exists()
    assert run(arguments) == 0
    assert (tmp_path / "killed" / "tables" / "table7.csv").read_bytes() == (
        folder / "out" / "tables" / "table7.csv"
    ).read_bytes()
