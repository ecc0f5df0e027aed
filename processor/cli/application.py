"""All commands in one application, and what it does with errors: one line, and an exit code."""

from collections.abc import Sequence

import typer

from processor.cli.alerts import alerts
from processor.cli.configuration import config
from processor.cli.demo import demo
from processor.cli.diff import diff
from processor.cli.dlq import dlq
from processor.cli.doctor import doctor
from processor.cli.errors import OK, USAGE, CommandError, explain
from processor.cli.metrics import metrics
from processor.cli.monitor import monitor
from processor.cli.record import record
from processor.cli.replay import replay
from processor.cli.schemas import schemas
from processor.cli.simulate import simulate
from processor.cli.terminal import keep_libraries_quiet, say
from processor.cli.top import top
from processor.cli.topics import topics
from processor.cli.worker import worker

_INTERRUPTED = 130

app = typer.Typer(
    name="cxpulse",
    help="Customer-experience metrics, live and right: NPS, CSAT, CTR and bounce rate from Kafka, "
    "through Faust and Redis.\n\nExample: cxpulse demo",
    no_args_is_help=True,
    # Plain text: examples with brackets stay as they are, and help appears sooner.
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
for command in (
    demo,
    worker,
    monitor,
    top,
    simulate,
    replay,
    record,
    diff,
    metrics,
    config,
    doctor,
):
    app.command()(command)
app.add_typer(alerts, name="alerts")
app.add_typer(topics, name="topics")
app.add_typer(dlq, name="dlq")
app.add_typer(schemas, name="schemas")


def run(arguments: Sequence[str] | None = None) -> int:
    """Run a command line.

    Args:
        arguments: without the program's name; ``sys.argv`` by default.

    Returns:
        0, 1 where it failed, 2 where it was used wrongly. What is not expected to happen is
        raised: a traceback helps whoever mends it.
    """
    keep_libraries_quiet()
    try:
        code = typer.main.get_command(app).main(arguments, "cxpulse", standalone_mode=False)
    except CommandError as error:
        say(f"error: {error}")
        return error.exit_code
    except Exception as error:  # noqa: BLE001 - what nobody expects is raised again
        return _ended_by(error)
    if code == _INTERRUPTED:
        say("error: interrupted")
        return 1
    return code if isinstance(code, int) else OK


def _ended_by(error: Exception) -> int:
    # Usage errors are of typer's own click, or of click itself: which depends on its version.
    describe = getattr(error, "format_message", None)
    if describe is not None:
        return _usage(error, describe())
    explained = explain(error)
    if explained is None:
        raise error
    say(f"error: {explained}")
    return explained.exit_code


def _usage(error: Exception, message: str) -> int:
    context = getattr(error, "ctx", None)
    if not message:  # no arguments at all: the help was the answer
        return USAGE
    command = "cxpulse" if context is None else context.command_path
    say(f"error: {' '.join(message.split())} (see {command} --help)")
    return USAGE
