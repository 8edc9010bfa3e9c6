"""Many functions at once: who they are, who checks them when, and what they do together."""
