"""What an embedded Kafka is told of its secured listeners."""

import stat
from pathlib import Path

import pytest

from processor.embedded.kafka import EmbeddedKafka
from processor.embedded.listeners import SecureListener
from processor.embedded.server import EmbeddedServerError

KEYSTORE = Path("/keys/broker.pem")


@pytest.mark.parametrize(
    ("listener", "protocol"),
    [
        (SecureListener("A", KEYSTORE, users={"a": "b"}), "SASL_SSL"),
        (SecureListener("A", KEYSTORE), "SSL"),
        (SecureListener("A", users={"a": "b"}), "SASL_PLAINTEXT"),
        (SecureListener("A"), "PLAINTEXT"),
    ],
)
def test_a_listener_is_secured_by_what_it_has(listener: SecureListener, protocol: str) -> None:
    assert listener.protocol == protocol


@pytest.mark.parametrize("name", ["", "lower", "PLAINTEXT", "CONTROLLER", "A,B", "A\n"])
def test_a_name_that_kafka_could_not_use_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="no name for a listener"):
        SecureListener(name)


@pytest.mark.parametrize("word", ["", 'a"b', "a\\b", "a\nb", "a,b", "a]", "é"])
def test_a_password_that_would_break_a_file_is_refused(word: str) -> None:
    with pytest.raises(ValueError, match="letters, digits"):
        SecureListener("A", users={"me": word})
    with pytest.raises(ValueError, match="letters, digits"):
        SecureListener("A", users={word: "x"})


def test_no_password_in_what_is_printed() -> None:
    assert "hush" not in repr(SecureListener("A", users={"me": "hush"}))


def test_a_keystore_that_is_missing_is_said_and_its_file_is_private(tmp_path: Path) -> None:
    missing = tmp_path / "no-such.pem"
    broker = EmbeddedKafka(tmp_path / "data", listeners=[SecureListener("A", missing)])
    with pytest.raises(EmbeddedServerError, match=r"no-such\.pem"):
        broker.start()
    properties = tmp_path / "data" / "server.properties"
    assert stat.S_IMODE(properties.stat().st_mode) == 0o600


def test_every_listener_has_a_port_of_its_own_for_good() -> None:
    broker = EmbeddedKafka(listeners=[SecureListener("A"), SecureListener("B", host="broker")])
    addresses = [broker.bootstrap, broker.bootstrap_of("A"), broker.bootstrap_of("B")]
    assert addresses == [broker.bootstrap, broker.bootstrap_of("A"), broker.bootstrap_of("B")]
    assert len({address.rpartition(":")[2] for address in addresses}) == 3
    assert addresses[1].startswith("localhost:")
    assert addresses[2].startswith("broker:")
