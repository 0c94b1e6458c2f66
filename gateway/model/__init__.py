"""The nouns of the gateway: values without I/O."""
