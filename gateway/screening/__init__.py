"""Screening: filters find out facts, rules turn them into a verdict."""
