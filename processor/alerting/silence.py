"""Silences: alerts that nobody is told of for a while."""

from collections.abc import Iterable, Mapping
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from schemas.fields import Timestamp
from schemas.timestamps import to_ms


class Silence(BaseModel):
    """Mutes the alerts that match all it names; they are evaluated and shown all the same.

    Attributes:
        id: names it.
        rule: the name of a rule; of any where ``None``.
        labels: labels that the alert must have.
        until: when it expires, by the clock.
        comment: why, for others.
        created_by: who, for others.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    id: Annotated[str, Field(min_length=1, max_length=64)]
    rule: Annotated[str, Field(min_length=1, max_length=100)] | None = None
    labels: Mapping[str, str] = Field(default_factory=dict)
    until: Timestamp
    comment: Annotated[str, Field(max_length=500)] = ""
    created_by: Annotated[str, Field(max_length=100)] = ""

    def mutes(self, alert: Mapping[str, Any], now_ms: int) -> bool:
        """Whether nobody is told of an alert now.

        Args:
            alert: as JSON-ready fields.
            now_ms: the clock.
        """
        if now_ms >= to_ms(self.until):
            return False
        if self.rule is not None and alert["name"] != self.rule:
            return False
        labels: Mapping[str, str] = alert["labels"]
        return all(labels.get(name) == value for name, value in self.labels.items())


def silenced_by(
    alert: Mapping[str, Any], silences: Iterable[Silence], now_ms: int
) -> Silence | None:
    """The silence that mutes an alert and lasts longest, ``None`` where none does."""
    muting = [one for one in silences if one.mutes(alert, now_ms)]
    return max(muting, key=lambda one: one.until, default=None)
