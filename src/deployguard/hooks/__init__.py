"""What other services call while they deploy."""
