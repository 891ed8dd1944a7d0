"""Files are whole or not there."""

import os
import stat
import subprocess
import sys

import pytest

from integralaction.files import write_rows, write_text, write_whole


def test_an_error_leaves_the_old_file_and_nothing_beside_it(tmp_path):
    path = tmp_path / "new" / "x.csv"
    write_text(path, "old\n")
    with pytest.raises(KeyError), write_whole(path) as aside:
        aside.write_text("half")
        raise KeyError
    assert path.read_text() == "old\n" and list(path.parent.iterdir()) == [path]


def test_names_that_differ_by_their_ending_have_paths_of_their_own(tmp_path):
    with write_whole(tmp_path / "x.csv") as one, write_whole(tmp_path / "x.yaml") as other:
        assert one != other
        one.write_text("1")
        other.write_text("2")
    assert (tmp_path / "x.csv").read_text() == "1" and (tmp_path / "x.yaml").read_text() == "2"


def test_it_is_flushed_before_it_is_renamed(tmp_path, monkeypatch):
    done = []
    flush, rename = os.fsync, os.replace
    monkeypatch.setattr(os, "fsync", lambda handle: done.append("flush") or flush(handle))
    monkeypatch.setattr(os, "replace", lambda *a, **k: done.append("rename") or rename(*a, **k))
    write_rows(tmp_path / "x.csv", [("a", 1)])
    assert done == ["flush", "rename", "flush"]  # the file, its name, the folder


@pytest.mark.skipif(os.name == "nt", reason="needs modes")
def test_the_mode_is_what_umask_gives(tmp_path):
    # a process of its own: a test that sets umask would do so for all
    code = f"""
import os
os.umask(0o027)
import numpy as np
from pathlib import Path
from safetensors.numpy import save_file
from integralaction.files import write_whole
with write_whole(Path({str(tmp_path / "x.safetensors")!r})) as aside:
    save_file({{"x": np.zeros(1)}}, aside)
"""
    subprocess.run([sys.executable, "-c", code], check=True)
    assert stat.S_IMODE((tmp_path / "x.safetensors").stat().st_mode) == 0o640
