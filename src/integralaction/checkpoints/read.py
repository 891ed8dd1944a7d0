"""Other people's checkpoints, translated at the door.

file -> tensors -> whose keys these are -> our settings and a rule for each key -> a model that gives the same
numbers
"""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from torch import Tensor

from integralaction.checkpoints.hints import CheckpointHints
from integralaction.checkpoints.mapping import CheckpointFormat, ConvertedCheckpoint, apply_rules, has_prefix
from integralaction.checkpoints.released import RELEASED
from integralaction.checkpoints.resnet import RESNET
from integralaction.checkpoints.tensors import read_tensors
from integralaction.checkpoints.tsm import TSM_MIT, TSM_MMACTION2
from integralaction.errors import Refused

FORMATS = (RELEASED, TSM_MIT, TSM_MMACTION2, RESNET)  # the first that has the keys of a file reads it


def read_checkpoint(path: Path, hints: CheckpointHints) -> ConvertedCheckpoint:
    """A model from another project's checkpoint.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is of no format that is known, it holds more than tensors, its tensors are not all those of its
            network (every wrong one is named), or they contradict the hints.
    """
    tensors, notes = read_tensors(path)
    form = _format_of(tensors, path)
    translation = form.translate(tensors, hints, path)
    translation = replace(translation, notes=translation.notes + notes)
    return apply_rules(tensors, translation, form.name, path)


def recognise_format(path: Path) -> CheckpointFormat:
    """Whose checkpoint a file is.

    Raises:
        FileNotFoundError, ValueError: as `read_checkpoint` does for a file that is none.
    """
    return _format_of(read_tensors(path)[0], path)


def _format_of(tensors: Mapping[str, Tensor], path: Path) -> CheckpointFormat:
    for form in FORMATS:
        if form.has_keys(tensors):
            return form
    formats = ", ".join(f"a {form.name} ({form.marks})" for form in FORMATS)
    hint = " (some keys begin with module., others do not)" if has_prefix(tensors, "module.") else ""
    raise Refused(
        f"Expected the keys of one of these in {path}: {formats}; found {', '.join(list(tensors)[:5])}, ...{hint}"
    )
