"""Step Functions' executions: an interpreter of state machines, and the API that tells of them."""
