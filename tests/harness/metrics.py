"""Reading a Prometheus exposition as Prometheus does."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Self

from prometheus_client.metrics_core import Metric
from prometheus_client.openmetrics.parser import (
    text_string_to_metric_families as parse_openmetrics,
)
from prometheus_client.parser import text_string_to_metric_families as parse_text

Labels = frozenset[tuple[str, str]]

_OTHER_UNITS: Final = re.compile(r"_(milliseconds|ms|minutes|hours|days|percent|kilobytes)(_|$)")


@dataclass(frozen=True, slots=True)
class Exposition:
    """What was exported.

    Attributes:
        families: by name.
        samples: values by name and labels.
    """

    families: Mapping[str, Metric]
    samples: Mapping[tuple[str, Labels], float]

    @classmethod
    def parse(cls, text: str, *, openmetrics: bool = False) -> Self:
        """Parse a page; every family and every sample may come once."""
        families: dict[str, Metric] = {}
        samples: dict[tuple[str, Labels], float] = {}
        parse = parse_openmetrics if openmetrics else parse_text
        for family in parse(text):
            assert family.name not in families, f"{family.name} comes twice"
            families[family.name] = family
            for sample in family.samples:
                key = sample.name, frozenset(sample.labels.items())
                assert key not in samples, f"{key} comes twice"
                samples[key] = sample.value
        return cls(families, samples)

    def value(self, name: str, **labels: str) -> float | None:
        """A sample's value, ``None`` where there is none."""
        return self.samples.get((name, frozenset(labels.items())))

    def of(self, name: str) -> dict[Labels, float]:
        """All samples of a name."""
        return {labels: value for (found, labels), value in self.samples.items() if found == name}

    def check_conventions(self) -> None:
        """Names, units and documentation are as Prometheus's own linter wants them."""
        for name, family in self.families.items():
            assert family.documentation, f"{name} has no HELP"
            assert family.type != "unknown", f"{name} has no TYPE"
            assert not _OTHER_UNITS.search(name), f"{name} is not in a base unit"
            for sample in family.samples:
                if family.type == "counter":
                    assert sample.name.endswith(("_total", "_created")), sample.name
                if family.type == "gauge":
                    assert not sample.name.endswith(("_total", "_count", "_sum")), sample.name
