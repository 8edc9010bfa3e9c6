"""`deployguard` and `python -m deployguard`."""

import sys

from deployguard import __version__


def main() -> int:
    """Answer --version without reading anything else; hand the rest to the command line."""
    if sys.argv[1:] in (["--version"], ["-V"]):
        sys.stdout.write(f"deployguard {__version__}\n")
        return 0
    try:
        from deployguard import cli

        return cli.main(sys.argv[1:])
    except KeyboardInterrupt:  # before or after the part of a run that has something to put back
        return 130


if __name__ == "__main__":
    sys.exit(main())
