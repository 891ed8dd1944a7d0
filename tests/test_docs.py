"""The documents: their numbers are those of the files that commands wrote, their links lead somewhere."""

import csv
import re
from pathlib import Path

import pytest

from integralaction.recipe import Recipe
from integralaction.settings import leaves, to_dict

ROOT = Path(__file__).parents[1]
PAGES = ("README.md", "docs/guide.md", "docs/mime.md", "docs/log.md", "CHANGELOG.md", "CONTRIBUTING.md")
LABELS = {"gate-free": "gate-free (ours without gating)", "lambda-0": "λ = 0 (ours without L_gate)"}
LABELS["integral"] = "integral (ours, λ = 1.5)"


def test_the_table_of_the_readme_is_that_of_the_reproduction() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    found = re.search(r"<!-- results: (.*?) -->\n(.*?)<!-- end of results -->", text, re.DOTALL)
    assert found is not None, "the README lacks its table between <!-- results: FILE --> and <!-- end of results -->"
    with (ROOT / found[1]).open(newline="", encoding="utf-8") as file:
        measured = {row["label"]: row for row in csv.DictReader(file)}
    heading, _, *rows = ([cell.strip() for cell in line.split("|")[1:-1]] for line in found[2].splitlines())
    assert len(rows) == len(measured), f"the README's table must have the {len(measured)} rows of {found[1]}"
    for method, *cells in rows:
        row = measured[LABELS.get(method, method)]
        for split, cell in zip(heading[1:], cells, strict=True):
            top1, spread = (float(row[f"{split} top-1{mark}"]) for mark in ("", " ±"))
            assert cell == f"{top1:.1f} ± {spread:.1f}", f"README, {method} {split}: copy the number of {found[1]}"


def test_the_best_average_is_that_of_the_claim() -> None:
    """The score average at its best ratio is as much above integral as the claim's difference says."""
    folder = ROOT / "docs/results/mime-paper"
    with (folder / "claims.csv").open(newline="", encoding="utf-8") as file:
        claim = next(row for row in csv.DictReader(file) if "best in context" in row["claim"])
    with (folder / "tables/table4.csv").open(newline="", encoding="utf-8") as file:
        ours = next(row for row in csv.DictReader(file) if row["label"] == LABELS["integral"])
    best = float(ours["out-of-context top-1"]) - 100 * float(claim["difference"])
    text = " ".join((ROOT / "README.md").read_text(encoding="utf-8").split())
    message = f"the README must say what {folder}/claims.csv has: {best:.1f} % at the ratio that is best in context"
    assert f"it has {best:.1f} % out of context" in text, message
    low, high = -100 * float(claim["high"]), -100 * float(claim["low"])
    assert f"95 % interval {low:.1f} to {high:.1f}" in text, f"{message}, interval {low:.1f} to {high:.1f}"


def test_the_guide_names_all_settings() -> None:
    text = (ROOT / "docs/guide.md").read_text(encoding="utf-8").partition("\n## Settings\n")[2].partition("```\n")[0]
    missing = [
        name for name, _ in leaves(to_dict(Recipe())) if not set(name.split(".")) <= set(re.findall(r"\w+", text))
    ]
    assert not missing, f"docs/guide.md, section Settings: add {', '.join(missing)} to the nested names"


def test_what_to_add_where_is_there() -> None:
    """Each row's files are there, and each name that it says stands in one of them."""
    package = ROOT / "src/integralaction"
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    for row in re.findall(r"^\| .*`.*", text.partition("## What it costs to add")[2], re.MULTILINE):
        words = re.findall(r"`([^`]+)`", row)
        paths = [package / word for word in words if word.endswith((".py", "/"))]
        absent = [str(path) for path in paths if not path.exists()]
        code = "".join(path.read_text(encoding="utf-8") for path in paths if path.is_file())
        absent += [w for w in words if not w.endswith((".py", "/")) and w.partition("(")[0] not in code]
        assert not absent, f"CONTRIBUTING.md names {', '.join(absent)}, which are not there: mend the row `{row}`"


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_somewhere(page: str) -> None:
    path = ROOT / page
    for target in re.findall(r"\]\(([^)\s]+)\)", path.read_text(encoding="utf-8")):
        if "://" in target:
            continue
        name, _, anchor = target.partition("#")
        file = (path.parent / name) if name else path
        assert file.exists(), f"{page} links to {target}, which is not there: mend the link"
        if anchor:
            headings = re.findall(r"^#+ (.*)$", file.read_text(encoding="utf-8"), re.MULTILINE)
            anchors = {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
            assert anchor in anchors, f"{page} links to {target}; that page has the headings {sorted(anchors)}"
