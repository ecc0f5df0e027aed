"""Kafka as people run it: TLS, certificates and passwords, on a real broker."""

import json
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest
from faust.auth import SASLCredentials, SSLCredentials
from faust.types.auth import AuthProtocol

from processor.cli import checks, main
from processor.settings import KafkaSettings
from processor.streaming import refusal as refusals
from processor.streaming.security import broker_credentials, security_options
from tests.cli.commands import run
from tests.harness.kafka import Record, read_all, send
from tests.harness.secured import KEY_PASSWORD, PASSWORD, SecuredKafka, secured_kafka
from tests.harness.state import StoredState
from tests.harness.waiting import PATIENCE, eventually
from tests.harness.worker import Deployment, WorkerProcess
from tests.streaming.owning import answer

pytestmark = pytest.mark.timeout(240)


@pytest.fixture(scope="module")
def secured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SecuredKafka]:
    with secured_kafka(tmp_path_factory.mktemp("certificates")) as kafka:
        yield kafka


@pytest.fixture
def deployment(
    secured: SecuredKafka, redis_url: str, topic_prefix: str, redis_prefix: str
) -> Deployment:
    """The test's own clients use the plain listener; workers what their settings say."""
    return Deployment(
        bootstrap=secured.broker.bootstrap,
        redis_url=redis_url,
        topic_prefix=topic_prefix,
        redis_prefix=redis_prefix.rstrip(":"),
    )


@pytest.mark.parametrize(
    ("listener", "over"),
    [
        ("SASL_TLS", {"SASL_MECHANISM": "SCRAM-SHA-512"}),
        ("SASL_TLS", {"SASL_MECHANISM": "PLAIN"}),
        ("MUTUAL_TLS", {}),
    ],
    ids=str,
)
async def test_a_worker_counts_publishes_and_refuses_over_a_secured_listener(  # noqa: PLR0917 - a table and fixtures
    listener: str,
    over: dict[str, str],
    secured: SecuredKafka,
    deployment: Deployment,
    state: StoredState,
    tmp_path: Path,
) -> None:
    topic = deployment.topic("survey-response")
    with WorkerProcess(deployment, tmp_path, settings=secured.settings(listener, **over)) as worker:
        await worker.until_ready()
        good = [Record(topic, b"%d" % n, answer(n)) for n in range(100)]
        await send(deployment, [*good, Record(topic, b"bad", b"{")])

        async def published() -> list[int]:
            rows = await read_all(
                deployment, deployment.readings_topic, isolation_level="read_committed"
            )
            readings = (json.loads(row.value) for row in rows if row.key == b"nps|1h|all")
            return [reading["n"] for reading in readings]

        await eventually(published, lambda n: n[-1:] == [100], what="the reading of all answers")
        await eventually(
            lambda: state.stat("rejected"), lambda n: n == 1, what="the refused record"
        )
        (letter,) = await read_all(deployment, f"{topic}.dlq")
        code, _ = worker.terminate(within_s=30)
    assert (letter.key, letter.value) == (b"bad", b"{")
    assert code == 0
    assert await state.stat("counted") == 100
    log = worker.log_file.read_text()
    assert "Traceback" not in log
    assert PASSWORD not in log
    assert KEY_PASSWORD not in log


REFUSED = [
    # listener, what is set otherwise, what the line says
    ("SASL_TLS", {"PASSWORD": "wrong-one"}, "refuses the user or password: correct kafka.username"),
    ("SASL_TLS", {"USERNAME": "nobody"}, "refuses the user or password"),
    (
        "SASL_TLS",
        {"PASSWORD": "wrong-one", "SASL_MECHANISM": "PLAIN"},
        "kafka.sasl_mechanism, which is PLAIN",
    ),
    ("SASL_PLAIN", {"PASSWORD": "wrong-one"}, "refuses the user or password"),
    ("SASL_TLS", {"CA_FILE": "<stranger>"}, "is not trusted"),
    ("SASL_TLS", {"CA_FILE": None}, "set kafka.ca_file"),
    ("SASL_TLS", {"BOOTSTRAP": "<by address>"}, "has a certificate for another name"),
    ("MISNAMED", {"BOOTSTRAP": "<by name>"}, "the listeners that the brokers advertise"),
    ("EXPIRED", {}, "has a certificate that is not valid now (certificate has expired)"),
    (
        "SASL_TLS",
        {"SECURITY": None, "CA_FILE": None, "USERNAME": None, "PASSWORD": None},
        "closes the connection: kafka.security is plaintext (neither TLS nor credentials)",
    ),
    (
        "SASL_TLS",
        {"SECURITY": "tls", "USERNAME": None, "PASSWORD": None},
        "kafka.security is tls (TLS without credentials)",
    ),
    ("SASL_TLS", {"BOOTSTRAP": "<plain>"}, "kafka.security is sasl_tls (TLS with credentials)"),
    ("SASL_PLAIN", {"BOOTSTRAP": "<plain>"}, "asks for no credentials on this port"),
    (
        "MUTUAL_TLS",
        {"CERT_FILE": None, "KEY_FILE": None, "KEY_PASSWORD": None},
        "certificate required): see kafka.cert_file",
    ),
    ("MUTUAL_TLS", {"KEY_PASSWORD": None}, "kafka.key_password if the key is encrypted"),
    ("MUTUAL_TLS", {"KEY_PASSWORD": "under the stone"}, "kafka.key_file: "),
    ("MUTUAL_TLS", {"KEY_FILE": "<another>"}, "key values mismatch"),
    ("SASL_TLS", {"CA_FILE": "<broken>"}, "kafka.ca_file: "),
]


@pytest.mark.parametrize(("listener", "over", "says"), REFUSED, ids=str)
def test_who_is_not_let_in_is_told_why_in_one_line(  # noqa: PLR0917 - a table and its fixtures
    listener: str,
    over: dict[str, str | None],
    says: str,
    secured: SecuredKafka,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "broken.pem").write_text("-----BEGIN CERTIFICATE-----\nnonsense\n")
    port = secured.broker.bootstrap_of(listener).rpartition(":")[2]
    stands_for = {
        "<stranger>": str(secured.stranger.file),
        "<by address>": f"127.0.0.1:{port}",
        "<by name>": f"localhost:{port}",
        "<plain>": secured.broker.bootstrap,
        "<another>": str(secured.client.key),
        "<broken>": str(tmp_path / "broken.pem"),
    }
    meant = {name: stands_for.get(value or "", value) for name, value in over.items()}
    for name, value in secured.settings(listener, **meant).items():
        monkeypatch.setenv(f"CX_{name}", value)
    monkeypatch.setattr(refusals, "_PATIENCE_S", refusals._PATIENCE_S * PATIENCE)
    assert main(["topics", "create"]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    (line,) = err.splitlines()
    assert line.startswith("error: ")
    assert says in line
    for secret in (PASSWORD, KEY_PASSWORD, "wrong-one", "under the stone"):
        assert secret not in line


@pytest.mark.parametrize(
    "command", [["worker"], ["worker", "--wait", "600s"], ["doctor"], ["simulate"]], ids=" ".join
)
@pytest.mark.parametrize("wrong", ["PASSWORD", "CA_FILE"])
def test_every_command_gives_up_at_once_with_exit_code_1(
    command: list[str], wrong: str, secured: SecuredKafka, redis_url: str
) -> None:
    value = {"PASSWORD": "wrong-one", "CA_FILE": str(secured.stranger.file)}[wrong]
    settings = secured.settings("SASL_TLS", **{wrong: value})
    env = {f"CX_{name}": text for name, text in settings.items()}
    # It would wait for ten minutes where waiting could help, and `run` less.
    ended = run(*command, env={**env, "CX_REDIS__URL": redis_url})
    assert ended.returncode == 1
    said = [line for line in (ended.stdout + ended.stderr).splitlines() if "Kafka at" in line]
    expected = {"PASSWORD": "refuses the user or password", "CA_FILE": "is not trusted"}[wrong]
    (line,) = said
    assert expected in line
    assert "Traceback" not in ended.stderr
    assert "wrong-one" not in ended.stdout + ended.stderr
    if command != ["doctor"]:
        assert ended.stderr.splitlines() == said


def test_the_doctor_is_content_over_a_secured_listener(
    secured: SecuredKafka,
    deployment: Deployment,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for name, value in secured.settings("SASL_TLS").items():
        monkeypatch.setenv(f"CX_{name}", value)
    monkeypatch.setenv("CX_KAFKA__TOPIC_PREFIX", deployment.topic_prefix)
    monkeypatch.setenv("CX_KAFKA__READINGS_TOPIC", deployment.readings_topic)
    monkeypatch.setenv("CX_REDIS__URL", deployment.redis_url)
    monkeypatch.setenv("CX_ALERTING__TOPIC", deployment.alerts_topic)
    assert main(["simulate", "--duration", "1s", "--rate", "50", "--steady"]) == 0
    assert main(["topics", "create"]) == 0
    monkeypatch.setattr(checks, "_PATIENCE_S", checks._PATIENCE_S * PATIENCE)
    capsys.readouterr()
    assert main(["doctor"]) == 0
    out, _ = capsys.readouterr()
    assert f"{secured.broker.bootstrap_of('SASL_TLS')} answers" in out


def test_faust_and_aiokafka_are_told_the_same(secured: SecuredKafka) -> None:
    sasl = KafkaSettings.model_validate(
        {
            "security": "sasl_tls",
            "username": "me",
            "password": PASSWORD,
            "ca_file": secured.authority.file,
            "sasl_mechanism": "PLAIN",
        }
    )
    options, credentials = security_options(sasl), broker_credentials(sasl)
    assert isinstance(credentials, SASLCredentials)
    assert credentials.protocol is AuthProtocol.SASL_SSL
    assert credentials.protocol.value == options["security_protocol"]
    assert credentials.mechanism.value == options["sasl_mechanism"] == "PLAIN"
    assert credentials.username == options["sasl_plain_username"] == "me"
    assert credentials.password == options["sasl_plain_password"] == PASSWORD
    for context in (credentials.ssl_context, options["ssl_context"]):
        assert isinstance(context, ssl.SSLContext)
        assert context.verify_mode is ssl.CERT_REQUIRED
        assert context.check_hostname
        assert len(context.get_ca_certs()) == 1

    tls = KafkaSettings(security="tls", ca_file=secured.authority.file, check_hostname=False)
    credentials = broker_credentials(tls)
    assert isinstance(credentials, SSLCredentials)
    assert credentials.context.verify_mode is ssl.CERT_REQUIRED
    assert not credentials.context.check_hostname

    assert broker_credentials(KafkaSettings()) is None
    assert security_options(KafkaSettings()) == {"security_protocol": "PLAINTEXT"}
