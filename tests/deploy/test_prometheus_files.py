"""Rules, scrape configuration and dashboard ask for nothing that is not exported."""

import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from processor.monitor.grafana import dashboard as generated
from processor.monitor.prometheus_table import (
    monitor_families,
    reading_family_names,
    sample_name,
    with_tables,
    worker_families,
)
from tests.deploy.files import DASHBOARD, ROOT, dashboard, parsed

RULES: list[dict[str, Any]] = [
    rule for group in parsed("deploy/prometheus/rules.yml")["groups"] for rule in group["rules"]
]
OF_PROMETHEUS = {"up", "process_cpu_seconds_total", "process_resident_memory_bytes"}
_WORD = re.compile(r"(?<![\w$:\"])[a-zA-Z_:][\w:]*")
_GROUPING = re.compile(r"\b(?:by|on|ignoring|without|group_left|group_right)\s*\([^)]*\)")
_SELECTION = re.compile(r"\{[^}]*\}|\[[^\]]*\]|\"[^\"]*\"")
_OF_PROMQL = {"and", "or", "unless", "bool", "offset"}


def exported() -> set[str]:
    names = OF_PROMETHEUS | {n for names in reading_family_names().values() for n in names}
    for family in (*monitor_families(), *worker_families()):
        names.add(sample_name(family))
        if family.type == "histogram":
            names |= {f"{family.name}_{part}" for part in ("bucket", "sum", "count")}
    return names


def asked_for(expression: str) -> set[str]:
    """The metrics that an expression names."""
    bare = _GROUPING.sub(" ", _SELECTION.sub(" ", expression))
    words = set(_WORD.findall(bare)) - _OF_PROMQL
    return {word for word in words if not re.search(rf"{re.escape(word)}\s*\(", bare)}


@pytest.mark.parametrize(
    ("expression", "names"),
    [
        ('sum by (a) (rate(b_total{c=~"d|e"}[5m])) > 1e5 and on (f) g == 0', {"b_total", "g"}),
        ('absent(up{job="x"}) or h:i:rate5m / 2', {"up", "h:i:rate5m"}),
    ],
)  # fmt: skip
def test_names_are_found_in_promql(expression: str, names: set[str]) -> None:
    assert asked_for(expression) == names


def test_rules_name_what_is_exported_or_recorded() -> None:
    recorded: set[str] = set()
    for rule in RULES:
        names = asked_for(rule["expr"])
        assert names, rule
        assert names <= exported() | recorded, rule
        recorded |= {rule["record"]} if "record" in rule else set()


def test_recorded_names_say_level_metric_and_operation() -> None:
    for rule in RULES:
        if "record" in rule:
            assert re.fullmatch(r"[a-z_]+(:[a-z0-9_]+){2}|[a-z_]+:[a-z0-9_]+", rule["record"])
            assert rule.keys() <= {"record", "expr", "labels"}


def test_alerts_have_all_that_their_readers_need() -> None:
    alerts = [rule for rule in RULES if "alert" in rule]
    names = [rule["alert"] for rule in alerts]
    assert len(set(names)) == len(names)
    for rule in alerts:
        assert rule.keys() == {"alert", "expr", "for", "labels", "annotations"}, rule["alert"]
        assert re.fullmatch(r"Cxpulse[A-Z]\w+", rule["alert"])
        assert re.fullmatch(r"\d+[smh]", rule["for"])
        assert rule["labels"]["severity"] in {"info", "warning", "critical"}
        assert rule["annotations"].keys() == {"summary", "description"}


def test_rules_group_by_labels_that_their_metrics_have() -> None:
    labels = {label for f in (*monitor_families(), *worker_families())
              for sample in f.samples for label in sample.labels}  # fmt: skip
    for rule in RULES:
        for clause in _GROUPING.findall(rule["expr"]):
            named = re.findall(r"\w+", clause[clause.index("(") :])
            assert set(named) <= labels | {"job", "instance"}, rule


def test_promtool_agrees(tmp_path: Path) -> None:
    """With Prometheus on the machine its own checker reads both files; the others always run."""
    tool = shutil.which("promtool")
    if tool is None:
        assert RULES  # the checks above are what there is
        return
    folder = tmp_path / "prometheus"
    shutil.copytree(ROOT / "deploy/prometheus", folder)
    for arguments in (["rules", "rules.yml"], ["config", "--syntax-only", "prometheus.yml"]):
        done = subprocess.run(
            [tool, "check", *arguments], cwd=folder, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr


def test_prometheus_scrapes_the_monitor_and_every_worker() -> None:
    services = parsed("docker-compose.yml")["services"]
    scraped = parsed("deploy/prometheus/prometheus.yml")["scrape_configs"]
    jobs = {job["job_name"]: job for job in scraped}
    monitor, workers = jobs["cxpulse-monitor"], jobs["cxpulse-worker"]["dns_sd_configs"][0]
    port = services["monitor"]["environment"]["CX_MONITOR__PORT"]
    assert monitor["static_configs"] == [{"targets": [f"monitor:{port}"]}]
    (secret,) = services["prometheus"]["secrets"]
    assert monitor["authorization"]["credentials_file"] == f"/run/secrets/{secret}"
    assert workers["names"] == ["worker"]
    assert workers["port"] == services["worker"]["environment"]["CX_WORKER__HEALTH_PORT"]
    assert set(services["prometheus"]["networks"]) & set(services["worker"]["networks"])
    used = set(re.findall(r'job="([\w-]+)"', DASHBOARD.read_text().replace('\\"', '"')))
    used |= {job for rule in RULES for job in re.findall(r'job="([\w-]+)"', rule["expr"])}
    assert used <= jobs.keys()


def panels(content: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for panel in content["panels"]:
        yield panel
        yield from panel.get("panels", ())


def test_the_dashboard_is_that_of_the_catalogue() -> None:
    assert dashboard() == generated(), "run make docs"


def test_the_dashboard_asks_for_what_is_exported() -> None:
    expressions = [t["expr"] for p in panels(dashboard()) for t in p.get("targets", ())]
    asked = {name for expression in expressions for name in asked_for(expression)}
    assert asked <= exported()
    values = {names[0] for names in reading_family_names().values()}
    assert values <= asked, "every metric has a panel"


def test_panels_have_places_of_their_own() -> None:
    content = dashboard()
    ids = [panel["id"] for panel in panels(content)]
    assert len(set(ids)) == len(ids)
    for group in (content["panels"], *(p["panels"] for p in content["panels"] if p.get("panels"))):
        taken: set[tuple[int, int]] = set()
        for panel in group:
            at = panel["gridPos"]
            cells = {(at["x"] + x, at["y"] + y) for x in range(at["w"]) for y in range(at["h"])}
            assert at["x"] + at["w"] <= 24
            assert not cells & taken, panel["title"]
            taken |= cells


def test_grafana_finds_source_and_dashboard() -> None:
    folder = "deploy/grafana/provisioning"
    (source,) = parsed(f"{folder}/datasources/prometheus.yml")["datasources"]
    assert source["url"] == "http://prometheus:9090"
    (provider,) = parsed(f"{folder}/dashboards/cxpulse.yml")["providers"]
    grafana = parsed("docker-compose.yml")["services"]["grafana"]
    mounts = dict(volume.split(":")[:2] for volume in grafana["volumes"])
    assert mounts["./deploy/grafana/dashboards"] == provider["options"]["path"]
    chosen = dashboard()["templating"]["list"][0]["current"]["value"]
    assert chosen == source["uid"]
    home = grafana["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"]
    assert home == f"{provider['options']['path']}/{DASHBOARD.name}"


def test_the_page_has_the_tables_of_what_is_exported() -> None:
    page = (ROOT / "docs/monitoring.md").read_text(encoding="utf-8")
    assert page == with_tables(page), "run make docs"
