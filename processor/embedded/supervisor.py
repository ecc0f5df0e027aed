"""The process between us and a server: it ends the server when we are gone.

Run as a script, isolated and without site packages, so that it starts in milliseconds::

    python -I -S supervisor.py PARENT_PID GRACE_SECONDS TEMPORARY_FOLDER COMMAND...

Standard input is a pipe whose other end only the parent holds. The kernel closes it however
the parent ends, also by SIGKILL, and whichever of its threads started us. A child that the
parent forked without exec may hold a copy of it, hence the second look at the parent's id.
Standard output gets the server's process id; the server writes to our standard error.
The exit status is the server's, with 128 + N for signal N as in a shell.
"""

import contextlib
import ctypes
import os
import select
import signal
import sys
import time

_PR_SET_PDEATHSIG = 1
_PARENT_CHECK_SECONDS = 1.0
_REAP_SECONDS = 0.01


def _become(command: list[str]) -> None:
    """Turns the forked child into the server; returns only by raising."""
    if sys.platform == "linux":
        # If we are killed ourselves, the server goes too. Reliable here, where it would not be
        # in the parent: the signal follows the death of a thread, and we have a single one.
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    for ignored in (signal.SIGINT, signal.SIGHUP, signal.SIGTERM, signal.SIGCHLD):
        signal.signal(ignored, signal.SIG_DFL)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.dup2(2, 1)
    os.execv(command[0], command)  # noqa: S606 - no shell is the point


def _spawn(command: list[str]) -> int:
    pid = os.fork()
    if pid:
        return pid
    try:
        _become(command)
    except OSError as error:
        sys.stderr.write(f"cannot run {command[0]}: {error}\n")
        sys.stderr.flush()
    os._exit(127)


def _reap(pid: int) -> int | None:
    """The server's exit status, or None while it runs."""
    done, status = os.waitpid(pid, os.WNOHANG)
    if not done:
        return None
    code = os.waitstatus_to_exitcode(status)
    return code if code >= 0 else 128 - code


def _end(pid: int, grace_seconds: float) -> int:
    """Asks the server to end, waits, and then insists."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGTERM)
        os.kill(pid, signal.SIGCONT)  # a suspended server hears nothing
    deadline = time.monotonic() + grace_seconds
    while (status := _reap(pid)) is None:
        if time.monotonic() > deadline:
            os.kill(pid, signal.SIGKILL)
            _, raw = os.waitpid(pid, 0)
            return 128 - os.waitstatus_to_exitcode(raw)
        time.sleep(_REAP_SECONDS)
    return status


def _remove(folder: str) -> None:
    import shutil  # noqa: PLC0415 - a slow import, needed only when the parent was lost

    shutil.rmtree(folder, ignore_errors=True)


def main(arguments: list[str]) -> int:
    """Runs the command until it ends, the parent is gone, or SIGTERM asks."""
    parent, grace_seconds, temporary = int(arguments[0]), float(arguments[1]), arguments[2]
    asked: list[int] = []
    wake_read, wake_write = os.pipe()
    os.set_blocking(wake_write, False)
    signal.set_wakeup_fd(wake_write)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.signal(signal.SIGTERM, lambda number, _: asked.append(number))
    for ours in (signal.SIGINT, signal.SIGHUP):
        signal.signal(ours, signal.SIG_IGN)

    pid = _spawn(arguments[3:])
    with contextlib.suppress(BrokenPipeError):  # then the parent is gone, as seen below
        os.write(1, f"{pid}\n".encode())

    while (status := _reap(pid)) is None:
        ready, _, _ = select.select([0, wake_read], [], [], _PARENT_CHECK_SECONDS)
        if wake_read in ready:
            os.read(wake_read, 512)
        if asked:
            return _end(pid, grace_seconds)
        if 0 in ready or os.getppid() != parent:
            status = _end(pid, grace_seconds)
            if temporary:
                _remove(temporary)
            return status
    return status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
