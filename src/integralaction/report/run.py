"""A run as one self-contained HTML page: answer, tables, figures, gates, videos, settings, and what is not in it."""

from dataclasses import replace
from pathlib import Path

from integralaction.console import say
from integralaction.data.index import Index
from integralaction.errors import Refused
from integralaction.report.gallery import gallery_section
from integralaction.report.page import Page, Section, check_page, write_page
from integralaction.report.results import RunResults, answer_sentences, read_results
from integralaction.report.sections import (
    audit_section,
    classes_section,
    comparisons_section,
    figures_section,
    gates_section,
    results_section,
    settings_section,
    training_section,
    unreadable_videos,
    untrained_methods,
)
from integralaction.settings import read_yaml
from integralaction.testing.evaluate import NOT_TESTED
from integralaction.testing.predictions import results_name
from integralaction.training.run import Run


def write_report(run: Run, index: Index, splits: tuple[str, ...], out: Path | None = None, previews: int = 3) -> Path:
    """Write the page of a tested run.

    Args:
        index: the data set that it was tested on.
        splits: which of its splits; empty: all but `train` and `val`. One that was not tested is named on the page.
        out: the file, written aside and then renamed; None: `page_path`.
        previews: so many videos at most are shown of each pattern of right and wrong answers.

    Returns:
        The file.

    Raises:
        ValueError: nothing of it was tested, the data set has no such split, or the file is no page of ours.
    """
    if previews < 0:
        raise Refused(f"Expected a number of previews of at least 0; found {previews}.")
    out = out or page_path(run, index, splits)
    check_page(out)
    results = read_results(run, index, splits)
    if remark := run.changes_of(index):
        say(remark)
        results = replace(results, omissions=(remark, *results.omissions))
    title = f"{run.root.resolve().name}: tested on {index.name}"
    page = Page(
        title, _facts(run, index, results), tuple(answer_sentences(results)), _sections(run, index, results, previews)
    )
    return write_page(page, out)


def page_path(run: Run, index: Index, splits: tuple[str, ...]) -> Path:
    """report.html in the run folder; of another data set, or of other splits than those for tests, a page of its own
    beside it."""
    data = [results_name(run, index)] if index.root.resolve() != run.data.resolve() else []
    test_splits = {name for name in index.splits if name not in NOT_TESTED}
    names = [] if set(splits) == test_splits else dict.fromkeys(splits)
    return run.root / ("-".join(["report", *data, *names]) + ".html")


def _sections(run: Run, index: Index, results: RunResults, previews: int) -> tuple[Section, ...]:
    """All sections; the last says what is not in the others."""
    parts = (
        comparisons_section(results),
        gates_section(results),
        figures_section(results),
        training_section(run),
        audit_section(run),
        gallery_section(results, index, previews),
    )
    omissions = (
        *results.omissions,
        *untrained_methods(run),
        *(line for _, lines in parts for line in lines),
        *unreadable_videos(run),
    )
    return (
        results_section(results),
        *(section for section, _ in parts if section is not None),
        classes_section(results),
        settings_section(run),
        Section("skipped", "What was skipped", lines=omissions or ("Nothing.",)),
    )


def _facts(run: Run, index: Index, results: RunResults) -> tuple[tuple[str, str], ...]:
    """The lines of the head, name and value."""
    environment = _read_yaml(run.root / "environment.yaml")
    facts = {
        "data set": index.name,
        "tested on": ", ".join(f"{split} ({len(index.split(split).videos)} videos)" for split in results.splits),
        "recipe": run.recipe.name,
        "methods": ", ".join(results.predictions),
        **{name: str(environment[name]) for name in ("date", "command", "integralaction") if name in environment},
    }
    return tuple(facts.items())


def _read_yaml(path: Path) -> dict:
    """The values in a file; none where there is no file."""
    values = read_yaml(path) if path.is_file() else {}
    return values if isinstance(values, dict) else {}
