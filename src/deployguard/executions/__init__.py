"""What happened in executions of Step Functions: which builds ran, and why one failed."""
