"""Event topics copied into log files."""

from processor.recording.files import Compression, PartialFileError
from processor.recording.lines import Reason
from processor.recording.outcome import Progress, Recording
from processor.recording.recorder import record
from processor.recording.spans import RecordingError, RequestError

__all__ = [
    "Compression",
    "PartialFileError",
    "Progress",
    "Reason",
    "Recording",
    "RecordingError",
    "RequestError",
    "record",
]
