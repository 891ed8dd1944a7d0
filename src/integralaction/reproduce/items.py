"""Makes tables, figures and claims by name, and leaves them in a folder.

OUT/tables/NAME.csv, .md, .tex     tables, the claims among them; .json is what `report` reads
OUT/figures/NAME.pdf, .png         figures
OUT/claims.csv                     the claims' numbers
OUT/skipped.csv                    what the data at hand could not show, and why
OUT/README.md                      what the last call made, to read, with command, machine, seeds and date
OUT/reproduction.yaml              what to make, with which settings, where and when
OUT/data/, runs/, stages/          what was measured: see `measure`
"""

import csv
import datetime
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from rich.console import Console
from rich.text import Text

from integralaction.config import ModelConfig
from integralaction.console import printable
from integralaction.data.index import Index, read_index
from integralaction.errors import Refused
from integralaction.escapes import escape_markdown
from integralaction.figures.style import save_figure
from integralaction.files import write_rows, write_text
from integralaction.mime.acts import ACTS
from integralaction.recipe import Recipe
from integralaction.recipes import recipe_named, variant_of
from integralaction.reproduce.claims import CLAIMS, ClaimResult, claims_table, judge_claims
from integralaction.reproduce.figures import FIGURES
from integralaction.reproduce.measure import MIME, DataPart, MissingData, SeedResults, measure_seed
from integralaction.reproduce.table_files import write_table
from integralaction.reproduce.tables import TABLES, make_table
from integralaction.settings import override, read_yaml, to_dict, write_yaml
from integralaction.terminal import print_table
from integralaction.training.run import environment, model_of

REPRODUCTION = "reproduction.yaml"  # by which a folder is known
HEADING = "# The paper, measured"  # by which our README.md is known
ENDINGS = ("csv", "md", "tex", "json", "pdf", "png")  # of the files of an item
CLASSES = {"kinetics50": 50, "kinetics400": 400, "ntu60": 60}  # of the paper's data sets, where none is at hand
ITEMS = (*TABLES, *FIGURES)
_SECTION_4_2 = ("table1", "table2", "table13")  # of the paper, which has other networks there


@dataclass(frozen=True)
class ReproduceRequest:
    """What to make, from what.

    Attributes:
        items: names of tables and figures, and `claims`.
        recipe: a recipe's name or file; empty: the embedded benchmark's, or the paper's for the item.
        assignments: settings to change, as name=value.
        data: data sets; empty: the embedded benchmark.
        out: the folder.
        seeds: of training, and of the embedded benchmark's videos.
    """

    items: tuple[str, ...]
    recipe: str
    assignments: tuple[str, ...]
    data: tuple[DataPart, ...]
    out: Path
    seeds: tuple[int, ...]


def expand_items(names: Sequence[str]) -> tuple[str, ...]:
    """Items by name, `all` being every table and figure.

    Raises:
        ValueError: there is no such item.
    """
    items: list[str] = []
    for name in names:
        if name not in (*ITEMS, "all", "claims"):
            raise Refused(f"Expected items of {', '.join(ITEMS)}, all or claims; found {name!r}.")
        items += ITEMS if name == "all" else (name,)
    return tuple(dict.fromkeys(items))


def reproduce(request: ReproduceRequest, device: torch.device, console: Console) -> dict[str, str]:
    """Measure what the items need, make them, print the tables.

    Returns:
        By item, why it was skipped.

    Raises:
        ValueError: the folder holds files of these names that no earlier call wrote; or as `measure_seed`.
    """
    check_folder(request.out, request.items)
    request.out.mkdir(parents=True, exist_ok=True)
    index = read_index(request.data[0].root) if request.data else None
    bases = {item: _base(item, request, index) for item in request.items}
    seeds: dict[Recipe, list[SeedResults]] = {}
    for base in dict.fromkeys(bases.values()):
        names = dict.fromkeys(name for item in request.items if bases[item] == base for name in needs(item))
        if names:
            seeds[base] = [measure_seed(base, names, request.data, request.out, seed, device) for seed in request.seeds]
    _write_settings(request, list(dict.fromkeys(bases.values())))
    reasons: dict[str, str] = {}
    for item in request.items:
        try:
            if item in FIGURES:
                model = _model(bases[item], index)
                _make_figure(item, model, seeds.get(bases[item], []), request.out, console)
            else:
                reasons |= _make_table(item, seeds.get(bases[item], []), request.out, console)
        except MissingData as error:
            reasons[item] = str(error)
            for old in _files(request.out, item):
                old.unlink(missing_ok=True)  # of other data or seeds
    _write_skipped(reasons, request.items, request.out / "skipped.csv")
    _write_page(request, bases)
    return reasons


def needs(item: str) -> tuple[str, ...]:
    """The methods and variants that an item needs measured."""
    if item == "claims":
        return tuple(dict.fromkeys(name for claim in CLAIMS for name in claim.needs))
    return TABLES[item].needs if item in TABLES else FIGURES[item].needs


def _base(item: str, request: ReproduceRequest, index: Index | None) -> Recipe:
    """The recipe of an item: the request's, or the embedded benchmark's, or the one with which the paper made it."""
    name = request.recipe
    if not name and (index is None or index.name == "mime"):
        name = "mime-demo"
    elif not name and index is not None:
        of_paper = "kinetics400" if item in _SECTION_4_2 else "kinetics50"
        name = "ntu60" if index.skeleton == "ntu25" else of_paper
    return override(recipe_named(name), list(request.assignments))


def check_folder(out: Path, items: Sequence[str]) -> None:
    """Make sure that nothing is replaced but what an earlier call wrote.

    Raises:
        ValueError: the folder holds something else of the same name.
    """
    advice = "Give another --out, or move that file."
    if out.exists() and not out.is_dir():
        raise Refused(f"Expected a folder for the reproduction; {out} is a file. Give another --out.")
    page = out / "README.md"
    if page.exists() and not is_ours(page):
        raise Refused(f"Expected no README.md in {out} but one that reproduce wrote; found another. {advice}")
    settings = out / REPRODUCTION
    if settings.exists():
        values = read_yaml(settings)
        if not isinstance(values, dict) or not {"items", "seeds", "recipes"} <= values.keys():
            raise Refused(f"Expected what reproduce wrote in {settings}; found something else. {advice}")
        return
    names = (out / "claims.csv", out / "skipped.csv", *(path for item in items for path in _files(out, item)))
    if others := [str(path) for path in names if path.exists()]:
        raise Refused(f"Expected none of the files to be written in {out}; found {others[0]}. {advice}")


def is_ours(page: Path) -> bool:
    """Whether a README.md is one that `reproduce` wrote."""
    return page.is_file() and page.read_bytes().startswith(HEADING.encode() + b"\n")


def _files(out: Path, item: str) -> list[Path]:
    """The files of an item, those that are there and those that are not."""
    return [out / ("figures" if item in FIGURES else "tables") / f"{item}.{ending}" for ending in ENDINGS]


def _model(base: Recipe, index: Index | None) -> ModelConfig:
    """The paper's method as the recipe has it, with the classes of the data."""
    if index is not None:
        classes = index.classes
    elif base.name in MIME:
        classes = tuple(act.name for act in ACTS)
    else:
        classes = tuple(f"class {i}" for i in range(CLASSES.get(base.name, 1)))
    return model_of(variant_of(base, "integral"), base.model.classes or classes)


def _make_table(item: str, seeds: list[SeedResults], out: Path, console: Console) -> dict[str, str]:
    """Make a table; of the claims, why some could not be tested."""
    if item == "claims":
        results, reasons = judge_claims(seeds)
        table = claims_table(results, len(seeds))
        print_table(table, console)
        write_table(table, out / "tables")
        _write_claims(results, out / "claims.csv")
        return reasons
    table = make_table(item, seeds)
    print_table(replace(table, title=f"{item_title(item)}: {table.title}"), console)
    console.print()
    write_table(table, out / "tables")
    return {}


def _make_figure(item: str, model: ModelConfig, seeds: list[SeedResults], out: Path, console: Console) -> None:
    figure = FIGURES[item].make(model, seeds)
    paths = save_figure(figure, out / "figures" / item)
    console.print(Text(printable(f"{item_title(item)}: {FIGURES[item].title}: {paths[-1]}")))


def item_title(item: str) -> str:
    """`table4` as Table 4, `gate-priors` as Gate priors."""
    return re.sub(r"(?<=[a-z])(?=\d)", " ", item).replace("-", " ").capitalize()


def _write_claims(results: list[ClaimResult], path: Path) -> None:
    rows = [
        (
            *(result.claim.text, result.claim.source, f"{result.claim.bound:g}"),
            *(f"{value:.6f}" for value in (result.difference, result.low, result.high)),
            *(result.seeds, result.verdict),
        )
        for result in results
    ]
    write_rows(path, [("claim", "where", "asked", "difference", "low", "high", "seeds", "verdict"), *rows])


def _write_skipped(reasons: dict[str, str], items: tuple[str, ...], path: Path) -> None:
    """Those of this call, and those of earlier calls of items that this one does not make."""
    earlier = {}
    if path.is_file():
        with path.open(newline="", encoding="utf-8") as file:
            old = [row for row in csv.reader(file) if len(row) == 2]
        earlier = {item: reason for item, reason in old if item in ITEMS and item not in items}
    write_rows(path, [("item", "reason"), *(earlier | reasons).items()])


def _write_page(request: ReproduceRequest, bases: dict[str, Recipe]) -> None:
    """What this call made, as Markdown."""
    machine, out = environment(), request.out
    threads = f"{machine['threads']} thread{'' if machine['threads'] == 1 else 's'}"
    processor = f"{machine['processor']}, {threads}" if machine["gpu"] == "none" else str(machine["gpu"])
    lines = [
        HEADING,
        "",
        "<!-- Written by `integralaction reproduce`; its next call with this folder replaces it. -->",
        "",
        f"`{machine['command']}`, {datetime.date.today().isoformat()}, {processor}, torch {machine['torch']}.",
        _training_sentence(request, bases),
    ]
    for item in sorted(request.items, key=("claims", *ITEMS).index):
        table, picture = out / "tables" / f"{item}.md", out / "figures" / f"{item}.png"
        if item in FIGURES and picture.is_file():
            title = FIGURES[item].title
            lines += ["", f"## {item_title(item)}: {title}", "", f"![{title}](figures/{item}.png)"]
        elif item not in FIGURES and table.is_file():
            # the first line is the title
            _, _, text = table.read_text(encoding="utf-8").partition("\n")
            heading = "What the paper states" if item == "claims" else f"{item_title(item)}: {TABLES[item].title}"
            lines += ["", f"## {heading}", "", text.strip()]
    with (out / "skipped.csv").open(newline="", encoding="utf-8") as file:
        omissions = [f"- {item}: {escape_markdown(reason)}" for item, reason in list(csv.reader(file))[1:]]
    lines += ["", "## What was skipped", "", *(omissions or ["Nothing."])]
    write_text(out / "README.md", "\n".join(lines) + "\n", errors="backslashreplace")


def _training_sentence(request: ReproduceRequest, bases: dict[str, Recipe]) -> str:
    """What was trained on what."""
    recipes = ", ".join(dict.fromkeys(base.name for base in bases.values()))
    if not any(needs(item) for item in request.items):
        return f"Recipe {escape_markdown(recipes)}. Read off the models: nothing was trained."
    data = ", ".join(str(part.root) for part in request.data) or "the embedded benchmark, rendered anew for each seed"
    seeds = f"seed{'s' if len(request.seeds) > 1 else ''} {', '.join(map(str, request.seeds))}"
    return (
        f"Recipe {escape_markdown(recipes)} on {escape_markdown(data)}; {seeds}. "
        "The last epoch is used; nothing is chosen on a test split."
    )


def _write_settings(request: ReproduceRequest, bases: list[Recipe]) -> None:
    values = {
        "items": list(request.items),
        "data": [f"{part.root}: {', '.join(part.splits)}" for part in request.data] or "the embedded benchmark",
        "seeds": list(request.seeds),
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "environment": environment(),
        "recipes": [to_dict(base) for base in bases],
    }
    write_yaml(request.out / REPRODUCTION, values)
