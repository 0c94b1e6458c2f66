"""The proof that the log is whole: checkpoints and verification."""
