"""Loading the modules that define metrics of one's own.

A module is a file, or the dotted name of one that is installed. It is run anew each time it is
loaded, so that the metrics are those that it defines now.
"""

import importlib.util
import sys
import traceback
from collections.abc import Iterable, Mapping
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType

from processor.metrics.own_definition import OwnMetric, OwnMetricError, collected
from processor.metrics.own_plan import FAILURES
from processor.metrics.registry import Metric

__all__ = ["OwnMetricError", "load_own", "require_free_names"]


def load_own(modules: Iterable[str], folder: Path) -> tuple[OwnMetric, ...]:
    """The metrics that modules define, in order.

    Args:
        modules: paths that end with ``.py``, or dotted names.
        folder: what a relative path begins at.

    Raises:
        OwnMetricError: a module is missing or fails, or defines none; with file and line.
    """
    return tuple(own for module in modules for own in _load(module, folder))


def require_free_names(own: Iterable[OwnMetric], catalogue: Mapping[str, Metric]) -> None:
    """Two metrics may not have the same name.

    Raises:
        OwnMetricError: one has, with file and line of both.
    """
    taken = {name: metric.defined_at for name, metric in catalogue.items()}
    taken.setdefault(FAILURES, "the count of failures of one's own metrics")
    for one in own:
        name, place = one.metric.name, one.metric.defined_at
        if name in taken:
            raise OwnMetricError(f"{place}: the name {name} is taken, by {taken[name]}")
        taken[name] = place


def _load(module: str, folder: Path) -> list[OwnMetric]:
    spec = _spec(module, folder)
    assert spec.loader is not None  # made with one
    made = importlib.util.module_from_spec(spec)
    before = sys.modules.get(spec.name)
    sys.modules[spec.name] = made  # dataclasses and the like look for their module
    with collected() as found:
        try:
            spec.loader.exec_module(made)
        except OwnMetricError:
            raise
        except (Exception, SystemExit) as error:
            raise OwnMetricError(_failure(error, made)) from error
        finally:
            if before is not None:
                sys.modules[spec.name] = before
    if not found:
        raise OwnMetricError(f"{made.__file__}: it defines no metrics")
    return found


def _spec(module: str, folder: Path) -> ModuleSpec:
    spec: ModuleSpec | None
    if module.endswith(".py"):
        path = (folder / module).resolve()
        if not path.is_file():
            raise OwnMetricError(f"{module}: there is no file {path}")
        spec = importlib.util.spec_from_file_location(f"own_metrics_{path.stem}", path)
    else:
        try:
            spec = importlib.util.find_spec(module)
        except (ImportError, ValueError) as error:
            raise OwnMetricError(f"{module}: {error}") from error
        if spec is None or spec.origin is None or spec.loader is None:
            raise OwnMetricError(
                f"{module}: no module of this name is installed; a file is named with its .py"
            )
    assert spec is not None  # a file that ends with .py has a loader
    return spec


def _failure(error: BaseException, module: ModuleType) -> str:
    """File and line in the module, and what went wrong there."""
    if isinstance(error, SyntaxError):
        return f"{error.filename}:{error.lineno}: {error.msg}"
    frames = traceback.extract_tb(error.__traceback__)
    ours = [frame for frame in frames if frame.filename == module.__file__]
    place = f"{module.__file__}:{ours[-1].lineno}" if ours else str(module.__file__)
    return f"{place}: {type(error).__name__}: {error}"
