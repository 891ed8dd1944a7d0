"""From the plan of an import to a data set folder. An import that was stopped goes on with the same command."""

import json
import os
import re
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, replace
from pathlib import Path

from integralaction.assembly.inspection import Inspection, inspect_entry
from integralaction.assembly.issues import LIST, ImportResult, read_issues, write_issues
from integralaction.assembly.parts import Parts
from integralaction.assembly.plan import Entry, ImportIssue, ImportPlan
from integralaction.console import progress, say
from integralaction.data.index import Index, Video, is_file_name, read_index, say_untrained_classes, write_index
from integralaction.data.poses import SHARD, PoseStore, write_shard
from integralaction.errors import Refused
from integralaction.escapes import escape_csv
from integralaction.files import write_text


def build(plan: ImportPlan, out: Path, made_by: str) -> ImportResult:
    """Write a data set folder; of an interrupted call the finished parts stay.

    Args:
        plan: what to import.
        out: the folder, new or of the same import.
        made_by: the importer and its options, by which a later call recognises its own work.

    Raises:
        ValueError: nothing can be imported, or the folder holds something else.
    """
    plan = replace(plan, name=re.sub(r"[^\w -]+", "-", plan.name).strip("-. ") or "videos")
    if repeats := [name for name, count in Counter(plan.classes).items() if count > 1]:
        raise Refused(f"Expected class names without repeats; found {repeats[0]!r} twice. Rename one.")
    entries, issues = drop_repeats(plan)
    parts = Parts(out, "import")
    parts.tidy()
    if result := _earlier_result(parts, plan, entries, made_by):
        say(f"{out} holds this import already; nothing was done. To import anew, remove it or give another --out.")
        return result
    parts.claim(_identity(plan, entries, made_by))
    units = [entries[first : first + SHARD] for first in range(0, len(entries), SHARD)]
    rows: list[Video] = []
    with progress("importing", len(entries)) as advance, ThreadPoolExecutor(os.cpu_count()) as pool:
        for number, unit in enumerate(units):
            path, shard = parts.folder / f"{number:05d}.json", out / f"poses-{number:05d}.safetensors"
            part = _read_unit(path, shard)
            if part is None:
                inspections = list(pool.map(lambda entry: inspect_entry(entry, plan), unit))
                part = _write_unit(path, shard, inspections, plan)
            rows += part[0]
            issues += part[1]
            advance(len(unit))
    if not rows:
        first = f" ({issues[0].item}: {issues[0].reason}. {issues[0].detail})" if issues else ""
        parts.finish()
        raise Refused(f"Expected videos to import into {out}; none of {len(issues)} can be{first}.")
    root = os.path.relpath(plan.video_root.resolve(), out.resolve())
    index = Index(out, plan.name, plan.skeleton, plan.classes, tuple(rows), root, made_by)
    write_issues(out, issues)
    write_index(index)
    parts.finish()
    say_untrained_classes(index)
    return ImportResult(index, tuple(issues))


def _identity(plan: ImportPlan, entries: Sequence[Entry], made_by: str) -> list[str]:
    """What an import is of, by which a later call recognises its own work."""
    rows = (repr((e.video, e.label, e.split, e.start, e.end, e.group)) for e in entries)
    return [made_by, repr(plan.classes), *rows]


def _earlier_result(parts: Parts, plan: ImportPlan, entries: Sequence[Entry], made_by: str) -> ImportResult | None:
    """The import that is there, where it is a whole one of the same videos."""
    if parts.folder.exists() or not (parts.out / LIST).is_file():
        return None
    try:
        index, issues = read_index(parts.out), read_issues(parts.out)
    except (FileNotFoundError, ValueError):
        return None
    rows = {(v.video, v.label, v.split, v.group) for v in index.videos}
    of_plan = {(e.video, e.label, e.split, e.group) for e in entries}
    without_row = {issue.item for issue in issues if not issue.is_imported}
    is_same = _options(index.made_by) == _options(made_by) and index.classes == plan.classes and rows <= of_plan
    has_all = {escape_csv(e[0]) for e in of_plan - rows} <= without_row
    return ImportResult(index, issues) if is_same and has_all else None


def _options(made_by: str) -> list[str]:
    """The options that `made_by` names, alike for data sets of before.

    These have the option `--csv FILE`, or files without a name, a colon after the last path and options without a
    value; they do not have `classes`, which the index tells.
    """
    names = (re.sub(r"^(csv|annotations)=|:$", "", word) for word in made_by.split())
    return sorted(name for name in names if not re.match(r"--csv$|classes=|\w+=(None)?$", name))


def drop_repeats(plan: ImportPlan) -> tuple[list[Entry], list[ImportIssue]]:
    """Each part of a video once, however its file is named, and with a class; the plan's issues and those of the
    others."""
    first_of: dict[tuple, Entry] = {}
    entries, issues, classes = [], list(plan.issues), set(plan.classes)
    for entry in plan.entries:
        key = (_file_number(plan.video_root / entry.video) or entry.video, entry.start, entry.end)
        if first := first_of.get(key):
            labels = "" if entry.label == first.label else ", under two labels"
            detail = (
                f"again as {entry.label!r} in {entry.split}; first {first.video} as {first.label!r} in {first.split}"
            )
            issues.append(ImportIssue(entry.video, f"named twice{labels}", detail))
        elif not _is_text(entry.video):
            issues.append(ImportIssue(entry.video, "name is no UTF-8"))
        elif entry.label not in classes:
            reason = "no label" if not entry.label else "label of no known class"
            issues.append(ImportIssue(entry.video, reason, entry.label))
        elif not is_file_name(entry.split):
            issues.append(ImportIssue(entry.video, "split that can name no folder", entry.split))
        else:
            first_of[key] = entry
            entries.append(entry)
    return entries, issues


def _file_number(path: Path) -> tuple[int, int] | None:
    """What all names of one file or folder have in common; None where there is none."""
    try:
        status = path.stat()
    except (OSError, ValueError):
        return None
    return (status.st_dev, status.st_ino) if status.st_ino else None


def _is_text(name: str) -> bool:
    try:
        name.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


_Unit = tuple[list[Video], list[ImportIssue]]


def _write_unit(path: Path, shard: Path, inspections: Sequence[Inspection], plan: ImportPlan) -> _Unit:
    """The poses of a unit, then its rows, by which a later call sees that it is whole."""
    poses = {one.row.video: one.poses for one in inspections if one.row is not None and one.poses is not None}
    if poses:
        write_shard(shard, list(poses.items()))
    note = plan.note or (lambda row, poses: "")
    rows = [replace(one.row, note=note(one.row, one.poses)) for one in inspections if one.row is not None]
    issues = [issue for one in inspections for issue in one.issues]
    plain = [{name: value for name, value in asdict(row).items() if name != "others"} for row in rows]
    about = {"rows": plain, "issues": [asdict(issue) for issue in issues], "poses": list(poses)}
    write_text(path, json.dumps(about))
    return rows, issues


def _read_unit(path: Path, shard: Path) -> _Unit | None:
    """The rows and issues of a unit; None where it is not there yet, or its files are not whole."""
    if not path.exists():
        return None
    try:
        about = json.loads(path.read_text(encoding="utf-8"))
        if about["poses"] and list(PoseStore([shard])) != about["poses"]:
            return None
        rows = [Video(**row) for row in about["rows"]]
        return rows, [ImportIssue(**issue) for issue in about["issues"]]
    except (ValueError, KeyError, TypeError):
        return None
