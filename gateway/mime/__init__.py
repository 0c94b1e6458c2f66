"""Mail bytes to decoded text, lazily and within limits; nothing here changes or re-serialises a message."""
