"""docker-compose.yml, read as the rules for running it say."""

import importlib.util
import json
import re
import shlex
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from typer.testing import CliRunner

from processor.cli.application import app
from processor.monitor.app import create_app
from processor.settings import load_settings
from tests.deploy.files import ROOT, parsed

COMPOSE: dict[str, Any] = parsed("docker-compose.yml")
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
OURS = [name for name, service in SERVICES.items() if service["image"].startswith("cxpulse:")]
ONE_SHOT = {"topics"}
WITHOUT_HEALTH = ONE_SHOT | {"simulator"}
WRITES_ITS_ROOT = {"kafka", "prometheus"}
"""For the reasons that stand beside them in the file."""

_VARIABLE = re.compile(r"\$\{(\w+)(?:(:?[-?])([^}]*))?\}")
GIVEN = {"CX_MONITOR__TOKEN": "a-token-of-a-test", "GRAFANA_ADMIN_PASSWORD": "of-a-test"}


def interpolated(text: str) -> str:
    """What Compose makes of variables."""

    def value(match: re.Match[str]) -> str:
        name, operator, default = match.groups()
        return GIVEN.get(name, default if operator in {"-", ":-"} else "")

    return _VARIABLE.sub(value, text).replace("$$", "$")


def test_it_is_what_the_compose_specification_allows() -> None:
    found = importlib.util.find_spec("check_jsonschema")
    assert found is not None
    assert found.submodule_search_locations
    vendored = Path(found.submodule_search_locations[0], "builtin_schemas/vendor/compose-spec.json")
    schema = json.loads(vendored.read_text(encoding="utf-8"))
    validator = jsonschema.validators.validator_for(schema)(schema)
    assert [error.message for error in validator.iter_errors(COMPOSE)] == []


@pytest.mark.parametrize("name", SERVICES)
def test_each_service_is_pinned_limited_restarted_and_looked_after(name: str) -> None:
    service = SERVICES[name]
    assert re.search(r":v?\d+\.\d+\.\d+", service["image"]), "an exact version"
    limits = service["deploy"]["resources"]["limits"]
    assert {"cpus", "memory", "pids"} <= limits.keys()
    assert service["restart"] == ("on-failure:5" if name in ONE_SHOT else "unless-stopped")
    check = service["healthcheck"]
    if name in WITHOUT_HEALTH:
        assert check == {"disable": True}
    else:
        assert {"test", "interval", "timeout", "retries", "start_period"} <= check.keys()
    assert service["logging"]["options"]["max-size"]
    assert "container_name" not in service
    assert service["stop_grace_period"]


@pytest.mark.parametrize("name", SERVICES)
def test_each_service_may_do_little(name: str) -> None:
    service = SERVICES[name]
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert not service.get("privileged")
    assert service.get("read_only", False) is (name not in WRITES_ITS_ROOT)
    assert service["networks"]
    assert not service.get("network_mode")


def test_ports_are_of_this_machine_only_and_of_those_who_need_them() -> None:
    published = {n: p for n, service in SERVICES.items() for p in service.get("ports", ())}
    assert published.keys() == {"kafka", "monitor", "prometheus", "grafana"}
    for name, port in published.items():
        assert re.fullmatch(r"127\.0\.0\.1:\$\{\w+:-\d+\}:\d+", port)
        # A network without a way out has no published ports either.
        assert any(not COMPOSE["networks"][n].get("internal") for n in SERVICES[name]["networks"])


def test_only_workers_and_the_monitor_reach_redis() -> None:
    (network,) = SERVICES["redis"]["networks"]
    reach = {name for name, service in SERVICES.items() if network in service["networks"]}
    assert reach == {"redis", "worker", "monitor"}
    assert COMPOSE["networks"][network]["internal"]


def test_who_waits_waits_for_what_there_is() -> None:
    for name, service in SERVICES.items():
        for other, wait in service.get("depends_on", {}).items():
            wanted = "service_completed_successfully" if other in ONE_SHOT else "service_healthy"
            assert wait["condition"] == wanted, (name, other)
            # What runs without a profile cannot wait for what does not.
            assert not set(SERVICES[other].get("profiles", ())) - set(service.get("profiles", ()))


def test_profiles() -> None:
    profiles = {name: service.get("profiles") for name, service in SERVICES.items()}
    assert profiles == {
        **dict.fromkeys(("kafka", "redis", "topics", "worker", "monitor")),
        "simulator": ["demo"],
        "prometheus": ["observability"],
        "grafana": ["observability"],
    }


def test_secrets_come_from_the_environment_and_are_asked_for() -> None:
    text = (ROOT / "docker-compose.yml").read_text(encoding="utf-8")
    assert "${CX_MONITOR__TOKEN:?" in text
    assert "${GRAFANA_ADMIN_PASSWORD:?" in text
    secretive = re.compile(r"(PASSWORD|TOKEN|SECRET|HASH_KEY)$")
    for name, service in SERVICES.items():
        for variable, value in service.get("environment", {}).items():
            if secretive.search(variable):
                assert value is None or str(value).startswith("${"), (name, variable)
    example = (ROOT / ".env.example").read_text(encoding="utf-8")
    offered = dict(re.findall(r"^#?([A-Z][A-Z0-9_]+)=(.*)$", example, re.MULTILINE))
    used = {match[0] for match in _VARIABLE.findall(text)} | {"CX_PRIVACY__HASH_KEY"}
    assert offered.keys() == used
    assert {offered[name] for name in (*GIVEN, "CX_PRIVACY__HASH_KEY")} == {""}
    for name, _, default in _VARIABLE.findall(text):
        assert name in GIVEN or offered[name] == default, name
    assert "/.env" in (ROOT / ".gitignore").read_text(encoding="utf-8").splitlines()


def test_volumes_are_named_or_files_that_there_are() -> None:
    for name, service in SERVICES.items():
        for volume in service.get("volumes", ()):
            source, target, *options = volume.split(":")
            assert target.startswith("/")
            if source.startswith("./"):
                assert (ROOT / source).exists(), (name, source)
                assert options == ["ro"]
            else:
                assert source in COMPOSE["volumes"]
    mounted = {v.split(":")[0] for s in SERVICES.values() for v in s.get("volumes", ())}
    assert set(COMPOSE["volumes"]) <= mounted


@pytest.mark.parametrize("name", OURS)
def test_settings_are_ours_and_good(
    name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    given: dict[str, Any] = SERVICES[name]["environment"]
    for variable, value in given.items():
        assert variable.startswith("CX_")
        if value is not None:
            monkeypatch.setenv(variable, interpolated(str(value)))
    settings = load_settings()  # raises where a variable is not one of ours
    shown = settings.shown()
    for variable, value in given.items():
        section, _, field = variable.removeprefix("CX_").lower().partition("__")
        assert field in shown[section], f"{variable} is read by nobody"
        if field in {"host", "port", "health_host", "health_port", "bootstrap"}:
            assert str(shown[section][field]) == str(value)
    assert settings.kafka.bootstrap == "kafka:9094"
    assert "INTERNAL://:9094" in SERVICES["kafka"]["environment"]["KAFKA_LISTENERS"]


@pytest.mark.parametrize("name", OURS)
def test_commands_are_ours(name: str) -> None:
    service = SERVICES[name]
    words = [interpolated(word) for word in service.get("command", ())]
    if "entrypoint" in service:
        shell, flag, script = service["entrypoint"]
        assert (shell, flag) == ("/bin/sh", "-c")
        run, program, *words = shlex.split(interpolated(script))
        assert (run, program) == ("exec", "cxpulse"), "the worker itself gets the signals"
    shown = CliRunner().invoke(app, [*words, "--help"])
    assert shown.exit_code == 0, shown.output
    for option in (word for word in words if word.startswith("--")):
        assert option in shown.output


def test_health_checks_ask_where_something_listens() -> None:
    worker, monitor = SERVICES["worker"], SERVICES["monitor"]
    port = worker["environment"]["CX_WORKER__HEALTH_PORT"]
    assert f"http://127.0.0.1:{port}/livez" in worker["healthcheck"]["test"][-1]
    assert worker["expose"] == [str(port)]
    port = monitor["environment"]["CX_MONITOR__PORT"]
    assert f"http://127.0.0.1:{port}/livez" in monitor["healthcheck"]["test"][-1]
    assert monitor["ports"][0].endswith(f":{port}")
    for service in (worker, monitor):
        compile(service["healthcheck"]["test"][-1], "healthcheck", "exec")


def test_the_monitor_starts_with_the_token_and_not_without(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable, value in SERVICES["monitor"]["environment"].items():
        if value is not None:
            monkeypatch.setenv(variable, interpolated(str(value)))
    settings = load_settings()
    assert settings.monitor.refusal is None
    assert create_app(settings).title
    assert {"monitor", "127.0.0.1", "localhost"} <= set(settings.monitor.allowed_hosts)
    monkeypatch.setenv("CX_MONITOR__TOKEN", "")
    assert load_settings().monitor.refusal is not None


def test_redis_keeps_counters_and_workers_scale() -> None:
    redis = shlex.join(SERVICES["redis"]["command"])
    assert "--appendonly yes" in redis
    assert "--maxmemory-policy noeviction" in redis
    worker = SERVICES["worker"]
    assert "ports" not in worker
    assert "hostname" not in worker
    assert "$HOSTNAME" in interpolated(worker["entrypoint"][-1])
