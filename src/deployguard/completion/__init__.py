"""Scripts that complete words of `deployguard` in a shell; `make docs` writes them."""

from __future__ import annotations

from importlib import resources

SHELLS = ("bash", "zsh", "fish")


def script(shell: str) -> str:
    """Return the script of a shell."""
    return (resources.files(__name__) / f"deployguard.{shell}").read_text(encoding="utf-8")
