"""The simulator: repeatable, believable, and wrong only where it is told to be."""
