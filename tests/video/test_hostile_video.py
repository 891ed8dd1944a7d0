"""Videos that reach for something else, and frames that the decoder itself calls corrupt."""

import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import av
import pytest
from av.video.frame import PictureType
from video.test_video import encode

from integralaction.data.video import VideoError, probe, read_frames
from integralaction.video import decoding


@pytest.fixture
def listener() -> Iterator[tuple[int, list]]:
    """A port of this machine, and who called there."""
    callers: list = []
    with socket.create_server(("127.0.0.1", 0)) as server:

        def listen() -> None:
            while True:
                try:
                    connection, caller = server.accept()
                except OSError:
                    return
                callers.append(caller)
                connection.close()

        threading.Thread(target=listen, daemon=True).start()
        yield server.getsockname()[1], callers


PLAYLISTS = {
    "ffconcat": "ffconcat version 1.0\nfile 'http://{place}/a.mp4'\n",
    "tcp": "ffconcat version 1.0\nfile 'tcp://{place}'\n",
    "m3u8": "#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\nhttp://{place}/a.ts\n#EXT-X-ENDLIST\n",
    "key": '#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXT-X-KEY:METHOD=AES-128,URI="http://{place}/k"\n#EXTINF:9,\na.ts\n#EXT-X-ENDLIST\n',
    "subfile": "ffconcat version 1.0\nfile 'subfile,,start,0,end,0,,:{folder}/a.mp4'\n",
    "data": "ffconcat version 1.0\nfile 'data:video/mp4;base64,AAAA'\n",
    "sdp": "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=a\nc=IN IP4 127.0.0.1\nt=0 0\nm=video 5004 RTP/AVP 96\n",
}


@pytest.mark.parametrize("kind", PLAYLISTS)
@pytest.mark.parametrize("suffix", [".mp4", ".m3u8", ".ffconcat", ".sdp"])
def test_no_file_reaches_the_network_or_another_protocol(
    tmp_path: Path, listener: tuple[int, list], kind: str, suffix: str
) -> None:
    port, callers = listener
    encode(tmp_path / "a.mp4", 3)
    path = tmp_path / f"list{suffix}"
    path.write_text(PLAYLISTS[kind].format(place=f"127.0.0.1:{port}", folder=tmp_path))
    with pytest.raises(VideoError, match="Expected a video"):
        probe(path)
    assert not callers


@pytest.mark.parametrize(
    "name", ["concat:a.mp4", "data:a.mp4", "http:a.mp4", "subfile,,start,0,end,9,,:a.mp4", "file:a.mp4", "-i.mp4"]
)
def test_a_name_is_never_an_address(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    encode(tmp_path / "v.mp4", 3).rename(tmp_path / name)
    monkeypatch.chdir(tmp_path)
    assert len(read_frames(Path(name), [0, 2])) == 2


def test_every_file_is_opened_with_the_protocol_of_files_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a container refers to cannot be opened by any other, whatever formats are read."""
    opened, really = [], av.open

    def spy(file: str, *arguments: Any, **options: Any) -> Any:
        opened.append((file, options.get("options", {}).get("protocol_whitelist")))
        return really(file, *arguments, **options)

    path = encode(tmp_path / "v.mp4", 30, g="6")
    monkeypatch.setattr(av, "open", spy)
    read_frames(path, [1, 28])
    assert opened and all(file.startswith("file:") and protocols == "file" for file, protocols in opened), opened


@pytest.mark.parametrize("start", [None, 0])
def test_a_frame_that_the_decoder_calls_corrupt_is_not_given_in_the_quick_way(
    monkeypatch: pytest.MonkeyPatch, start: int | None
) -> None:
    """Concealed damage raises no error; the frame says so itself."""
    stream = SimpleNamespace(codec_context=SimpleNamespace(name="mpeg4"))
    packets = [SimpleNamespace(size=1, is_keyframe=not t, pts=t, stream=stream) for t in range(3)]

    def frames(packet: Any) -> list:
        return [SimpleNamespace(pts=packet.pts, is_corrupt=packet.pts == 1, pict_type=PictureType.I)]

    monkeypatch.setattr(decoding, "decode_packet", frames)
    pictures = list(decoding._decode_stretch(iter(packets), start, {0: 0, 1: 1, 2: 2}))
    assert [frame is not None for frame, _ in pictures] == [True, False]
