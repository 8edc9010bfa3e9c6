"""deployguard proves that the code a team just shipped is the code that runs."""

__version__ = "0.1.0"
