"""``python -m codeanatomy_distro.cli``."""

from __future__ import annotations

import sys

from codeanatomy_distro.cli import main

sys.exit(main())
