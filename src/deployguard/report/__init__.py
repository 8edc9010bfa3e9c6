"""What a run says in the end: pure renderers of one document."""
