"""What a bundle brings along to be checked without Sekisho; `verify.py` is also how Sekisho itself checks bundles."""
