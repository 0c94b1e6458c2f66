"""The tables of the first version."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "checkpoint",
        sa.Column("size", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("root", sa.LargeBinary(), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("size", name=op.f("pk_checkpoint")),
    )
    op.create_table(
        "log",
        sa.Column("seq", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("leaf", sa.LargeBinary(), nullable=False),
        sa.Column("salt", sa.LargeBinary(), nullable=True),
        sa.Column("record", sa.Text(), nullable=True),
        sa.Column("message", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("seq", name=op.f("pk_log")),
    )
    op.create_index(op.f("ix_log_kind_at"), "log", ["kind", "at"], unique=False)
    op.create_index(op.f("ix_log_message"), "log", ["message"], unique=False)
    op.create_table(
        "log_block",
        sa.Column("block", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("block", name=op.f("pk_log_block")),
    )
    op.create_table(
        "log_state",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("frontier", sa.LargeBinary(), nullable=False),
        sa.Column("origin", sa.Text(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_log_state")),
    )
    op.create_table(
        "message",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("direction", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("about", sa.Text(), nullable=True),
        sa.Column("received_at", sa.BigInteger(), nullable=False),
        sa.Column("sha256", sa.LargeBinary(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("mail_from", sa.Text(), nullable=False),
        sa.Column("sender", sa.Text(), nullable=False),
        sa.Column("recipients", sa.Text(), nullable=False),
        sa.Column("peer_ip", sa.Text(), nullable=True),
        sa.Column("origin_ip", sa.Text(), nullable=True),
        sa.Column("subject", sa.Text(), nullable=True),
        sa.Column("from_header", sa.Text(), nullable=True),
        sa.Column("message_id", sa.Text(), nullable=True),
        sa.Column("trace", sa.LargeBinary(), nullable=False),
        sa.Column("facts", sa.Text(), nullable=False),
        sa.Column("verdict", sa.Text(), nullable=False),
        sa.Column("then", sa.Text(), nullable=False),
        sa.Column("rule", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("reply", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_message")),
        sa.UniqueConstraint("seq", name=op.f("uq_message_seq")),
    )
    op.create_index(op.f("ix_message_about"), "message", ["about"], unique=False)
    op.create_index(op.f("ix_message_message_id"), "message", ["message_id"], unique=False)
    op.create_index(op.f("ix_message_origin_ip"), "message", ["origin_ip"], unique=False)
    op.create_index(op.f("ix_message_received_at"), "message", ["received_at"], unique=False)
    op.create_index(op.f("ix_message_sender_received_at"), "message", ["sender", "received_at"], unique=False)
    op.create_index(op.f("ix_message_sha256"), "message", ["sha256"], unique=False)
    op.create_index(op.f("ix_message_state_received_at"), "message", ["state", "received_at"], unique=False)
    op.create_table(
        "person",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_person")),
    )
    op.create_index(op.f("ix_person_name"), "person", ["name"], unique=False)
    op.create_table(
        "reply",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("address", sa.Text(), nullable=False),
        sa.Column("template", sa.Text(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("about", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_reply")),
    )
    op.create_index(op.f("ix_reply_about"), "reply", ["about"], unique=False)
    op.create_index(op.f("ix_reply_address_at"), "reply", ["address", "at"], unique=False)
    op.create_index(op.f("ix_reply_at"), "reply", ["at"], unique=False)
    op.create_table(
        "sender_origin",
        sa.Column("sender", sa.Text(), nullable=False),
        sa.Column("ip", sa.Text(), nullable=False),
        sa.Column("first_at", sa.BigInteger(), nullable=False),
        sa.Column("last_at", sa.BigInteger(), nullable=False),
        sa.Column("mails", sa.BigInteger(), nullable=False),
        sa.Column("trust", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("sender", "ip", name=op.f("pk_sender_origin")),
    )
    op.create_index(op.f("ix_sender_origin_ip"), "sender_origin", ["ip"], unique=False)
    op.create_table(
        "setting",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_setting")),
    )
    op.create_table(
        "block_entry",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("who", sa.Text(), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.Column("watched", sa.Boolean(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("person", sa.Text(), nullable=True),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("until", sa.BigInteger(), nullable=True),
        sa.Column("ended_at", sa.BigInteger(), nullable=True),
        sa.Column("end_reason", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["person"], ["person.id"], name=op.f("fk_block_entry_person")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_block_entry")),
    )
    op.create_index(op.f("ix_block_entry_seq"), "block_entry", ["seq"], unique=False)
    op.create_index(op.f("ix_block_entry_value"), "block_entry", ["value"], unique=False)
    op.create_index(op.f("ix_block_entry_who"), "block_entry", ["who"], unique=False)
    op.create_table(
        "body",
        sa.Column("message", sa.Text(), nullable=False),
        sa.Column("zstd", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["message"], ["message.id"], name=op.f("fk_body_message")),
        sa.PrimaryKeyConstraint("message", name=op.f("pk_body")),
    )
    op.create_table(
        "queue",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("message", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("target", sa.Text(), nullable=False),
        sa.Column("mail_from", sa.Text(), nullable=False),
        sa.Column("recipients", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("next_at", sa.BigInteger(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("crashes", sa.Integer(), nullable=False),
        sa.Column("owner", sa.Text(), nullable=True),
        sa.Column("lease_until", sa.BigInteger(), nullable=True),
        sa.Column("last_error", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["message"], ["message.id"], name=op.f("fk_queue_message")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_queue")),
    )
    op.create_index(op.f("ix_queue_created_at"), "queue", ["created_at"], unique=False)
    op.create_index(op.f("ix_queue_message"), "queue", ["message"], unique=False)
    op.create_index(op.f("ix_queue_state_next_at"), "queue", ["state", "next_at"], unique=False)


def downgrade() -> None:
    op.drop_index(op.f("ix_queue_state_next_at"), table_name="queue")
    op.drop_index(op.f("ix_queue_message"), table_name="queue")
    op.drop_index(op.f("ix_queue_created_at"), table_name="queue")
    op.drop_table("queue")
    op.drop_table("body")
    op.drop_index(op.f("ix_block_entry_who"), table_name="block_entry")
    op.drop_index(op.f("ix_block_entry_value"), table_name="block_entry")
    op.drop_index(op.f("ix_block_entry_seq"), table_name="block_entry")
    op.drop_table("block_entry")
    op.drop_table("setting")
    op.drop_index(op.f("ix_sender_origin_ip"), table_name="sender_origin")
    op.drop_table("sender_origin")
    op.drop_index(op.f("ix_reply_at"), table_name="reply")
    op.drop_index(op.f("ix_reply_address_at"), table_name="reply")
    op.drop_index(op.f("ix_reply_about"), table_name="reply")
    op.drop_table("reply")
    op.drop_index(op.f("ix_person_name"), table_name="person")
    op.drop_table("person")
    op.drop_index(op.f("ix_message_state_received_at"), table_name="message")
    op.drop_index(op.f("ix_message_sha256"), table_name="message")
    op.drop_index(op.f("ix_message_sender_received_at"), table_name="message")
    op.drop_index(op.f("ix_message_received_at"), table_name="message")
    op.drop_index(op.f("ix_message_origin_ip"), table_name="message")
    op.drop_index(op.f("ix_message_message_id"), table_name="message")
    op.drop_index(op.f("ix_message_about"), table_name="message")
    op.drop_table("message")
    op.drop_table("log_state")
    op.drop_table("log_block")
    op.drop_index(op.f("ix_log_message"), table_name="log")
    op.drop_index(op.f("ix_log_kind_at"), table_name="log")
    op.drop_table("log")
    op.drop_table("checkpoint")
