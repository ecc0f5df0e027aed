"""The shipped rules as a Markdown table: ``python -m processor.alerting.table docs/alerts.md``."""

import sys
from pathlib import Path
from typing import Final

from processor.alerting.checks import Deployment, watches
from processor.alerting.default_rules import shipped_rules
from processor.metrics.catalogue import CATALOGUE

BEGIN: Final = "<!-- rules: begin -->"
END: Final = "<!-- rules: end -->"


def rules_markdown() -> str:
    """What each shipped rule watches, how many samples it asks for, and how severe it is.

    Ends with a newline.
    """
    rules = shipped_rules()
    windows = dict.fromkeys(rule.window for rule in rules if rule.window is not None)
    deployment = Deployment(CATALOGUE, list(windows), ())
    lines = ["| rule | severity | watches | samples |", "|---|---|---|---|"]
    for rule in rules:
        samples = "" if rule.min_samples is None else str(rule.min_samples)
        lines.append(f"| {rule.name} | {rule.severity} | {watches(rule, deployment)} | {samples} |")
    return "\n".join(lines) + "\n"


def with_rules(page: str) -> str:
    """The page with the table between its marks.

    Raises:
        ValueError: the page lacks one of the marks.
    """
    begin, end = page.index(BEGIN) + len(BEGIN), page.index(END)
    return f"{page[:begin]}\n{rules_markdown()}{page[end:]}"


if __name__ == "__main__":
    for name in sys.argv[1:]:
        path = Path(name)
        path.write_text(with_rules(path.read_text(encoding="utf-8")), encoding="utf-8")
