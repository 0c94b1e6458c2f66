"""Alembic's entry: runs on the connection, and in the transaction, that `gateway.store.schema` hands over."""

from alembic import context

from gateway.store.tables import metadata

connection = context.config.attributes.get("connection")
if connection is None:
    raise SystemExit("run `sekisho db upgrade`; alembic's own command does not know the database")

# One transaction around everything is already begun; both databases can undo DDL in it.
context.configure(connection=connection, target_metadata=metadata, transactional_ddl=True, render_as_batch=False)
context.run_migrations()
