"""Real servers from Python packages, for the demo and the tests.

``EmbeddedKafka`` and ``EmbeddedRedis`` start the genuine servers on loopback, keep their data
in a folder of their own, and end with the process that started them, however it ends.
They need the extra ``embedded`` (a Java runtime, Kafka's jars, a redis-server binary).
"""
