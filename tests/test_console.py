"""What is printed beside results."""

import io
import time

from rich.table import Table

from integralaction import console
from integralaction.console import Tables, one_line, printable, progress, track


def test_names_cannot_act_on_a_terminal():
    assert printable("a\x1b[2Jb\x9b0m\r\u202ec\ud800") == "a\\x1b[2Jb\\x9b0m\\r\\u202ec\\ud800"
    assert printable("a ü 走\u3000x\n") == "a ü 走\u3000x\n"
    assert one_line(ValueError("a\n  b")) == "a b" and one_line(KeyboardInterrupt()) == "KeyboardInterrupt"


def test_progress_is_told_where_nobody_looks(monkeypatch, capsys):
    monkeypatch.setattr(console, "EVERY", 0.05)
    with progress("rendering", 10, 4) as advance:
        advance(2)
        time.sleep(0.3)
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) >= 2 and lines[0].startswith("rendering: 6 of 10 after 0 s, about ")
    assert list(track("abc", "reading", None)) == ["a", "b", "c"]


def test_words_in_tables_are_neither_markup_nor_escapes():
    table = Table("class [red]in", title="[bold]a\x1b[2J")
    table.add_row(":smile: [green]\x1b]0;title\x07")
    console = Tables(file=io.StringIO(), width=60, force_terminal=True)
    console.print(table)
    console.print("[red]split")
    text = console.file.getvalue()
    for word in ("class [red]in", "[bold]a\\x1b[2J", ":smile: [green]\\x1b]0;title\\x07", "[red]split"):
        assert word in text
    assert "\x1b[2J" not in text and "\x1b]0" not in text
