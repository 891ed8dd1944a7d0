"""Our models as the Hugging Face Hub keeps them: a folder with `model.safetensors`, `config.json` and `README.md`."""

import json
import os
import re
from pathlib import Path
from typing import Any

from integralaction.checkpoints.model_file import load, save
from integralaction.console import say
from integralaction.downloads import CONNECT
from integralaction.errors import MissingExtra, Refused
from integralaction.files import write_text
from integralaction.model.network import IntegralAction
from integralaction.settings import to_dict

MODEL_FILE = "model.safetensors"
ON_HUB = "hf:"  # before an id that must not be taken for a path

_INSTALL = "Expected huggingface_hub for {}; it is not installed. Run: pip install 'integralaction[hub]'."


def save_pretrained(model: IntegralAction, folder: Path | str, repo_id: str = "OWNER/NAME") -> None:
    """Write a model as the hub keeps it. The same weights give the same bytes; a README that is there stays.

    Args:
        repo_id: the id that the README shows.
    """
    folder = Path(folder)
    save(model, folder / MODEL_FILE)
    write_text(folder / "config.json", json.dumps(to_dict(model.config), indent=2, sort_keys=True) + "\n")
    card = folder / "README.md"
    if not card.exists():
        write_text(card, _card(model, repo_id))


def from_pretrained(source: Path | str) -> IntegralAction:
    """The model of a folder that `save_pretrained` wrote, or of a hub id (OWNER/NAME), in eval mode on the CPU.

    Raises:
        FileNotFoundError: there is neither.
        ConnectionError: the hub cannot be reached, or has no such model.
        ModuleNotFoundError: a hub id without the extra `hub`.
        ValueError: the file is not a model of this project.
    """
    path = Path(source) / MODEL_FILE
    if not Path(source).exists() and _is_repository(str(source).removeprefix(ON_HUB)):
        path = download(str(source))
    return load(path)


def push_to_hub(model: IntegralAction, repo_id: str, *, private: bool = False, token: str | None = None) -> str:
    """Put a model on the hub, making the repository where it is not there.

    Returns:
        The address of the upload.

    Raises:
        ConnectionError: the hub cannot be reached or does not take it.
        ModuleNotFoundError: without the extra `hub`.
        ValueError: `repo_id` is not OWNER/NAME.
    """
    from tempfile import TemporaryDirectory

    HfApi = _library(repo_id).HfApi
    if not _is_repository(repo_id) or "@" in repo_id:
        raise Refused(f"Expected the id of a model as OWNER/NAME; found {repo_id!r}.")
    api = HfApi(token=token)
    with TemporaryDirectory() as folder:
        save_pretrained(model, folder, repo_id)
        try:
            api.create_repo(repo_id, private=private, exist_ok=True)
            if api.file_exists(repo_id, "README.md"):
                (Path(folder) / "README.md").unlink()  # somebody wrote a better one
            return str(api.upload_folder(repo_id=repo_id, folder_path=folder))
        except Exception as error:  # of the hub's library and of the one below it
            raise ConnectionError(f"Expected to upload to {repo_id}; that failed ({_one_line(error)}).") from error


def is_hub_id(name: str) -> bool:
    """Whether a name can only be that of a model on the hub: hf:OWNER/NAME, or OWNER/NAME@REVISION where there is no
    folder OWNER. Without either it is taken for a path: a mistyped folder is nobody else's business."""
    return name.startswith(ON_HUB) or ("@" in name and _is_repository(name) and not Path(name).parent.is_dir())


def _is_repository(name: str) -> bool:
    """Whether a name has the form OWNER/NAME or OWNER/NAME@REVISION, and not that of a file."""
    if name.endswith((".safetensors", ".pth", ".pt", ".tar", ".ckpt", ".bin")):
        return False
    part = r"[\w-]+(\.[\w-]+)*"
    return re.fullmatch(rf"{part}/{part}(@[\w./-]+)?", name) is not None


def pin_revision(name: str) -> str:
    """A hub id with the revision that its model has now: OWNER/NAME@COMMIT. One with a revision stays as it is.

    Raises:
        ConnectionError, ModuleNotFoundError: as `download`.
    """
    return name if "@" in name else f"{name}@{download(name).parent.name}"


def download(name: str) -> Path:
    """The model file of a hub id, downloaded once; nothing else of the repository is fetched.

    Args:
        name: OWNER/NAME, of which the newest revision is taken and said on standard error, or OWNER/NAME@REVISION,
            with or without hf: before it.

    Raises:
        ConnectionError: the hub cannot be reached, or has no such model.
        ModuleNotFoundError: without the extra `hub`.
        ValueError: it has not the form of an id.
    """
    if not _is_repository(name.removeprefix(ON_HUB)):
        raise Refused(f"Expected a model of the hub as hf:OWNER/NAME or hf:OWNER/NAME@REVISION; found {name!r}.")
    library = _library(f"the model {name}")
    repo_id, _, revision = name.removeprefix(ON_HUB).partition("@")
    try:
        path = _fetch_model(library, repo_id, revision or None)
    except Exception as error:  # of the hub's library and of the one below it
        raise ConnectionError(
            f"Expected the model {name} of the hub; it cannot be downloaded ({_one_line(error)})."
        ) from error
    if not revision:  # the file lies in a folder that is named after its commit
        say(f"{repo_id}: the newest revision; {repo_id}@{path.parent.name} names it for good.")
    return path


def _fetch_model(library: Any, repo_id: str, revision: str | None) -> Path:
    """The model file, by one try: by itself the library makes six, half a minute of warnings, where no network is."""
    cached_file = library.try_to_load_from_cache(repo_id, MODEL_FILE, revision=revision)
    if isinstance(cached_file, str) and re.fullmatch(r"[0-9a-f]{40}", revision or ""):
        return Path(cached_file)  # a commit stays what it is
    try:
        library.get_hf_file_metadata(library.hf_hub_url(repo_id, MODEL_FILE, revision=revision), timeout=CONNECT)
    except Exception:
        if not isinstance(cached_file, str):
            raise
        return Path(cached_file)
    return Path(library.hf_hub_download(repo_id, MODEL_FILE, revision=revision))


def _library(purpose: str) -> Any:
    """The hub's library, with its own reports turned off: it would send what is installed, and ask who runs it."""
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")  # read once, when it is imported
    try:
        import huggingface_hub
    except ModuleNotFoundError as error:
        raise MissingExtra(_INSTALL.format(purpose)) from error
    return huggingface_hub


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__


def _card(model: IntegralAction, repo_id: str) -> str:
    config = model.config
    names = ", ".join(config.classes[:10]) + (", ..." if len(config.classes) > 10 else "")
    return f"""---
library_name: integralaction
pipeline_tag: video-classification
---

# Human action recognition, method {config.method}

{len(config.classes)} classes: {names}. Settings: `config.json`.

```python
from integralaction import load_model, predict_video

model = load_model("hf:{repo_id}")  # or a folder
print(predict_video(model, "video.mp4").top(5))
```
"""
