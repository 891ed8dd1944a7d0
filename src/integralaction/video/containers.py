"""Video files opened: only regular files, only formats that hold a video and open nothing else, one stream of them.

Whatever a file raises is that file's fault and becomes a `VideoError` that names it.
"""

import stat
import sys
import threading
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import cast

import av
from av.container import InputContainer
from av.stream import Disposition
from av.video.stream import VideoStream

from integralaction.errors import MissingFile
from integralaction.video.info import FrameNumberError, VideoError

# Frame threads start and end with every read: below this many pixels they cost more than they give.
THREADED_PIXELS = 640 * 480
# FFmpeg's names of the formats that are read. What is not here opens other files (playlists), makes a picture out of
# any text, or holds single pictures.
FORMATS = (
    *("mov", "mp4", "m4a", "3gp", "3g2", "mj2", "matroska", "webm", "avi", "flv", "live_flv", "kux", "asf", "asf_o"),
    *("mpegts", "mpeg", "ogg", "gif", "apng", "rm", "nut", "ivf", "mxf", "gxf", "dv", "wtv", "swf", "nsv", "ty"),
    *("h264", "hevc", "vvc", "evc", "av1", "obu", "mpegvideo", "m4v", "mjpeg", "vc1", "vc1test", "h263", "h261"),
    *("cavsvideo", "avs2", "avs3", "dirac", "yuv4mpegpipe", "dhav", "smjpeg", "amv", "mv", "roq", "smk", "bink"),
)

# Brands of mp4's relatives that hold a picture.
STILLS = ("avif", "heic", "heix", "heim", "heis", "mif1")
# Decoders that mark the frames they patched, and that call the frames at an open group of pictures an error. All others
# are set to raise an error instead of patching.
MARKING = ("h264", "hevc")
# Decoders that patch all the same, and only write it to FFmpeg's log.
REPORTING = ("ffv1", "gif")

Identity = tuple[str, int, int]


def identity(path: Path) -> Identity:
    """Path, time of change and size in bytes of a file: what is remembered of it holds as long as these do.

    Raises:
        FileNotFoundError: there is nothing at `path`.
        VideoError: it is no regular file (a pipe would be waited for), is empty or cannot be reached.
    """
    try:
        status = path.stat()
    except FileNotFoundError:
        raise MissingFile(f"Expected a video or a folder of images at {path}, found nothing; check the path.") from None
    except (OSError, ValueError) as error:
        raise VideoError(f"Expected a video at {path}, which cannot be reached ({_reason(error)}).") from None
    if not stat.S_ISREG(status.st_mode):
        kinds = ((stat.S_ISFIFO, "a named pipe"), (stat.S_ISSOCK, "a socket"), (stat.S_ISDIR, "a folder"))
        kind = next((words for is_kind, words in kinds if is_kind(status.st_mode)), "a device")
        raise VideoError(f"Expected a video, found {kind} at {path}; leave it out, or copy its content to a file.")
    if status.st_size == 0:
        raise VideoError(f"Expected a video, found an empty file at {path}; fetch it again or leave it out.")
    return str(path), status.st_mtime_ns, status.st_size


@contextmanager
def blame(path: str | Path) -> Generator[None]:
    """Whatever is raised within becomes a `VideoError` that names the file."""
    try:
        yield
    except (VideoError, FrameNumberError):
        raise
    except Exception as error:
        raise VideoError(
            f"Expected a video that can be read, found one that ends in an error at {path} ({_reason(error)}); "
            "fetch it again or leave it out."
        ) from error


@contextmanager
def open_video(path: str, threads: bool = False) -> Generator[tuple[InputContainer, VideoStream]]:
    """A file and its video stream; with `threads` the decoder may use several, where the video is large."""
    # "file:", so that no name is taken for an address; the white lists, so that nothing else is opened.
    options = {"protocol_whitelist": "file", "format_whitelist": ",".join(FORMATS)}
    try:
        container = av.open(f"file:{path}", mode="r", options=options)
    except (av.FFmpegError, UnicodeError) as error:
        raise VideoError(
            f"Expected a video, found data that cannot be read as one at {path} ({_reason(error)}); "
            "it may be incomplete or of another kind: fetch it again or leave it out."
        ) from None
    with container:
        if not set(container.format.name.split(",")) <= set(FORMATS):
            raise VideoError(f"Expected a video, found data of the format {container.format.name} in {path}.")
        stream = _video_stream(path, container)
        data = sys.modules.get("torch.utils.data")
        in_worker = data is not None and data.get_worker_info() is not None
        threads = threads and stream.codec_context.name not in REPORTING  # the log of other threads is lost
        if threads and not in_worker and stream.width * stream.height >= THREADED_PIXELS:
            stream.thread_type = "AUTO"
        else:
            stream.thread_type = "NONE"
            stream.codec_context.thread_count = 1
        if stream.codec_context.name not in MARKING:
            stream.codec_context.options = {"err_detect": "explode+crccheck+bitstream+buffer"}
        yield container, stream


def _video_stream(path: str, container: InputContainer) -> VideoStream:
    cover = Disposition.attached_pic
    streams = [stream for stream in container.streams.video if not stream.disposition & cover]
    if not streams or container.metadata.get("major_brand") in STILLS:
        kinds = " and ".join(sorted({s.type for s in container.streams} - {"video"})) or "still pictures"
        raise VideoError(f"Expected a video, found {kinds} in {path}; leave it out.")
    best = container.streams.best("video")
    stream = next((stream for stream in streams if stream is best), streams[0])
    if cast(object, stream.codec_context) is None:
        raise VideoError(
            f"Expected a video, found one in {path} whose coding has no decoder here; convert it to H.264 in mp4 first."
        )
    return stream


def _reason(error: Exception) -> str:
    if isinstance(error, av.error.ArgumentError):  # what the white lists give
        return "no format of videos: perhaps a playlist, text or a still picture"
    return " ".join(str(getattr(error, "strerror", None) or error or type(error).__name__).split())


def packets_of(container: InputContainer, stream: VideoStream) -> Iterator[av.Packet]:
    """The packets of a stream in decode order, then the empty one on which the decoder gives its last frames."""
    for packet in container.demux(stream):
        if packet.size or packet.dts is None:
            yield packet


def decode_packet(packet: av.Packet) -> list[av.VideoFrame] | None:
    """The frames that come out of the decoder when this packet goes in; None where the data are damaged."""
    try:
        if cast(VideoStream, packet.stream).codec_context.name not in REPORTING:
            return cast(list[av.VideoFrame], packet.decode())
        with collect_errors() as errors:
            frames = cast(list[av.VideoFrame], packet.decode())
        return None if errors else frames
    except av.FFmpegError:
        return None


class _Listeners:
    """How many collect FFmpeg's log, which is off otherwise, and how the log was set before the first."""

    lock = threading.Lock()
    count = 0
    level: int | None = None
    skips_repeats = True


@contextmanager
def collect_errors() -> Generator[list[tuple[int, str, str]]]:
    """The errors that FFmpeg logs within, in this thread: level, name of the format or codec, message."""
    with _Listeners.lock:
        if not _Listeners.count:
            _Listeners.level, _Listeners.skips_repeats = av.logging.get_level(), av.logging.get_skip_repeated()
            av.logging.set_level(av.logging.ERROR)
            av.logging.set_skip_repeated(False)
        _Listeners.count += 1
    try:
        with av.logging.Capture(local=True) as errors:
            yield errors
    finally:
        with _Listeners.lock:
            _Listeners.count -= 1
            if not _Listeners.count:
                av.logging.set_skip_repeated(_Listeners.skips_repeats)
                av.logging.set_level(_Listeners.level)
