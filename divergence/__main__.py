"""`python -m divergence` is the command."""

import sys

from divergence.cli import main

sys.exit(main())
