"""The tables for mailboxes that are watched over IMAP."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "imap_account",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("owner", sa.Text(), nullable=True),
        sa.Column("lease_until", sa.BigInteger(), nullable=True),
        sa.Column("state", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_imap_account")),
    )
    op.create_table(
        "imap_folder",
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("folder", sa.Text(), nullable=False),
        sa.Column("uidvalidity", sa.BigInteger(), nullable=False),
        sa.Column("next_uid", sa.BigInteger(), nullable=False),
        sa.Column("first_uid", sa.BigInteger(), nullable=False),
        sa.Column("since", sa.BigInteger(), nullable=True),
        sa.Column("renumbered", sa.Boolean(), nullable=False),
        sa.Column("seen_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("account", "folder", name=op.f("pk_imap_folder")),
    )
    op.create_table(
        "imap_mail",
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("folder", sa.Text(), nullable=False),
        sa.Column("uidvalidity", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("uid", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("message", sa.Text(), nullable=True),
        sa.Column("sha256", sa.LargeBinary(), nullable=True),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("target", sa.Text(), nullable=False),
        sa.Column("keyword", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("next_at", sa.BigInteger(), nullable=False),
        sa.Column("new_uid", sa.BigInteger(), nullable=True),
        sa.Column("note", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("account", "folder", "uidvalidity", "uid", name=op.f("pk_imap_mail")),
    )
    op.create_index(op.f("ix_imap_mail_account_sha256"), "imap_mail", ["account", "sha256"], unique=False)
    op.create_index(
        op.f("ix_imap_mail_account_state_next_at"), "imap_mail", ["account", "state", "next_at"], unique=False
    )
    op.create_index(op.f("ix_imap_mail_message"), "imap_mail", ["message"], unique=False)


def downgrade() -> None:
    op.drop_index(op.f("ix_imap_mail_message"), table_name="imap_mail")
    op.drop_index(op.f("ix_imap_mail_account_state_next_at"), table_name="imap_mail")
    op.drop_index(op.f("ix_imap_mail_account_sha256"), table_name="imap_mail")
    op.drop_table("imap_mail")
    op.drop_table("imap_folder")
    op.drop_table("imap_account")
