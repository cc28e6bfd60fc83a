"""`python -m zbtrio` is the command `zbtrio`."""

import sys

from zbtrio.cli.main import main

sys.exit(main())
