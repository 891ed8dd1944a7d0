"""Models as the hub keeps them: a local folder, and a server that speaks as the hub does."""

import json
import os
import re
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import torch

from integralaction.checkpoints import hub
from integralaction.model.network import IntegralAction
from integralaction.models import load_model
from integralaction.settings import to_dict
from tests.toy import toy_model, with_values

CONFIG = toy_model(classes=("a", "b"), channels=8, frames=2)


def test_a_folder_goes_there_and_back(tmp_path: Path) -> None:
    model = IntegralAction(CONFIG).eval()
    for name in ("one", "two"):
        hub.save_pretrained(model, tmp_path / name)
    names = {"model.safetensors", "config.json", "README.md"}
    assert {path.name for path in (tmp_path / "one").iterdir()} == names
    assert all((tmp_path / "one" / n).read_bytes() == (tmp_path / "two" / n).read_bytes() for n in names)
    assert json.loads((tmp_path / "one" / "config.json").read_text()) == to_dict(CONFIG)
    frames, joints = torch.rand(1, 2, 3, 32, 32), torch.rand(1, 2, 1, 18, 3) * torch.tensor([32, 32, 1])
    probabilities = model(frames, joints).probabilities
    for loaded in (hub.from_pretrained(tmp_path / "one"), load_model(tmp_path / "one")):
        assert torch.equal(loaded(frames, joints).probabilities, probabilities)


def test_the_card_names_the_model_as_it_is_loaded(tmp_path: Path) -> None:
    hub.save_pretrained(IntegralAction(CONFIG), tmp_path, "me/tiny")
    names = re.findall(r'load_model\("(.*?)"\)', (tmp_path / "README.md").read_text())
    assert names == ["hf:me/tiny"] and hub.is_hub_id(names[0])


def test_a_card_that_is_there_stays(tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text("mine")
    hub.save_pretrained(IntegralAction(CONFIG), tmp_path)
    assert (tmp_path / "README.md").read_text() == "mine"


def test_push_uploads_the_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import shutil

    class LocalHub:
        def __init__(self, token: str | None) -> None:
            assert token == "secret"

        def create_repo(self, repo_id: str, **options: Any) -> None:
            assert options == {"private": True, "exist_ok": True}
            (tmp_path / repo_id).mkdir(parents=True, exist_ok=True)

        def file_exists(self, repo_id: str, name: str) -> bool:
            return (tmp_path / repo_id / name).exists()

        def upload_folder(self, repo_id: str, folder_path: str) -> str:
            shutil.copytree(folder_path, tmp_path / repo_id, dirs_exist_ok=True)
            return f"https://hub/{repo_id}"

    monkeypatch.setattr("huggingface_hub.HfApi", LocalHub)
    model = IntegralAction(CONFIG).eval()
    assert hub.push_to_hub(model, "me/tiny", private=True, token="secret") == "https://hub/me/tiny"
    assert hub.from_pretrained(tmp_path / "me/tiny").config == CONFIG
    card = tmp_path / "me/tiny/README.md"
    assert 'load_model("hf:me/tiny")' in card.read_text()
    card.write_text("a better one")
    hub.push_to_hub(model, "me/tiny", private=True, token="secret")
    assert card.read_text() == "a better one"
    with pytest.raises(ValueError, match="Expected the id of a model as OWNER/NAME"):
        hub.push_to_hub(model, "tiny")


@pytest.fixture
def server(tmp_path: Path) -> Any:
    """A hub with one model, me/tiny."""
    hub.save_pretrained(IntegralAction(CONFIG), tmp_path / "me/tiny")
    content = (tmp_path / "me/tiny/model.safetensors").read_bytes()

    requests: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def answer(self) -> None:
            requests.append(self.path)
            is_model = self.path in {f"/me/tiny/resolve/{name}/model.safetensors" for name in ("main", "v1", "a" * 40)}
            self.send_response(200 if is_model else 404)
            if is_model:
                self.send_header("ETag", '"0123"')
                self.send_header("X-Repo-Commit", "a" * 40)
            else:
                self.send_header("X-Error-Code", "RepoNotFound")
            self.send_header("Content-Length", str(len(content) if is_model else 0))
            self.end_headers()
            if is_model and self.command == "GET":
                self.wfile.write(content)

        do_GET = do_HEAD = answer

        def log_message(self, *_: Any) -> None:
            pass

    serving = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=serving.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{serving.server_port}", requests
    serving.shutdown()
    serving.server_close()


def test_a_hub_id_is_downloaded(tmp_path: Path, server: tuple[str, list[str]]) -> None:
    """One file alone, of the revision that is asked for; without one it is said which was the newest."""
    address, requests = server
    environment = {**os.environ, "HF_ENDPOINT": address, "HF_HOME": str(tmp_path / "cache"), "NO_PROXY": "127.0.0.1"}
    code = """
import sys
from integralaction import load_model
from integralaction.checkpoints.hub import pin_revision
for name in sys.argv[1:]:
    try:
        print(load_model(name).config.classes, pin_revision(name))
    except ConnectionError as error:
        print(error)
"""
    names = ["hf:me/tiny", "me/tiny@v1", "hf:me/other", "me/tiny@v2"]
    command = [sys.executable, "-c", code, *names]
    process = subprocess.run(command, env=environment, cwd=tmp_path / "me", capture_output=True, text=True)
    newest, first, lost, unknown = process.stdout.strip().splitlines()
    assert newest == f"('a', 'b') hf:me/tiny@{'a' * 40}", process.stderr
    assert first == "('a', 'b') me/tiny@v1"
    assert "Expected the model hf:me/other of the hub" in lost
    assert "Expected the model me/tiny@v2 of the hub" in unknown
    assert f"me/tiny@{'a' * 40} names it for good" in process.stderr and "me/tiny@v1@" not in process.stderr
    assert all(path.endswith("/model.safetensors") for path in requests), requests


def test_a_hub_out_of_reach_is_tried_once(tmp_path: Path, server: tuple[str, list[str]]) -> None:
    """Without a network the answer is one sentence, or the model that was fetched before."""
    code = """
import sys
from integralaction import load_model
for name in sys.argv[1:]:
    try:
        print(load_model(name).config.classes)
    except ConnectionError as error:
        print(error)
"""
    environment = {**os.environ, "HF_HOME": str(tmp_path / "cache"), "NO_PROXY": "127.0.0.1"}
    addresses = {"there": server[0], "gone": "http://127.0.0.1:9"}
    processes = {
        state: subprocess.run(
            [sys.executable, "-c", code, "hf:me/tiny", "me/tiny@" + "a" * 40, "hf:me/other"],
            env={**environment, "HF_ENDPOINT": address},
            cwd=tmp_path / "me",
            capture_output=True,
            text=True,
        )
        for state, address in addresses.items()
    }
    for state, process in processes.items():
        assert process.stdout.startswith("('a', 'b')\n('a', 'b')\nExpected the model hf:me/other of the hub"), (
            state,
            process.stderr,
        )
        assert "Retry" not in process.stderr and len(process.stdout.splitlines()) == 3
    assert len([path for path in server[1] if "me/other" in path]) == 1


def test_what_is_an_id() -> None:
    good = ("hf:me/tiny", "me/tiny@main", "me/tiny@v1.0", "me/tiny@refs/pr/1", "a-b/c.d_e@" + "f" * 40)
    bad = (
        "me/tiny",
        "runs/x",
        "tiny",
        "me/tiny@",
        "me/tiny@a b",
        "a/b/c",
        "me/tiny@a@b",
        "../x",
        "me/x.pth",
        "me/tiny@../x.pth",
        "/me/tiny",
        "",
    )
    assert all(map(hub.is_hub_id, good)) and not any(map(hub.is_hub_id, bad))


def test_a_mistyped_run_is_not_asked_of_the_hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from integralaction import load_model

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(hub, "_library", lambda purpose: pytest.fail("it was asked"))
    for has_folder in (False, True):
        if has_folder:
            (tmp_path / "runs").mkdir()
        with pytest.raises(FileNotFoundError, match="or hf:OWNER/NAME, a model of the hub; runs/x is not there"):
            load_model("runs/x")
    assert hub.is_hub_id("hf:runs/x") and not hub.is_hub_id("runs/x@2")
    with pytest.raises(ValueError, match=r"hf:OWNER/NAME@REVISION; found 'hf:x'"):
        load_model("hf:x")


def test_a_run_keeps_the_revision_that_it_started_from(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run that goes on does not ask the hub again, whose newest revision may be another by then."""
    from integralaction.recipe import Recipe
    from integralaction.training import warm_start
    from integralaction.training.run import Run
    from integralaction.training.run_start import start_run

    monkeypatch.setattr(warm_start, "pin_revision", lambda name: f"{name}@newest")
    assert warm_start.permanent_name("hf:me/tiny", tmp_path / "run") == "hf:me/tiny@newest"
    start_run(Run(tmp_path / "run", with_values(Recipe(), init="me/tiny@first"), tmp_path / "data"))
    assert warm_start.permanent_name("hf:me/tiny", tmp_path / "run") == "me/tiny@first"
    assert warm_start.permanent_name("hf:me/other", tmp_path / "run") == "hf:me/other@newest"
