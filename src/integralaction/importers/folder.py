"""A folder of videos, or a csv of paths and labels.

ROOT/SPLIT/CLASS/*.mp4, where the first folders have the names of splits, or ROOT/CLASS/*.mp4, which is divided by group
and seed. Folders of images are videos too.
"""

from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass
from pathlib import Path
from typing import NoReturn

from integralaction.assembly.plan import Entry, ImportIssue, ImportPlan
from integralaction.errors import Refused
from integralaction.importers.division import check_division, divide, group_of
from integralaction.importers.sources import video_files
from integralaction.importers.spelling import one_spelling, split_of_folder
from integralaction.importers.video_table import table_entries


@dataclass(frozen=True)
class Folder:
    """Import a folder of videos: VIDEOS/SPLIT/CLASS/* or VIDEOS/CLASS/*, or a csv of paths and labels.

    Parameters
    ----------
    videos
        The folder; a folder of images is a video too.
    csv
        A table with the columns path and label, and optionally split, group, start and end (seconds); paths are
        relative to VIDEOS.
    val
        Share of the videos for the split val, where neither folders nor table name the split.
    test
        Share of the videos for the split test, where neither folders nor table name the split.
    group
        A regular expression on paths whose parenthesis is what must not be divided, such as a person or a scene:
        `'_(g[0-9]+)_'`.
    seed
        Seed of the division into splits, where neither folders nor table name them.
    """

    videos: Path
    _: KW_ONLY
    csv: Path | None = None
    val: float = 0.0
    test: float = 0.2
    group: str | None = None
    seed: int = 0

    def find(self) -> ImportPlan:
        """The videos of the folder or the table; each group is wholly in one split.

        Raises:
            FileNotFoundError: there is no such folder or table.
            ValueError: it has no classes, or shares and expression are not what they should be.
        """
        check_division(self.val, self.test, self.group)
        if self.csv is None:
            entries, issues = self._folder_entries()
        else:
            entries, issues = table_entries(self.csv, self.videos, self.group)
        entries, spellings = one_spelling(entries)
        if not any(entry.split for entry in entries):
            # videos without a label are not imported: they must not change how the others are divided
            labelled = divide([entry for entry in entries if entry.label], self.val, self.test, self.seed)
            entries = labelled + [entry for entry in entries if not entry.label]
        return ImportPlan(
            name=(self.csv or self.videos).resolve().stem or "videos",
            skeleton="openpose18",
            classes=tuple(sorted({entry.label for entry in entries} - {""})),
            video_root=self.videos,
            entries=entries,
            issues=(*issues, *spellings),
        )

    def _folder_entries(self) -> tuple[list[Entry], list[ImportIssue]]:
        root = self.videos
        files, issues = video_files(root)
        paths = sorted(path for paths in files.values() for path in paths)
        layout = _layout_of(paths, root)
        entries = []
        for path in paths:
            parts = Path(path).parts
            if len(parts) < layout.depth:
                issues.append(ImportIssue(path, "not in a folder of a class"))
                continue
            split = "" if layout.split is None else split_of_folder(parts[layout.split])[0]
            entries.append(Entry(path, parts[layout.label], split, group=group_of(path, self.group)))
        if not entries:
            raise Refused(
                f"Expected {root}/CLASS/VIDEO or {root}/SPLIT/CLASS/VIDEO; found no videos "
                "in folders of classes. Put each into a folder of its class's name, or give --csv."
            )
        issues += _empty_classes(root, layout, entries)
        inner = {Path(path).parts[1] for path in paths if len(Path(path).parts) > 2}
        if layout.split is None and len(inner) > 1 and len({e.label for e in one_spelling(entries)[0]}) == 1:
            label = entries[0].label
            detail = f"{', '.join(sorted(inner)[:5])}: give {root / label} where these are the classes"
            issues.append(ImportIssue(label, "one class, of folders that may be the classes", detail, is_imported=True))
        return entries, issues


@dataclass(frozen=True)
class _Layout:
    """Which folders of a path, counted from the root, tell what; None: no folder tells the split.

    Attributes:
        label, split: the folders of the class and the split.
        depth: how many names a path has at least.
    """

    label: int
    split: int | None
    depth: int


def _layout_of(paths: Sequence[str], root: Path) -> _Layout:
    """ROOT/CLASS/..., ROOT/SPLIT/CLASS/..., ROOT/CLASS/SPLIT/..., or one of the last two in a folder of their own.

    Raises:
        ValueError: some folders are splits and some are not, or two are one split of the same videos.
    """
    parts = [Path(path).parts for path in paths]
    in_folders = [path for path in parts if len(path) > 1]
    deep = [path for path in parts if len(path) > 2]
    if _are_splits({path[0] for path in deep}, {path[0] for path in in_folders}, root):
        _refuse_repeated_splits(in_folders, root)
        return _Layout(label=1, split=0, depth=3)
    second = {path[1] for path in deep}
    splits = {name for name in second if _is_split(name)}
    if splits and splits == second and len(deep) == len(in_folders):
        if len({path[0] for path in deep}) > 1 or not all(len(path) > 3 for path in deep):
            return _Layout(label=0, split=1, depth=3)
        _refuse_repeated_splits([path[1:] for path in deep], root)
        return _Layout(label=2, split=1, depth=4)
    if len({split_of_folder(name)[0] for name in splits}) > 1:
        _refuse_mixed(splits, {path[1] for path in in_folders} - splits, root)
    return _Layout(label=0, split=None, depth=2)


def _empty_classes(root: Path, layout: _Layout, entries: Sequence[Entry]) -> list[ImportIssue]:
    """An issue for each folder that stands where classes do and holds no video."""
    depth = layout.label + 1
    with_videos = {Path(entry.video).parts[:depth] for entry in entries}
    folders = (path.relative_to(root).parts for path in sorted(root.glob("/".join("*" * depth))) if path.is_dir())
    empty = (parts for parts in folders if parts not in with_videos and not any(n.startswith(".") for n in parts))
    return [ImportIssue("/".join(parts), "folder of a class without videos") for parts in empty]


def _is_split(name: str) -> bool:
    split, rest = split_of_folder(name)
    return bool(split) and not rest


def _are_splits(deep: set[str], folders: set[str], root: Path) -> bool:
    """Whether the first folders are splits; `deep` are those with folders in them."""
    meanings = {name: split_of_folder(name) for name in folders}
    splits = {name for name in folders if _is_split(name)}
    if splits & deep:
        if folders - splits:
            _refuse_mixed(splits, folders - splits, root)
        return True
    if splits == folders and len({meanings[name][0] for name in splits}) > 1:
        raise Refused(
            f"Expected folders of classes in the folders of splits of {root} ({', '.join(sorted(splits))}); found "
            "videos there. Put each into a folder of its class's name, or give --csv."
        )
    # all of one name but for the split, such as ucf_train and ucf_test
    of_one_name = len({rest for _, rest in meanings.values()}) == 1
    of_several_splits = len({split for split, _ in meanings.values()}) > 1
    return of_one_name and of_several_splits and folders == deep and all(split for split, _ in meanings.values())


def _refuse_mixed(splits: set[str], others: set[str], root: Path) -> NoReturn:
    raise Refused(
        f"Expected folders of splits ({', '.join(sorted(splits))}) or of classes in {root}; found both "
        f"({', '.join(sorted(others)[:5])}). Move one kind away, or give --csv."
    )


def _refuse_repeated_splits(paths: Sequence[tuple[str, ...]], root: Path) -> None:
    """
    Raises:
        ValueError: two folders of one split hold videos of the same names, such as train and train_256.
    """
    folder_of: dict[tuple[str, ...], str] = {}
    for first, *rest in paths:
        place = (split_of_folder(first)[0], *rest[:-1], Path(rest[-1]).stem)
        if folder_of.setdefault(place, first) != first:
            raise Refused(
                f"Expected each video of a split once in {root}; found {'/'.join(rest)} in {folder_of[place]} and in "
                f"{first}. Move one of the two folders away."
            )
