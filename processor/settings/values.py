"""What the sections of the configuration share: values with a rule of their own."""

from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, SecretStr

from processor.core.panes import parse_duration_ms, plan_windows
from processor.state.redis_address import parse_redis_url


def _duration(text: str) -> str:
    parse_duration_ms(text)
    return text


def _window_names(names: tuple[str, ...]) -> tuple[str, ...]:
    plan_windows(names)
    return names


def _redis_url(url: SecretStr) -> SecretStr:
    parse_redis_url(url.get_secret_value())
    return url


def _present(path: Path) -> Path:
    if not path.is_file():
        raise ValueError(f"{path} is not a file")
    return path


Duration = Annotated[str, AfterValidator(_duration)]
"""A whole number and s, m, h or d."""

WindowNames = Annotated[tuple[str, ...], AfterValidator(_window_names)]
"""Windows that panes can make up."""

RedisUrl = Annotated[SecretStr, AfterValidator(_redis_url)]
"""An address of Redis, of any kind that is known; it may hold a password."""

PresentFile = Annotated[Path, AfterValidator(_present)]
"""The path of a file that is there."""


class Section(BaseModel):
    """A table of the configuration file: what it does not know is refused."""

    # An error that quoted its input would quote the secrets beside what is wrong.
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)
