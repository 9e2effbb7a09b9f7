"""The stand-in bundles of the folder above serve here too."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))
