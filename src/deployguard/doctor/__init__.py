"""The preflight: what would stand in a command's way, looked at before anything is written."""
