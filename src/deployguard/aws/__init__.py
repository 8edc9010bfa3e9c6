"""The edge to AWS: the only place that knows botocore, the wire, and AWS's names for things."""
