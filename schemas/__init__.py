"""The shared vocabulary: events in, readings out. Imports nothing of ours but itself."""
