"""The past of one function: which builds served which share of its invocations, and since when."""
