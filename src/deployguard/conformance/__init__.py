"""Whether an implementation of the canary, in any language, keeps to the protocol."""
