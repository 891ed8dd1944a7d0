"""Names that people write in several ways: of one class, of a split."""

import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import replace
from difflib import get_close_matches

from integralaction.assembly.plan import Entry, ImportIssue

SPLITS = {
    "train": "train",
    "training": "train",
    "val": "val",
    "valid": "val",
    "validation": "val",
    "validate": "val",
    "dev": "val",
    "test": "test",
    "testing": "test",
    "trainset": "train",
    "valset": "val",
    "testset": "test",
    **{name: name for name in ("in-context", "out-of-context", "no-pose", "ambiguous")},
}
# words beside a split's in the name of a folder that say nothing of a class
_NEUTRAL = {"video", "videos", "clip", "clips", "frame", "frames", "image", "images", "img", "rgb", "data", "dataset"}
_NEUTRAL |= {"set", "split", "splits", "files", "part", "fold", "the", "px", "p", "fps", "small", "full", "resized"}


def one_spelling(entries: Sequence[Entry]) -> tuple[list[Entry], list[ImportIssue]]:
    """The entries with one label for each class, and an issue for each other way in which it was written.

    Labels are of one class when they differ in upper and lower case, in spaces, underscores or hyphens between words,
    in spaces around them or in the Unicode form of a letter. The way most entries have it is taken.
    """
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for entry in entries:
        counts[_key(entry.label)][entry.label] += 1
    name_of: dict[str, str] = {}
    issues = []
    for spellings in counts.values():
        tidy = Counter[str]()
        for label, count in spellings.items():
            tidy[_tidy(label)] += count
        name = max(tidy, key=lambda label: tidy[label])  # of as many each, the first
        for label, count in sorted(spellings.items()):
            name_of[label] = name
            if label != name and len(spellings) > 1:
                detail = f"{count} videos of {label!r} are taken as {name!r}"
                issues.append(ImportIssue(label, "label written in another way (one class)", detail, is_imported=True))
    return [replace(entry, label=name_of[entry.label]) for entry in entries], issues


def _tidy(label: str) -> str:
    """A label in composed letters, with single spaces, without byte order marks and spaces of no width."""
    return " ".join(re.sub("[\ufeff\u200b]", "", unicodedata.normalize("NFC", label)).split())


def _key(label: str) -> str:
    """The same for all ways to write one class."""
    visible = "".join(c for c in _tidy(label) if unicodedata.category(c) != "Cf")
    words = " ".join(re.sub(r"[\s_]+", " ", visible).split())
    # a hyphen between letters parts words; before a number it may be a minus
    words = re.sub(r"(?<=[^\W\d_]) ?- ?(?=[^\W\d_])", " ", words)
    return unicodedata.normalize("NFC", words.casefold())


def split_of_word(text: str) -> str:
    """The split that a word of a table means; a word of no known split is itself, without spaces around it."""
    tidy = _tidy(text).lower()
    return SPLITS.get(re.sub(r"[\s_]+", "-", tidy)) or split_of_folder(text)[0] or tidy


def doubtful_splits(entries: Sequence[Entry]) -> list[ImportIssue]:
    """An issue for each split whose name is nearly that of a known one, such as `trian`."""
    counts = Counter(entry.split for entry in entries if entry.split and entry.split not in SPLITS.values())
    near = {split: get_close_matches(split, SPLITS, n=1, cutoff=0.75) for split in counts}
    details = {split: f"{counts[split]} videos; perhaps {names[0]!r}" for split, names in near.items() if names}
    return [ImportIssue(split, "a split of nearly a known name", detail, True) for split, detail in details.items()]


def split_of_folder(name: str) -> tuple[str, str]:
    """The split that the name of a folder tells, empty where it tells none, and the rest of the name.

    `Train`, `videos_train` and `val_256` tell theirs with nothing of note beside it. Of `kinetics_train` the rest is
    `kinetics`: it may be a class of trains.
    """
    tidy = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", _tidy(name)).lower()
    if exact := SPLITS.get(re.sub(r"[\s_]+", "-", tidy)):
        return exact, ""
    words = re.findall(r"[^\W\d_]+", tidy)
    splits = [SPLITS[word] for word in words if word in SPLITS]
    if len(splits) != 1:
        return "", tidy
    return splits[0], " ".join(word for word in words if word not in SPLITS and word not in _NEUTRAL)
