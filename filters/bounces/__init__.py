"""Recognising non-delivery reports, and finding out whom they are about and why."""

from filters.bounces.recognise import Bounce, looks_like_bounce, recognise

__all__ = ["Bounce", "looks_like_bounce", "recognise"]
