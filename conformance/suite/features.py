"""Which parts of SQLAlchemy's tests make sense here: what its dialect, or this endpoint by design, does not have."""

from sqlalchemy.testing import exclusions
from sqlalchemy.testing.requirements import SuiteRequirements


def no(reason):
    """A requirement that is not met."""
    return property(lambda self: exclusions.closed(reason))


class Features(SuiteRequirements):
    # SQLAlchemy's dialect for SQL Server has none of these, as its own list of requirements says.
    check_constraint_reflection = no("not in the dialect")
    inline_check_constraint_reflection = no("not in the dialect")
    unique_constraint_reflection = no("not in the dialect")
    unique_constraints_reflect_as_index = property(lambda self: exclusions.open())
    unicode_data_no_special_types = no("varchar has the characters of code page 1252 only")
    datetime_microseconds = no("datetime has three-hundredths of a second")

    reflects_pk_names = property(lambda self: exclusions.open())
    views = property(lambda self: exclusions.open())
    view_reflection = property(lambda self: exclusions.open())
    schemas = property(lambda self: exclusions.open())
    comment_reflection = property(lambda self: exclusions.open())
    comment_reflection_full_unicode = property(lambda self: exclusions.open())

    # The endpoint says so in its list of T-SQL.
    temp_table_reflection = no("no tempdb, no global temporary tables (##)")
    temp_table_names = no("no tempdb, no global temporary tables (##)")
    has_temp_table = no("no tempdb, no global temporary tables (##)")
    sequences = no("no sequences")
    sequences_optional = no("no sequences")
