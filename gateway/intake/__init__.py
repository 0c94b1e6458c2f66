"""How mail comes in: by SMTP, and the one `receive` that every way of coming in shares."""
