"""The tables of anchors, cases, calls and what is known of persons; the second signature of checkpoints."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("checkpoint", sa.Column("ecdsa", sa.LargeBinary(), nullable=True))
    op.create_table(
        "anchor",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("target", sa.Text(), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("request", sa.LargeBinary(), nullable=True),
        sa.Column("response", sa.LargeBinary(), nullable=True),
        sa.Column("stamped_at", sa.BigInteger(), nullable=True),
        sa.Column("authority", sa.Text(), nullable=True),
        sa.Column("message", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_anchor")),
    )
    op.create_index(op.f("ix_anchor_size"), "anchor", ["size"], unique=False)
    op.create_index(op.f("ix_anchor_kind_at"), "anchor", ["kind", "at"], unique=False)
    op.create_table(
        "case_file",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("since", sa.BigInteger(), nullable=True),
        sa.Column("until", sa.BigInteger(), nullable=True),
        sa.Column("hold", sa.Boolean(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("changed_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_case_file")),
        sa.UniqueConstraint("name", name=op.f("uq_case_file_name")),
    )
    op.create_table(
        "case_member",
        sa.Column("case", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.Column("added_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["case"], ["case_file.id"], name=op.f("fk_case_member_case")),
        sa.PrimaryKeyConstraint("case", "kind", "value", name=op.f("pk_case_member")),
    )
    op.create_index(op.f("ix_case_member_kind_value"), "case_member", ["kind", "value"], unique=False)
    op.create_table(
        "call",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("number", sa.Text(), nullable=False),
        sa.Column("person", sa.Text(), nullable=True),
        sa.Column("order_key", sa.Text(), nullable=True),
        sa.Column("summary", sa.Text(), nullable=False),
        sa.Column("operator", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["person"], ["person.id"], name=op.f("fk_call_person")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_call")),
    )
    op.create_index(op.f("ix_call_at"), "call", ["at"], unique=False)
    op.create_index(op.f("ix_call_number"), "call", ["number"], unique=False)
    op.create_index(op.f("ix_call_person"), "call", ["person"], unique=False)
    op.create_table(
        "recording",
        sa.Column("call", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("sha256", sa.LargeBinary(), nullable=False),
        sa.Column("zstd", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["call"], ["call.id"], name=op.f("fk_recording_call")),
        sa.PrimaryKeyConstraint("call", name=op.f("pk_recording")),
    )
    op.create_table(
        "person_trait",
        sa.Column("person", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.Column("added_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["person"], ["person.id"], name=op.f("fk_person_trait_person")),
        sa.PrimaryKeyConstraint("person", "kind", "value", name=op.f("pk_person_trait")),
    )
    op.create_index(op.f("ix_person_trait_kind_value"), "person_trait", ["kind", "value"], unique=False)


def downgrade() -> None:
    op.drop_index(op.f("ix_person_trait_kind_value"), table_name="person_trait")
    op.drop_table("person_trait")
    op.drop_table("recording")
    op.drop_index(op.f("ix_call_person"), table_name="call")
    op.drop_index(op.f("ix_call_number"), table_name="call")
    op.drop_index(op.f("ix_call_at"), table_name="call")
    op.drop_table("call")
    op.drop_index(op.f("ix_case_member_kind_value"), table_name="case_member")
    op.drop_table("case_member")
    op.drop_table("case_file")
    op.drop_index(op.f("ix_anchor_kind_at"), table_name="anchor")
    op.drop_index(op.f("ix_anchor_size"), table_name="anchor")
    op.drop_table("anchor")
    op.drop_column("checkpoint", "ecdsa")
