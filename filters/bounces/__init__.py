"""Recognising non-delivery reports, and finding out whom they are about and why."""

from filters.bounces.bounce import Bounce
from filters.bounces.recognise import looks_like_bounce, recognise

__all__ = ["Bounce", "looks_like_bounce", "recognise"]
