"""The table of the orders that mail names."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "message_order",
        sa.Column("message", sa.Text(), nullable=False),
        sa.Column("order_key", sa.Text(), nullable=False),
        sa.Column("sender", sa.Text(), nullable=False),
        sa.Column("complaint", sa.LargeBinary(), nullable=True),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["message"], ["message.id"], name=op.f("fk_message_order_message")),
        sa.PrimaryKeyConstraint("message", "order_key", name=op.f("pk_message_order")),
    )
    op.create_index(op.f("ix_message_order_order_key_sender"), "message_order", ["order_key", "sender"], unique=False)


def downgrade() -> None:
    op.drop_index(op.f("ix_message_order_order_key_sender"), table_name="message_order")
    op.drop_table("message_order")
