"""Enrolment, imaging history and erasure."""
