"""Sekisho: a mail gateway that screens customer mail, answers it, keeps it as evidence and passes it on."""
