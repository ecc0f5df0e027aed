"""The rules that are in use where a configuration names none."""

import tomllib
from functools import lru_cache
from importlib.resources import files

from processor.alerting.checks import Deployment, problems_of
from processor.alerting.rule import Rule


@lru_cache(1)
def shipped_rules() -> tuple[Rule, ...]:
    """All rules that are shipped."""
    text = files("processor.alerting").joinpath("default_rules.toml").read_text("utf-8")
    return tuple(map(Rule.model_validate, tomllib.loads(text)["alerts"]))


def default_rules(deployment: Deployment) -> tuple[Rule, ...]:
    """The shipped rules that watch something that a deployment has."""
    without = {name for name, _ in problems_of(shipped_rules(), deployment)}
    return tuple(rule for rule in shipped_rules() if rule.name not in without)
