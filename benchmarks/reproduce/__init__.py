"""``make reproduce``: trains and measures every bundle and its rivals in steps, and writes ``docs/reproduction.md``."""
