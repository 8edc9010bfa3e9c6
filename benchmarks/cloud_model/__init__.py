"""A model of Lambda's pools, in which methods of finding old containers compete."""
