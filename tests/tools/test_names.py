"""Names say what a thing is: few are bare participles, and the counting itself is right."""

from pathlib import Path

from tools.names import SOURCE, participles_per_thousand, read_names, report

# in a thousand names
LIMIT = 5


def test_few_names_are_bare_participles() -> None:
    files = [read_names(path) for path in sorted(SOURCE.rglob("*.py"))]
    assert participles_per_thousand(files) <= LIMIT, (
        f"Expected at most {LIMIT} in a thousand. Name these for what they are (poses, rows, message): {report(files)}"
    )


def test_each_scope_binds_a_name_once(tmp_path: Path) -> None:
    (tmp_path / "code.py").write_text(
        "found = 1\nfound = 2\nfound_joints = [kept for kept in ()]\n\n"
        "def told(self, seen, right):\n    left = right\n    self._made = lambda known: known\n\n"
        "class Person:\n    left: int\n    found: int\n"
    )
    file = read_names(tmp_path / "code.py")
    assert file.participles == (
        *((1, "found"), (3, "kept"), (5, "seen"), (5, "told"), (7, "_made"), (7, "known")),
        *((10, "left"), (11, "found")),
    )
    # found zero_missing_joints kept told Person; seen right left _made; known; left found
    assert file.names == 12 and participles_per_thousand([file]) == 1000 * 8 / 12
