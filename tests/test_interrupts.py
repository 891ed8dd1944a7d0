"""Ctrl-C and SIGTERM in real processes: one line, the status that a shell expects, no traceback of anybody."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from integralaction.cli import main as cli
from integralaction.cli.main import run

ITSELF = "import os, signal\nos.kill(os.getpid(), signal.{})\n"
WATCH = "from integralaction.interrupts import watch\nwatch(['train', 'kinetics50'])\n"


def finished(script: str, folder: Path) -> subprocess.CompletedProcess[str]:
    (folder / "script.py").write_text(script)
    return subprocess.run(
        [sys.executable, str(folder / "script.py")], capture_output=True, text=True, check=False, cwd=folder
    )


@pytest.mark.parametrize(("name", "status"), [("SIGINT", 130), ("SIGTERM", 143)])
def test_while_a_module_is_imported(tmp_path: Path, name: str, status: int) -> None:
    (tmp_path / "slow.py").write_text(ITSELF.format(name) + "print('not reached')\n")
    script = f"{WATCH}try:\n    import slow\nexcept BaseException:\n    print('half an import')\n"
    done = finished(script, tmp_path)
    assert (done.returncode, done.stdout) == (status, "")
    assert done.stderr == "integralaction: Stopped; the same command continues where it was.\n"


def test_in_the_midst_of_work_it_can_be_cleaned_up(tmp_path: Path) -> None:
    work = "try:\n    os.kill(os.getpid(), signal.SIGTERM)\nfinally:\n    print('cleaned up')\n"
    end = (
        f"import os, signal\ntry:\n    exec({work!r})\nexcept KeyboardInterrupt:\n    raise SystemExit(stop_status())\n"
    )
    done = finished(f"{WATCH}from integralaction.interrupts import stop_status\n{end}", tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (143, "cleaned up\n", "")


def test_where_it_cannot_be_raised(tmp_path: Path) -> None:
    """In a destructor Python would print a traceback and go on."""
    script = f"{WATCH}class A:\n    def __del__(self):\n        os.kill(os.getpid(), signal.SIGINT)\n        pass\n"
    done = finished(f"import os, signal\n{script}A()\nprint('went on')\n", tmp_path)
    assert (done.returncode, done.stdout) == (130, "") and "Traceback" not in done.stderr


def test_processes_that_work_for_it_end_without_a_word(tmp_path: Path) -> None:
    """Ctrl-C goes to all processes of a terminal; a pool would wait for all that it was given."""
    (tmp_path / "pool.py").write_text(
        "import multiprocessing, sys, time\n"
        "from concurrent.futures import ProcessPoolExecutor\n"
        "from integralaction.interrupts import end_children_on_interrupt, hide_interrupts_from_children, watch\n"
        "if __name__ == '__main__':\n"
        "    watch(['pose'])\n"
        "    try:\n"
        "        context = multiprocessing.get_context('spawn')\n"
        "        with ProcessPoolExecutor(2, context) as pool, end_children_on_interrupt():\n"
        "            with hide_interrupts_from_children():\n"
        "                begun = pool.submit(abs, -1)\n"
        "                waiting = [pool.submit(time.sleep, 600) for _ in range(4)]\n"
        "            begun.result()\n"
        "            print('working', flush=True)\n"
        "            waiting[0].result()\n"
        "    except KeyboardInterrupt:\n"
        "        sys.exit(130)\n"
    )
    command = [sys.executable, str(tmp_path / "pool.py")]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True, start_new_session=True) as process:
        assert process.stdout is not None and process.stdout.readline() == "working\n"
        os.killpg(process.pid, signal.SIGINT)
        _, errors = process.communicate(timeout=60)
    assert (process.returncode, errors) == (130, "")


@pytest.mark.parametrize(("command", "can_be_continued"), [("mime", True), ("predict", False)])
def test_what_is_said(
    command: str, can_be_continued: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    def stop(arguments: list[str]) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr(cli, "app", stop)
    assert run([command, "x"]) == 130
    assert ("the same command continues" in capsys.readouterr().err) == can_be_continued


def test_a_reader_that_has_seen_enough_is_no_error(tmp_path: Path) -> None:
    """`| head -1`, a closed standard output, a terminal that knows ASCII alone: no traceback."""
    main = "import sys\nfrom integralaction import __main__\nfrom integralaction.cli import main as cli\n"
    main += "sys.argv = ['integralaction', 'data', 'x']\n"
    many = "cli.app = lambda arguments: [print('± a line', flush=True) for _ in range(10000)] and 0\n__main__.main()\n"
    command = [sys.executable, "-c", main + many]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True) as process:
        assert process.stdout is not None and process.stderr is not None
        process.stdout.readline()
        process.stdout.close()
        assert process.stderr.read() == ""
    assert process.returncode == 1
    closed = subprocess.run(["sh", "-c", 'exec "$@" >&-', "sh", *command], capture_output=True, text=True, check=False)
    assert (closed.returncode, closed.stderr) == (0, "")
    ascii_alone = {**os.environ, "PYTHONIOENCODING": "ascii"}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=ascii_alone)
    assert done.returncode == 0 and done.stdout.startswith("\\xb1 a line\n")
