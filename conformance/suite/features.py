"""Which parts of SQLAlchemy's tests make sense here: what its dialect, or this endpoint by design, does not have."""

from sqlalchemy.testing import exclusions
from sqlalchemy.testing.requirements import SuiteRequirements


def no(reason):
    """A requirement that is not met."""
    return property(lambda self: exclusions.closed(reason))


# What SQLAlchemy tries only where it is said to be there: SQL Server has all of it.
THERE = """
    aggregate_order_by autocommit cast_precision_numerics_many_significant_digits comment_reflection
    comment_reflection_full_unicode computed_columns computed_columns_stored computed_columns_virtual
    computed_columns_reflect_persisted create_or_replace_view create_table_as
    cross_schema_fk_reflection ctes ctes_with_update_delete datetime_literals dbapi_lastrowid emulated_lastrowid except_
    expression_server_defaults fetch_expression fetch_first fetch_percent fetch_ties
    fk_constraint_option_reflection_ondelete_noaction float_or_double_precision_behaves_generically
    foreign_key_constraint_name_reflection foreign_key_constraint_option_reflection_ondelete
    foreign_key_constraint_option_reflection_onupdate identity_columns
    indexes_check_column_order intersect isolation_level json_array_indexes json_type mod_operator_as_percent_sign
    nvarchar_types order_by_collation percent_schema_names precision_numerics_enotation_small
    precision_numerics_many_significant_digits precision_numerics_retains_significant_digits reflects_pk_names savepoints
    schema_create_delete schemas server_defaults skip_autocommit_rollback supports_bitwise_and supports_bitwise_not
    supports_bitwise_or supports_bitwise_xor table_value_constructor
    unique_constraints_reflect_as_index update_from view_column_reflection view_reflection views window_functions
"""


class Features(SuiteRequirements):
    # SQLAlchemy's dialect for SQL Server has none of these, as its own list of requirements says.
    check_constraint_reflection = no("not in the dialect")
    inline_check_constraint_reflection = no("not in the dialect")
    unique_constraint_reflection = no("not in the dialect")
    unicode_data_no_special_types = no("varchar has the characters of code page 1252 only")
    datetime_microseconds = no("datetime has three-hundredths of a second")

    # The endpoint says so in its list of T-SQL.
    temp_table_reflection = no("no tempdb, no global temporary tables (##)")
    temp_table_names = no("no tempdb, no global temporary tables (##)")
    has_temp_table = no("no tempdb, no global temporary tables (##)")
    sequences = no("no sequences")
    sequences_optional = no("no sequences")
    supports_bitwise_shift = no("<< and >> are no operators here")
    index_reflects_included_columns = no("the catalog does not list INCLUDE columns")
    create_temp_table_as = no("no tempdb, no global temporary tables (##)")

    def get_order_by_collation(self, config):
        return "Latin1_General_CI_AS"


for name in THERE.split():
    setattr(Features, name, property(lambda self: exclusions.open()))
