"""Lets Alembic write a migration's SQL; knows no database: our own drivers run what it wrote."""

from alembic import context

context.configure(
    dialect_name=context.config.attributes["dialect"],
    output_buffer=context.config.attributes["script"],
    transactional_ddl=False,  # the transaction is the caller's, so that a killed migration leaves nothing
)
context.run_migrations()
