"""`deployguard` and `python -m deployguard`."""

import gc
import sys

from deployguard import __version__

OBJECTS = 100_000  # made between two looks for garbage: imports and AWS's models leave none


def main() -> int:
    """Answer --version without reading anything else; hand the rest to the command line."""
    if sys.argv[1:] in (["--version"], ["-V"]):
        sys.stdout.write(f"deployguard {__version__}\n")
        return 0
    gc.set_threshold(OBJECTS)
    try:
        from deployguard import cli

        return cli.main(sys.argv[1:])
    except KeyboardInterrupt:  # before or after the part of a run that has something to put back
        return 130


if __name__ == "__main__":
    sys.exit(main())
