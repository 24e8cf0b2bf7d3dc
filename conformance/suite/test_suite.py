"""The tests themselves, for pytest to find."""

from sqlalchemy.testing.suite import *  # noqa: F403
