"""The commands that show results and measure the paper again: report, reproduce."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from integralaction.cli.models import Device, Splits
from integralaction.console import Tables, say, show
from integralaction.errors import Refused


def report(
    run: Path,
    /,
    *,
    on: Path | None = None,
    split: Splits = None,
    out: Path | None = None,
    previews: int = 3,
) -> int:
    """Write one self-contained HTML page of a run, or of what `reproduce` left in a folder.

    Parameters
    ----------
    run
        The run folder, tested before; or the folder of a reproduction.
    on
        The data set whose predictions to show; the one that the run was trained on by default.
    split
        Its splits; all but train and val by default.
    out
        The file; by default report.html in the folder, or report-SPLIT.html of other splits.
    previews
        Small videos of each pattern of right and wrong answers.
    """
    from integralaction.data.index import read_index
    from integralaction.report.run import write_report
    from integralaction.reproduce.items import REPRODUCTION
    from integralaction.reproduce.page import write_reproduction_page
    from integralaction.training.run import open_run

    if previews < 0:
        raise Refused(f"Expected no negative number of previews; found {previews}. Take 0 for none.")
    if (run / REPRODUCTION).is_file():
        path = write_reproduction_page(run, out)
    else:
        opened = open_run(run)
        index = read_index(on or opened.data)
        path = write_report(opened, index, tuple(split or ()), out, previews)
    show(f"page: {path}")
    return 0


def reproduce(
    item: str,
    /,
    *items: str,
    data: Annotated[list[str] | None, Parameter(negative=())] = None,
    recipe: str = "",
    out: Path = Path("reproduction"),
    seeds: int = 1,
    device: Device = "auto",
) -> int:
    """Make the paper's tables and figures, measured on the data at hand and set beside the published numbers.

    What was trained before with the same settings is used again, and a call that was stopped goes on.

    Parameters
    ----------
    item
        table1 to table14, figure1 to figure11, gate-priors (beyond the paper); all, for all of these; or claims: what
        the paper states, each with its verdict.
    items
        More of them. Settings of the recipe may stand among them, as name=value.
    data
        A data set folder, or FOLDER:SPLIT; the first is trained on, all are tested on. By default the embedded
        benchmark is rendered, anew for each seed.
    recipe
        By default the paper's for the item, or mime-demo on the embedded benchmark; mime-large is that at 224 pixels.
    out
        The folder for tables, figures and everything that was measured.
    seeds
        How many trainings with seeds of their own (0, 1, ...) to measure; claims should rest on 5.
    device
        Where to train and test.
    """
    from integralaction.models import choose_device
    from integralaction.reproduce.items import ReproduceRequest, expand_items
    from integralaction.reproduce.items import reproduce as run_reproduction
    from integralaction.reproduce.measure import DataPart

    if seeds < 1:
        raise Refused(f"Expected at least one seed; found {seeds}.")
    words = (item, *items)
    # names of folders behind --data are more of them
    parts = [*(data or ()), *(name for name in words if data and Path(name.partition(":")[0]).is_dir())]
    item_names = expand_items([name for name in words if "=" not in name and name not in parts])
    if not item_names:
        raise Refused("Expected a table, a figure, all or claims; found settings alone. Name one, as table4.")
    request = ReproduceRequest(
        items=item_names,
        recipe=recipe,
        assignments=tuple(setting for setting in words if "=" in setting),
        data=tuple(DataPart.parse(text) for text in parts),
        out=out,
        seeds=tuple(range(seeds)),
    )
    skipped = run_reproduction(request, choose_device(device), Tables())
    for name, reason in skipped.items():
        say(f"skipped {name}: {reason}")
    show(f"tables: {out / 'tables'}, figures: {out / 'figures'}")
    return 0
