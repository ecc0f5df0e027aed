"""The faults that the processor survives: each injected for real, the counts compared by ``==``."""
