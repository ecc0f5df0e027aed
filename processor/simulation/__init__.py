"""Believable events of every type, seeded: for the demo, for load, and for trying out alerts."""

from processor.simulation.incidents import (
    DEFAULT_DURATIONS_S,
    KINDS,
    Incident,
    Kind,
    parse_duration,
    parse_incident,
)
from processor.simulation.pacing import SYSTEM_CLOCK, Clock, SystemClock, encode, paced
from processor.simulation.publish import SimulationError, publish
from processor.simulation.simulator import DEFAULT_MIX, Simulator, simulate

__all__ = [
    "DEFAULT_DURATIONS_S",
    "DEFAULT_MIX",
    "KINDS",
    "SYSTEM_CLOCK",
    "Clock",
    "Incident",
    "Kind",
    "SimulationError",
    "Simulator",
    "SystemClock",
    "encode",
    "paced",
    "parse_duration",
    "parse_incident",
    "publish",
    "simulate",
]
