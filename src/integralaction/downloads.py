"""A file from the network: tried once, checked by its SHA-256, whole or not there."""

import hashlib
import queue
import threading
import urllib.request
from pathlib import Path
from typing import Any
from urllib.error import HTTPError

from integralaction.console import progress, say
from integralaction.errors import Refused
from integralaction.files import write_whole

CONNECT = 10.0  # seconds until a server must have answered, and that it may be silent
PART = 2**20  # bytes

_failures: dict[str, str] = {}  # by address; what could not be had is not tried again


def download(address: str, path: Path, digest: str) -> None:
    """Fetch a file, with its progress on standard error.

    Args:
        path: where it goes; what is there is replaced.
        digest: how its SHA-256 in hexadecimal digits begins, or all of it.

    Raises:
        ConnectionError: it cannot be had; in one process an address is tried once.
        ValueError: it has another SHA-256.
    """
    if address in _failures:
        raise ConnectionError(_failures[address])
    say(f"downloading {address} to {path}")
    try:
        with write_whole(path) as aside:
            found = _fetch(address, aside)
            if not found.startswith(digest):
                raise Refused(
                    f"Expected the file with SHA-256 {digest[:16]}... at {address}; found {found[:16]}... Try again "
                    "later, or give a local file."
                )
    except ValueError:
        raise
    except OSError as error:  # urllib's errors are of this kind
        _failures[address] = _reason(error)
        raise ConnectionError(_failures[address]) from error


def _fetch(address: str, path: Path) -> str:
    """Write what lies at an address to a path; its SHA-256."""
    made = hashlib.sha256()
    with _opened(address) as answer, path.open("wb") as file:
        length = int(answer.headers.get("Content-Length") or 0)
        with progress(f"downloading MB of {path.stem}", length // PART or None) as advance:
            count = 0
            while part := answer.read(PART):
                file.write(part)
                made.update(part)
                count += len(part)
                advance(1)
    if length and count != length:
        raise ConnectionError(f"it broke off after {count} of {length} bytes")
    return made.hexdigest()


def _opened(address: str) -> Any:
    """The server's answer. Looking up its name has no time limit of its own: it is waited for from outside."""
    answers: queue.Queue[Any] = queue.Queue()

    gone = threading.Event()

    def ask() -> None:
        try:
            answer = urllib.request.urlopen(address, timeout=CONNECT)
        except Exception as error:
            answers.put(error)
            return
        answers.put(answer)
        if gone.is_set():  # nobody waits for it any more
            answer.close()

    threading.Thread(target=ask, daemon=True).start()
    try:
        answer = answers.get(timeout=CONNECT + 0.5)  # the connection's own limit speaks first
    except queue.Empty:
        gone.set()
        raise TimeoutError(f"no answer within {CONNECT:.0f} s") from None
    if isinstance(answer, HTTPError):  # which holds the connection
        answer.close()
    if isinstance(answer, OSError):
        raise answer
    if isinstance(answer, Exception):
        raise ConnectionError(str(answer)) from answer
    return answer


def _reason(error: OSError) -> str:
    reason = getattr(error, "reason", None)
    return str(reason if isinstance(reason, OSError) else error) or type(error).__name__
