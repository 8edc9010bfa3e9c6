"""Where traffic really goes: who calls a function, by which qualifier, reaching which build."""
