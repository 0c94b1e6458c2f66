"""The migrations of the database, run by alembic through `gateway.store.schema`."""
