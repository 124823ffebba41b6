"""`python -m tfcompress` is the `tfcompress` command."""

import sys

from tfcompress.cli.main import main

sys.exit(main())
