"""What the Kafka settings refuse, before anything is connected, and what they never show."""

import json
from pathlib import Path

import pytest
from pydantic import ValidationError

from processor.cli import main
from processor.settings import ConfigurationError, KafkaSettings, load_settings

SECRET = "hush-hush"
USER = {"USERNAME": "me", "PASSWORD": SECRET}

REFUSED: list[tuple[dict[str, str], str]] = [
    # credentials that would go nowhere, or in plaintext
    (USER, 'username and password would not be used with security = "plaintext": set security ='),
    ({"PASSWORD": SECRET}, 'password would not be used with security = "plaintext"'),
    ({"SECURITY": "tls", **USER}, 'would not be used with security = "tls"'),
    ({"SECURITY": "sasl_plaintext", **USER}, "allow_plaintext_credentials = true"),
    # SASL without them
    ({"SECURITY": "sasl_tls"}, 'security = "sasl_tls" needs username and password'),
    ({"SECURITY": "sasl_tls", "USERNAME": "me"}, 'security = "sasl_tls" needs password'),
    ({"SECURITY": "sasl_tls", "PASSWORD": SECRET}, 'security = "sasl_tls" needs username'),
    (
        {"SECURITY": "sasl_plaintext", "ALLOW_PLAINTEXT_CREDENTIALS": "true"},
        "needs username and password",
    ),
    ({"SECURITY": "sasl_tls", "USERNAME": "me", "PASSWORD": ""}, "kafka.password"),
    # files
    ({"SECURITY": "tls", "CA_FILE": "/no/ca.pem"}, "kafka.ca_file: /no/ca.pem is not a file"),
    ({"SECURITY": "tls", "CERT_FILE": "/no/c.pem"}, "kafka.cert_file: /no/c.pem is not a file"),
    ({"SECURITY": "tls", "KEY_FILE": "/no/k.pem"}, "kafka.key_file: /no/k.pem is not a file"),
    ({"SECURITY": "tls", "KEY_FILE": __file__}, "set cert_file"),
    ({"SECURITY": "tls", "KEY_PASSWORD": SECRET}, "set cert_file"),
    # TLS settings without TLS: somebody believes in what is not there
    ({"CA_FILE": __file__}, 'ca_file would not be used with security = "plaintext"'),
    ({"CERT_FILE": __file__, "KEY_FILE": __file__}, "cert_file and key_file would not be used"),
    ({"CHECK_HOSTNAME": "false"}, "check_hostname = false would not be used"),
    (
        {
            "SECURITY": "sasl_plaintext",
            "ALLOW_PLAINTEXT_CREDENTIALS": "true",
            "CA_FILE": __file__,
            **USER,
        },
        'ca_file would not be used with security = "sasl_plaintext": set security = "sasl_tls"',
    ),
    # words that are none
    ({"SECURITY": "ssl"}, "kafka.security: "),
    ({"SECURITY": "sasl_tls", "SASL_MECHANISM": "GSSAPI", **USER}, "kafka.sasl_mechanism: "),
    # time-outs that Kafka's clients do not take together
    ({"SESSION_TIMEOUT_S": "40"}, "that not above request_timeout_s"),
    ({"HEARTBEAT_INTERVAL_S": "20"}, "heartbeat_interval_s must be below session_timeout_s"),
]


@pytest.mark.parametrize(("settings", "says"), REFUSED, ids=str)
def test_what_does_not_fit_together_is_refused_in_one_line(
    settings: dict[str, str],
    says: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for name, value in settings.items():
        monkeypatch.setenv(f"CX_KAFKA__{name}", value)
    assert main(["worker"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: configuration: kafka")
    assert says in line
    assert SECRET not in line


def test_no_error_of_the_settings_quotes_a_secret() -> None:
    given = {"username": "me", "password": SECRET, "key_password": SECRET}
    with pytest.raises(ValidationError) as refused:
        KafkaSettings.model_validate(given)
    assert SECRET not in str(refused.value)
    with pytest.raises(ConfigurationError) as unusable:
        load_settings(kafka=given)
    assert SECRET not in str(unusable.value)


@pytest.mark.parametrize("as_json", [False, True])
def test_the_configuration_is_shown_without_secrets(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *, as_json: bool
) -> None:
    for name, value in {
        "SECURITY": "sasl_tls",
        "CA_FILE": __file__,
        "CERT_FILE": __file__,
        "KEY_PASSWORD": SECRET,
        **USER,
    }.items():
        monkeypatch.setenv(f"CX_KAFKA__{name}", value)
    assert main(["config", *(["--json"] if as_json else [])]) == 0
    out = capsys.readouterr().out
    assert SECRET not in out
    if as_json:
        kafka = json.loads(out)["kafka"]
        assert (kafka["security"], kafka["username"], kafka["ca_file"]) == (
            "sasl_tls",
            "me",
            __file__,
        )
    assert SECRET not in repr(load_settings())


def test_what_config_prints_can_be_read_again_but_for_the_secrets(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, value in {"SECURITY": "sasl_tls", **USER}.items():
        monkeypatch.setenv(f"CX_KAFKA__{name}", value)
    assert main(["config"]) == 0
    file = tmp_path / "cxpulse.toml"
    file.write_text(capsys.readouterr().out)
    monkeypatch.setenv("CX_CONFIG", str(file))
    assert load_settings().kafka.password is not None
    # A row of asterisks must not be taken for the password.
    monkeypatch.delenv("CX_KAFKA__PASSWORD")
    with pytest.raises(ConfigurationError, match="needs password"):
        load_settings()
