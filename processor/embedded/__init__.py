"""Real servers from Python packages, for the demo and the tests."""
