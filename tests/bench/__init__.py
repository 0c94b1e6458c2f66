"""Measurements against Postfix and Postfix with rspamd, in one run and in turns; `make bench`."""
