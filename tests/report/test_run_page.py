"""The page of a run: numbers of the results, videos that play, sound HTML that loads nothing, what was skipped."""

import base64
import csv
import html
import io
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import av
import numpy as np
import pytest
import torch
from PIL import Image
from toy import CLASSES, toy_recipe, write_toy_dataset

from integralaction.cli.main import run as cli
from integralaction.data.index import Index, read_index, write_index
from integralaction.data.poses import PoseStore
from integralaction.data.video import write_video
from integralaction.figures.curves import curves_figure, read_log
from integralaction.figures.style import save_figure
from integralaction.report.gallery import HEIGHT, make_preview
from integralaction.report.results import answer_sentences, read_results
from integralaction.report.run import page_path, write_report
from integralaction.reproduce.page import write_reproduction_page
from integralaction.reproduce.table_files import write_table
from integralaction.tables import Cell, Column, Row, Table
from integralaction.testing.audit import audit, write_audit
from integralaction.testing.evaluate import evaluate
from integralaction.training.run import Run, open_run
from integralaction.training.stages import train
from tests.toy import with_values

CPU = torch.device("cpu")
ODD = ("<b>down</b> & out", 'the "right" one', r"=$\frac{$ [red]")
VOID = {"br", "img", "link", "meta"}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A tested run on classes whose names HTML must escape, one training video of which cannot be read."""
    root = tmp_path_factory.mktemp("report")
    index = write_toy_dataset(root / "data")
    videos = tuple(replace(video, label=ODD[CLASSES.index(video.label)]) for video in index.videos)
    index = replace(index, classes=ODD, videos=videos)
    write_index(index)
    index.path(videos[0]).write_bytes(b"no video")
    train(with_values(toy_recipe(), max_failed=0.5), root / "data", root / "run", "cpu")
    run = open_run(root / "run")
    evaluate(run, index, (), CPU)
    write_audit(audit(run, index, (), CPU), run.root / "results", index.name)
    return run


@pytest.fixture(scope="module")
def index(run: Run) -> Index:
    return read_index(run.data)


@pytest.fixture(scope="module")
def page(run: Run, index: Index) -> str:
    return write_report(run, index, (), run.root / "report.html").read_text(encoding="utf-8")


class CheckedPage(HTMLParser):
    """Fails on an end tag that nothing opened; collects tags, ids, sources and links."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.sources: list[str] = []
        self.ids: list[str] = []
        self.targets: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = dict(attrs)
        assert len(attributes) == len(attrs), f"an attribute twice in {tag}"
        self.tags.append(tag)
        if tag not in VOID:
            self.open.append(tag)
        if tag == "img":
            assert attributes["alt"]
        self.ids += [attributes["id"] or ""] if "id" in attributes else []
        target = attributes.get("href") or ""
        if tag == "a" and target.startswith("#"):
            self.targets.append(target[1:])
        elif tag != "a" and target:
            self.sources.append(target)
        self.sources += [attributes["src"] or ""] if "src" in attributes else []

    def handle_endtag(self, tag: str) -> None:
        assert self.open, f"</{tag}> closes nothing"
        assert self.open.pop() == tag


def parse_page(text: str) -> CheckedPage:
    page = CheckedPage()
    page.feed(text)
    page.close()
    assert not page.open
    return page


def uris(text: str, kind: str) -> Iterator[bytes]:
    for data in re.findall(rf'src="data:{kind};base64,([^"]*)"', text):
        yield base64.b64decode(data, validate=True)


def section(text: str, anchor: str) -> str:
    match = re.search(rf'<section id="{anchor}">.*?</section>', text, re.DOTALL)
    assert match, anchor
    return match[0]


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_it_is_sound_html_that_loads_nothing(page: str) -> None:
    parser = parse_page(page)
    assert {"html", "title", "h1", "table", "img", "video"} <= set(parser.tags) and "script" not in parser.tags
    assert all(source.startswith("data:") for source in parser.sources)
    assert "@import" not in page and "url(" not in page
    assert parser.targets and set(parser.targets) == set(parser.ids) and len(set(parser.ids)) == len(parser.ids)
    order = ["results", "comparisons", "gates", "figures", "training", "audit", "gallery", "classes", "settings"]
    assert parser.ids == [*order, "skipped"]


def test_it_holds_the_numbers_of_the_results(page: str, run: Run) -> None:
    results = section(page, "results")
    for row in rows(run.root / "results/toy.csv"):
        top1, low, high = (100 * float(row[name]) for name in ("top1", "low", "high"))
        assert f">{top1:.1f} [{low:.1f}, {high:.1f}]<" in results
        if row["gate"]:
            assert f">{float(row['gate']):.2f}<" in results
    text = (run.root / "results/toy.md").read_text().replace("\\", "")
    lines = [line for line in text.splitlines() if line.startswith("- ")]
    for line in lines:
        assert f"<li>{line.removeprefix('- ')}</li>" in section(page, "comparisons")
    assert len(lines) == 8
    for row in rows(run.root / "results/toy-audit.csv"):
        low, share, high = (100 * float(row[name]) for name in ("low", "share", "high"))
        assert f"{share:.1f} [{low:.1f}, {high:.1f}]" in section(page, "audit")
    classes = rows(run.root / "results/toy-classes.csv")
    for name in ODD:
        own = [row for row in classes if row["class"].removeprefix("'") == name]
        cells = "".join(
            f'<td class="number" data-label="{row["method"]}">{100 * float(row["top1"]):.0f}</td>' for row in own[::2]
        )
        assert f'<th scope="row">{html.escape(name)}</th>{cells}</tr>' in section(page, "classes")
    gates = [float(row["gate"]) for row in classes if row["gate"]]
    assert len(gates) == 6 and all(f"</span>{gate:.2f}</td>" in section(page, "gates") for gate in gates)


def test_class_names_are_escaped(page: str) -> None:
    assert "<b>" not in page and page.count("&lt;b&gt;down&lt;/b&gt; &amp; out") > 3
    assert "the &quot;right&quot; one" in section(page, "gates")


def test_videos_and_pictures_can_be_decoded(page: str) -> None:
    videos, pictures = list(uris(page, "video/mp4")), list(uris(page, "image/png"))
    assert videos and len(videos) == page.count("<video controls loop muted playsinline") and len(pictures) == 4
    for data in videos:
        with av.open(io.BytesIO(data)) as container:
            stream = container.streams.video[0]
            assert (stream.codec_context.name, stream.codec_context.pix_fmt) == ("h264", "yuv420p")
            frames = list(container.decode(stream))
            assert len(frames) == 12 and frames[0].height == HEIGHT and float(stream.average_rate or 0) == 10
    for data in pictures:
        Image.open(io.BytesIO(data)).verify()


def test_what_was_skipped_is_said(page: str, run: Run, index: Index, tmp_path: Path) -> None:
    skipped = section(page, "skipped")
    unread = index.videos[0].video
    assert (
        "Training of appearance-only: videos that could not be read: 1." in skipped
        and f"appearance-only, {unread}: " in skipped
    )
    assert "appearance-gate, both-gate" in skipped and "Person or scene" not in skipped
    shutil.copytree(run.root, tmp_path / "run")
    part = replace(run, root=tmp_path / "run")
    shutil.rmtree(part.root / "predictions/toy/in-context")
    part.model_path("gate-free").unlink()
    next((part.root / "results").glob("*-audit.csv")).unlink()
    index_elsewhere = replace(index, video_root=str(tmp_path))
    less = write_report(part, index_elsewhere, (), tmp_path / "less.html").read_text(encoding="utf-8")
    parse_page(less)
    skipped = html.unescape(section(less, "skipped"))
    assert f"Split in-context: not tested; `integralaction evaluate {part.root} --split in-context` does it." in skipped
    assert "Method gate-free: not trained." in skipped and f"`integralaction audit {part.root}` does it." in skipped
    assert f"Preview of {index.videos[-1].video}: Expected a video or a folder of images at" in skipped
    assert "no preview" in less and "<video" not in less and 'id="audit"' not in less
    (part.root / "predictions/toy/out-of-context/integral.safetensors").unlink()
    without = write_report(part, index, (), tmp_path / "less.html", previews=0).read_text(encoding="utf-8")
    assert "out-of-context, integral: not tested" in without and "Gallery: no previews were asked for." in without
    assert not (tmp_path / "less.html.part").exists()


def test_pages_of_other_splits_have_names_of_their_own(run: Run, index: Index, page: str) -> None:
    """And what is no page of ours is not replaced."""
    part = write_report(run, index, ("in-context",), previews=0)
    assert part == run.root / "report-in-context.html" and page_path(run, index, ()) == run.root / "report.html"
    assert page_path(run, replace(index, root=run.root / "more"), ()).name == f"report-{index.name}-in-more.html"
    assert "out-of-context (3 videos)" in page
    assert "out-of-context (3 videos)" not in part.read_text(encoding="utf-8")
    part.write_text("<p>my notes</p>")
    with pytest.raises(ValueError, match=r"Expected no file at .*report-in-context\.html but an earlier page"):
        write_report(run, index, ("in-context",), previews=0)
    assert part.read_text() == "<p>my notes</p>"
    part.unlink()


def test_the_answer_is_said_of_each_split(run: Run, index: Index, page: str) -> None:
    results = read_results(run, index, ())
    gate = r"The mean gate of integral is 0\.\d\d \(in-context\), 0\.\d\d \(out-of-context\): 0 keeps to the pose"
    assert re.search(r"In context: [^.]+ \d+\.\d.%", page) and re.search(gate, page)
    same = {m: replace(results.predictions["integral"], method=m) for m in results.predictions}
    equal = answer_sentences(replace(results, predictions=same))
    assert equal[0].startswith(f"In context: all {len(same)} methods have ")


def test_few_videos_are_said(page: str) -> None:
    assert "Too few videos to rely on: in-context (3), out-of-context (3)." in page


def test_what_is_refused(run: Run, index: Index, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"found none\. Make them with `integralaction evaluate "):
        write_report(run, index, ("train",), tmp_path / "report.html")
    with pytest.raises(ValueError, match="Expected a split of"):
        write_report(run, index, ("nowhere",), tmp_path / "report.html")
    with pytest.raises(ValueError, match="is a folder"):
        write_report(run, index, (), tmp_path)
    with pytest.raises(ValueError, match="previews of at least 0; found -1"):
        write_report(run, index, (), tmp_path / "report.html", previews=-1)
    with pytest.raises(ValueError, match="`integralaction reproduce`"):
        write_reproduction_page(tmp_path, tmp_path / "report.html")
    assert not list(tmp_path.iterdir())


def test_one_stream_alone(run: Run, index: Index, tmp_path: Path) -> None:
    train(with_values(toy_recipe(), methods=("pose-only",), max_failed=0.5), index.root, tmp_path / "run", "cpu")
    alone = open_run(tmp_path / "run")
    evaluate(alone, index, ("out-of-context",), CPU)
    page = write_report(alone, index, ("out-of-context",), tmp_path / "report.html").read_text(encoding="utf-8")
    parser = parse_page(page)
    assert not {"comparisons", "gates"} & set(parser.ids) and {"figures", "training"} <= set(parser.ids)
    skipped = section(page, "skipped")
    assert "no method of this run has a gate" in skipped and "needs integral, appearance-only and pose-only" in skipped
    assert "answers of integral, appearance-only, which this run did not test" in skipped


def test_a_preview_is_the_middle_with_poses(index: Index, tmp_path: Path) -> None:
    frames = np.zeros((200, 40, 80, 3), np.uint8)
    frames[60:140] = 120  # the middle four seconds at 20 frames a second
    write_video(tmp_path / "long.mp4", frames, 20)
    video = replace(index.videos[0], video="long.mp4", frames=200, fps=20.0, height=40, width=80)
    data = make_preview(replace(index, video_root=str(tmp_path)), PoseStore.of(index.root), video)
    with av.open(io.BytesIO(data)) as container:
        preview = np.stack([frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)])
    assert preview.shape == (80, HEIGHT, 2 * HEIGHT, 3)
    assert (abs(preview.astype(int) - 120) < 8).all()  # nobody was found
    with av.open(io.BytesIO(make_preview(index, PoseStore.of(index.root), index.videos[-1]))) as container:
        first = next(container.decode(video=0)).to_ndarray(format="rgb24")
    assert first.max() > 230  # bones and joints; no pixel of the video is above 180


def test_curves(run: Run, tmp_path: Path) -> None:
    logs = {m: read_log(run.stage_path(m) / "log.csv") for m in (*run.recipe.streams, *run.recipe.integrations)}
    figure = curves_figure(logs)
    loss, top1, gate = figure.axes
    for line, log in zip(loss.get_lines(), logs.values(), strict=True):
        np.testing.assert_allclose(line.get_ydata(), [row["classification"] for row in log])
    for line, log in zip(top1.get_lines(), logs.values(), strict=True):
        np.testing.assert_allclose(line.get_ydata(), [100 * row["top1"] for row in log])
    np.testing.assert_allclose(gate.get_lines()[0].get_ydata(), [row["gate"] for row in logs["integral"]])
    assert len(curves_figure({"pose-only": logs["pose-only"]}).axes) == 2
    (tmp_path / "log.csv").write_text("epoch,classification,top1\n1,much,0.5\n")
    with pytest.raises(ValueError, match="Expected numbers in every row"):
        read_log(tmp_path / "log.csv")
    (tmp_path / "log.csv").write_text("epoch\n1\n")
    with pytest.raises(ValueError, match=r"found \['epoch'\]"):
        read_log(tmp_path / "log.csv")
    with pytest.raises(FileNotFoundError, match="train the stage"):
        read_log(tmp_path / "none.csv")
    with pytest.raises(ValueError, match="at least one stage"):
        curves_figure({})


def test_a_reproduction(run: Run, tmp_path: Path) -> None:
    rows = [Row("integral", (Cell(71.94444), Cell(text="70.1"))), Row("a & b", (Cell(float("nan")), Cell(5.0)))]
    for name in ("table10", "table4"):
        columns = (Column("top-1", "here"), Column("", "paper"))
        write_table(Table(name, "A title", "method", columns, tuple(rows)), tmp_path / "tables")
    log = read_log(run.stage_path("integral") / "log.csv")
    save_figure(curves_figure({"integral": log}), tmp_path / "figures" / "figure4")
    verdicts = (Row("Table 4: the gate helps", (Cell(text="+2.1 [+0.4, +4.6]"), Cell(text="holds"))),)
    claims = Table("claims", "A title", "claim", (Column("", "difference"), Column("", "verdict")), verdicts)
    write_table(claims, tmp_path / "tables")
    (tmp_path / "claims.csv").write_text(
        "claim,where,asked,difference,low,high,seeds,verdict\nthe gate helps,Table 4,0,0.021,0.004,0.046,3,holds\n"
    )
    (tmp_path / "skipped.csv").write_text("item,reason\nfigure11,no video of <that> kind\n")
    (tmp_path / "reproduction.yaml").write_text("seeds: 3\n")
    assert cli(["report", str(tmp_path)]) == 0
    text = (tmp_path / "report.html").read_text(encoding="utf-8")
    parser = parse_page(text)
    assert parser.ids == ["claims", "table4", "table10", "figure4", "settings", "skipped"]
    assert "Of 1 claims of the paper, 1 holds, 0 do not hold, 0 are undecided." in text
    assert "+2.1 [+0.4, +4.6]" in section(text, "claims") and "seeds: 3" in text
    assert "Table 4: Methods of integration" in text and ">71.9<" in section(text, "table4")
    assert ">70.1<" in text and "a &amp; b" in text
    assert "figure11: no video of &lt;that&gt; kind" in text and len(list(uris(text, "image/png"))) == 1


COUNT = """<script>setInterval(() => {
  const videos = [...document.querySelectorAll("video")], pictures = [...document.images];
  const ready = videos.filter(v => v.readyState >= 2).length, shown = pictures.filter(p => p.naturalWidth > 0).length;
  document.title = `${ready} of ${videos.length} videos, ${shown} of ${pictures.length} pictures`;
}, 100)</script>"""


def test_a_browser_shows_it(page: str, tmp_path: Path) -> None:
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("needs the browser chromium on PATH, which is not there")
    path = tmp_path / "page.html"
    path.write_text(page + COUNT, encoding="utf-8")
    options = "headless no-sandbox disable-gpu disable-quic no-first-run disable-background-networking "
    options += (
        f"disable-component-update disable-sync virtual-time-budget=5000 user-data-dir={tmp_path}/browser dump-dom"
    )
    command = [chromium, *(f"--{option}" for option in options.split()), path.as_uri()]
    document = subprocess.run(command, capture_output=True, text=True, timeout=300, check=True).stdout
    videos, pictures = page.count("<video "), page.count("<img ")
    assert f"<title>{videos} of {videos} videos, {pictures} of {pictures} pictures</title>" in document
