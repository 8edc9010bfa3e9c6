"""The lab's Lambda control plane: functions, versions, aliases and what hangs on them."""
