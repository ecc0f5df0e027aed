"""Faust's worker as a well-behaved process: our log lines, our exit codes, a bounded stop.

It ends with exit code 0 when it was told to stop (SIGTERM, ctrl-c), also where the stop had to be
cut short after `_STOP_WITHIN_S`, and with 1 after any failure, also where it stopped in order after
that. So ``Restart=on-failure`` of systemd and ``restart: on-failure`` of Compose do what is meant.
"""

import asyncio
import logging
import signal
import sys
import threading
import time
from typing import Any, Final

import faust
import uvloop

from processor.cli.errors import FAILED, CommandError, explain
from processor.cli.servers import await_servers
from processor.settings import Settings
from processor.state.cancelling import cancel_until_done
from processor.streaming.app import CxApp, create_app
from processor.streaming.connections import make_losable
from processor.streaming.watchdog import Watchdog, end_stalled, leave
from processor.streaming.worker import Worker

log = logging.getLogger(__name__)

_STOP_WITHIN_S: Final = 9.0
_UNDISTURBED_S: Final = 1.0
_STOPPED_BY: Final = (signal.SIGTERM, signal.SIGINT)
_LIBRARIES: Final = ("faust", "mode", "aiokafka", "kafka", "asyncio")
_SAID_BETTER: Final = (
    # While a group is new and its coordinator is being chosen; it is tried again.
    "GroupCoordinatorNotAvailableError",
    # Of each service that an error ends, and of the process; we say it once, at the end.
    "Crashed reason=",
    "We experienced a crash!",
)
_FORMAT: Final = "%(asctime)s.%(msecs)03dZ %(levelname)-7s %(name)s: %(message)s"


class _OperatorsLog(logging.Filter):
    """Drops what Faust and aiokafka call an error and a person can do nothing about."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether to show a record."""
        if any(said in record.getMessage() for said in _SAID_BETTER):
            return False
        # Of ours, too: Faust logs for a subclass under the name of the subclass's module.
        if record.exc_info and record.exc_info[1] is not None:
            # It ends the worker, and is then explained in one line.
            return explain(record.exc_info[1]) is None
        # Each service of Faust says when it starts and stops.
        return record.levelno >= logging.WARNING or not record.getMessage().startswith("[^")


def set_up_logging(level: str) -> None:
    """Our own lines to stderr, and of the libraries what is at least a warning."""
    formatter = logging.Formatter(_FORMAT, datefmt="%Y-%m-%dT%H:%M:%S")
    formatter.converter = time.gmtime
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(formatter)
    debugging = level == "debug"
    if not debugging:
        handler.addFilter(_OperatorsLog())
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    for name in _LIBRARIES:
        logging.getLogger(name).setLevel(logging.NOTSET if debugging else logging.WARNING)


class OneLineWorker(faust.Worker):
    """Faust's worker without spinner and banner, which ends when it is told to."""

    app: CxApp

    def __init__(self, app: CxApp, **options: Any) -> None:
        super().__init__(app, quiet=True, override_logging=False, **options)
        self.spinner = None

    async def on_startup_finished(self) -> None:
        """The first assignment is there, and its partitions are claimed."""
        log.info("ready, counting %d partitions", len(self.app.worker.partitions.owned))

    async def stop(self) -> None:
        """Stop, and leave without what still hangs after a while.

        What was not flushed by then was not acknowledged: it is counted after the next start.
        """
        failure = self.crash_reason or self.app.crash_reason
        health = self.app.worker.health
        if failure is not None:
            health.fail(failure)
        health.stopping(_STOP_WITHIN_S)
        overdue = threading.Timer(_STOP_WITHIN_S, _leave, (failure,))
        overdue.daemon = True
        overdue.start()
        self._hear_no_more()
        log.info("stopping")
        await super().stop()

    def _hear_no_more(self) -> None:
        """Ignore the signals that stop: once more they would end it, at its end, in disorder."""
        before_s = sys.getswitchinterval()
        # The loop leaves a signal that kills: no other thread is to have its turn in between.
        sys.setswitchinterval(_UNDISTURBED_S)
        try:
            for number in _STOPPED_BY:
                self.loop.remove_signal_handler(number)
                signal.signal(number, signal.SIG_IGN)
        finally:
            sys.setswitchinterval(before_s)


def run_worker(settings: Settings, loglevel: str, patience_s: float | None) -> bool:
    """Run a worker in this process until a signal stops it.

    Args:
        settings: the configuration.
        loglevel: ``debug``, ``info``, ``warning`` or ``error``.
        patience_s: how long to wait for Kafka and Redis; ``None`` for not at all.

    Returns:
        Whether it was stopped in order.

    Raises:
        CommandError: it failed for a reason that has a remedy.
    """
    # By the policy rather than one loop: the consumer's thread makes a loop of its own.
    asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())
    make_losable()
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    counting = Worker(settings)
    counting.serve_health(loop)
    # Before there is a log, in which every attempt to connect would be an error of its own.
    if not _servers_answer(loop, counting, patience_s or 0.0):
        return True
    set_up_logging(loglevel)
    app = create_app(settings, worker=counting)
    worker = OneLineWorker(app, loop=loop)
    if settings.worker.stall_after_s:
        Watchdog(counting.health, settings, loop, end_stalled).start()
    try:
        worker.execute_from_commandline()
    except SystemExit as ended:
        if not ended.code:
            log.info("stopped")
            return True
        _explain(ended.__context__ or app.crash_reason or worker.crash_reason)
        return False


def _explain(error: BaseException | None) -> None:
    explained = None if error is None else explain(error)
    if explained is not None:
        raise CommandError(str(explained)) from error
    log.error("the worker ended by an error that should not happen", exc_info=error)


def _servers_answer(loop: asyncio.AbstractEventLoop, counting: Worker, patience_s: float) -> bool:
    """Wait for Kafka and Redis; ``False`` if a signal ended the wait."""
    waiting = loop.create_task(await_servers(counting.settings, patience_s))

    def give_up() -> None:
        ending.append(loop.create_task(cancel_until_done([waiting])))

    ending: list[asyncio.Task[None]] = []
    for number in _STOPPED_BY:
        loop.add_signal_handler(number, give_up)
    # Whoever reads this may rely on it: from here on a signal ends the wait in order.
    counting.health.starting("waiting for Kafka and Redis")
    try:
        loop.run_until_complete(waiting)
    except asyncio.CancelledError:
        return False
    finally:
        for number in _STOPPED_BY:
            loop.remove_signal_handler(number)
    return True


def _leave(failure: BaseException | None) -> None:
    def say() -> None:
        log.warning("not stopped after %.0f s: leaving; the rest is counted later", _STOP_WITHIN_S)
        if failure is not None:
            log.error("it stopped because of an error", exc_info=failure)

    leave(0 if failure is None else FAILED, say)
