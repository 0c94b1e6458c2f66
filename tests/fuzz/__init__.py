"""Coverage-guided fuzzing, run by `make fuzz`, never by `make test`."""
