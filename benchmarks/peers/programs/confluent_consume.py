"""What librdkafka alone takes to read the log, through its Python client.

``python confluent_consume.py BOOTSTRAP TOPIC EVENTS``.
"""

import sys
import uuid

from confluent_kafka import Consumer
from measured import Measured


def main() -> None:
    """Read, and do nothing with it but to look whether it is an error."""
    bootstrap, topic, events = sys.argv[1], sys.argv[2], int(sys.argv[3])
    measured = Measured(events)
    consumer = Consumer(
        {
            "bootstrap.servers": bootstrap,
            "group.id": f"confluent-consume-{uuid.uuid4().hex[:8]}",
            "auto.offset.reset": "earliest",
        }
    )
    # It reads ahead in threads of its own, long before the first call returns.
    consumer.subscribe([topic], on_assign=lambda *_: measured.begin())
    read = 0
    while read < events:
        messages = consumer.consume(num_messages=5000, timeout=1.0)
        read += sum(message.error() is None for message in messages)
    measured.end()
    consumer.close()
    measured.say()


if __name__ == "__main__":
    main()
