"""``python -m recordfs.cli`` is the command line."""

import sys

from recordfs.cli import main

sys.exit(main())
