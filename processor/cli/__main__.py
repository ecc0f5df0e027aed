"""``python -m processor.cli``: the same as ``cxpulse``, where that is not on the path."""

import sys

from processor.cli import main

sys.exit(main())
