"""The tables. Rows refer to messages by their exchange id; times are UTC; texts are folded where the name says so."""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, Column, ForeignKey, Index, Integer, LargeBinary, MetaData, Table, Text

from gateway.store.types import Json, UtcTime

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    }
)

# One row a message, in and out: what is searched for. The whole truth about it stands in the log record.
message = Table(
    "message",
    metadata,
    Column("id", Text, primary_key=True),
    Column("seq", BigInteger, nullable=False, unique=True),  # sequence number of its record in the log
    Column("direction", Text, nullable=False),  # in | out
    Column("kind", Text, nullable=False),  # mail | reply | notice | report | forward
    Column("about", Text),  # out: the exchange that gave rise to it
    Column("received_at", UtcTime, nullable=False),
    Column("sha256", LargeBinary, nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("mail_from", Text, nullable=False),  # as given; "" is the null sender
    Column("sender", Text, nullable=False),  # folded key: the `sender` fact, else the envelope sender
    Column("recipients", Json, nullable=False),
    Column("peer_ip", Text),
    Column("origin_ip", Text),
    Column("subject", Text),
    Column("from_header", Text),
    Column("message_id", Text),
    Column("trace", LargeBinary, nullable=False, default=b""),  # header lines that go on top of the relayed copy
    Column("facts", Json, nullable=False),  # {key: {"value": …, "note": …, "unknown": true}}
    Column("verdict", Json, nullable=False),  # {then, rule, at, ruleset, tags, watched, trail}
    Column("then", Text, nullable=False),  # deliver | quarantine | reject | discard | sent
    Column("rule", Text, nullable=False),
    Column("state", Text, nullable=False),  # queued delivered failed held released refused rejected discarded sent …
    Column("reply", Json),  # {template, would_send, why, id}
    Index(None, "received_at"),
    Index(None, "sender", "received_at"),
    Index(None, "origin_ip"),
    Index(None, "sha256"),
    Index(None, "state", "received_at"),
    Index(None, "about"),
    Index(None, "message_id"),
)

body = Table(
    "body",
    metadata,
    Column("message", Text, ForeignKey("message.id"), primary_key=True),
    Column("zstd", LargeBinary, nullable=False),  # the raw bytes, Zstandard
)

# The evidence log: one leaf a row, never changed (EVIDENCE.md). Deletion empties salt and record and keeps the leaf.
log = Table(
    "log",
    metadata,
    Column("seq", BigInteger, primary_key=True, autoincrement=False),  # from 0, without gaps
    Column("at", UtcTime, nullable=False),
    Column("kind", Text, nullable=False),
    Column("leaf", LargeBinary, nullable=False),  # RFC 6962 leaf hash
    Column("salt", LargeBinary),
    Column("record", Text),  # canonical JSON
    Column("message", Text),  # the exchange it is about
    Index(None, "message"),
    Index(None, "kind", "at"),
)

log_block = Table(
    "log_block",
    metadata,
    Column("block", BigInteger, primary_key=True, autoincrement=False),  # leaves 256·block … 256·block+255
    Column("hash", LargeBinary, nullable=False),
)

# One row: the size of the log and the hashes of the perfect subtrees that it falls into, largest first.
log_state = Table(
    "log_state",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),  # always 1
    Column("size", BigInteger, nullable=False),
    Column("frontier", LargeBinary, nullable=False),
    Column("origin", Text, nullable=False),  # the log's name in checkpoints
    Column("at", UtcTime, nullable=False),  # time of the newest record: the log's clock never runs backwards
)

checkpoint = Table(
    "checkpoint",
    metadata,
    Column("size", BigInteger, primary_key=True, autoincrement=False),
    Column("at", UtcTime, nullable=False),
    Column("root", LargeBinary, nullable=False),
    Column("note", Text, nullable=False),  # C2SP tlog-checkpoint with its signature
    Column("ecdsa", LargeBinary),  # ECDSA P-256 over the whole note, DER; null where the key did not exist yet
)

# Which sender wrote from which origin IP, and when.
sender_origin = Table(
    "sender_origin",
    metadata,
    Column("sender", Text, primary_key=True),
    Column("ip", Text, primary_key=True),
    Column("first_at", UtcTime, nullable=False),
    Column("last_at", UtcTime, nullable=False),
    Column("mails", BigInteger, nullable=False),
    Column("trust", Text, nullable=False),
    Index(None, "ip"),
)

# Which orders an incoming mail names, under the keys of `gateway.model.order`.
message_order = Table(
    "message_order",
    metadata,
    Column("message", Text, ForeignKey("message.id"), primary_key=True),
    Column("order_key", Text, primary_key=True),
    Column("sender", Text, nullable=False),  # folded key, as in message
    Column("complaint", LargeBinary),  # digest of what was complained of; null where it is no complaint
    Column("at", UtcTime, nullable=False),
    Index(None, "order_key", "sender"),
)

person = Table(
    "person",
    metadata,
    Column("id", Text, primary_key=True),
    Column("name", Text, nullable=False),
    Column("note", Text, nullable=False, default=""),
    Column("created_at", UtcTime, nullable=False),
    Index(None, "name"),
)

# The blacklist with its whole history: an entry ends, it is never deleted.
block_entry = Table(
    "block_entry",
    metadata,
    Column("id", Text, primary_key=True),
    Column("seq", BigInteger, nullable=False),  # of the log record that made or last changed it: readers poll on it
    Column("who", Text, nullable=False),  # address | domain | subdomains | network | phone
    Column("value", Text, nullable=False),  # canonical
    Column("watched", Boolean, nullable=False, default=False),
    Column("reason", Text, nullable=False),
    Column("person", Text, ForeignKey("person.id")),
    Column("created_at", UtcTime, nullable=False),
    Column("until", UtcTime),
    Column("ended_at", UtcTime),
    Column("end_reason", Text),
    Index(None, "value"),
    Index(None, "seq"),
    Index(None, "who"),
)

# Work still to do, and how it went.
queue = Table(
    "queue",
    metadata,
    Column("id", Text, primary_key=True),
    Column("message", Text, ForeignKey("message.id"), nullable=False),  # what is to be sent
    Column("kind", Text, nullable=False),  # deliver | forward | reply | notice | report
    Column("target", Text, nullable=False),  # mailbox | outgoing
    Column("mail_from", Text, nullable=False),
    Column("recipients", Json, nullable=False),  # those still to do
    Column("state", Text, nullable=False),  # waiting | leased | sending | done | failed | aside | cancelled | uncertain
    Column("created_at", UtcTime, nullable=False),
    Column("next_at", UtcTime, nullable=False),
    Column("attempts", Integer, nullable=False, default=0),
    Column("crashes", Integer, nullable=False, default=0),
    Column("owner", Text),  # the node that holds the lease
    Column("lease_until", UtcTime),
    Column("last_error", Text),
    Index(None, "state", "next_at"),
    Index(None, "message"),
    Index(None, "created_at"),
)

# Replies that were decided on; counted by the guard, written before the reply can leave.
reply = Table(
    "reply",
    metadata,
    Column("id", Text, primary_key=True),  # the message id of the reply
    Column("address", Text, nullable=False),  # folded recipient
    Column("template", Text, nullable=False),
    Column("at", UtcTime, nullable=False),
    Column("about", Text, nullable=False),
    Index(None, "address", "at"),
    Index(None, "at"),
    Index(None, "about"),
)

# Small facts about this installation, and what the daemon last did (for `status`).
setting = Table(
    "setting",
    metadata,
    Column("name", Text, primary_key=True),
    Column("value", Json, nullable=False),
    Column("at", UtcTime, nullable=False),
)

# Mailboxes that are watched over IMAP: which node does so at this moment, and what `status` says of it.
imap_account = Table(
    "imap_account",
    metadata,
    Column("name", Text, primary_key=True),
    Column("owner", Text),
    Column("lease_until", UtcTime),
    Column("state", Json, nullable=False),  # {connected, error, seen_at, waiting}
)

# How far each folder was read: every mail below next_uid is on record or was left out on purpose.
imap_folder = Table(
    "imap_folder",
    metadata,
    Column("account", Text, primary_key=True),
    Column("folder", Text, primary_key=True),
    Column("uidvalidity", BigInteger, nullable=False),
    Column("next_uid", BigInteger, nullable=False),
    Column("first_uid", BigInteger, nullable=False),  # mail below lay there before; it is never answered
    Column("since", UtcTime),  # mail below first_uid that came earlier is left out; null: all of it is
    Column("renumbered", Boolean, nullable=False),  # first_uid stands for a new numbering, not for the first contact
    Column("seen_at", UtcTime, nullable=False),  # when it was last read to the end
)

# One row a mail in a mailbox: which message it is, and what is still to be done to it there.
imap_mail = Table(
    "imap_mail",
    metadata,
    Column("account", Text, primary_key=True),
    Column("folder", Text, primary_key=True),
    Column("uidvalidity", BigInteger, primary_key=True, autoincrement=False),
    Column("uid", BigInteger, primary_key=True, autoincrement=False),
    Column("message", Text),  # the exchange; null where it was left out
    Column("sha256", LargeBinary),
    Column("action", Text, nullable=False),  # none | move | delete
    Column("target", Text, nullable=False, default=""),  # folder to move to
    Column("keyword", Text, nullable=False, default=""),
    Column("state", Text, nullable=False),  # pending | done | gone | failed | carried
    Column("attempts", Integer, nullable=False, default=0),
    Column("at", UtcTime, nullable=False),
    Column("next_at", UtcTime, nullable=False),
    Column("new_uid", BigInteger),  # in the target folder, where the server told
    Column("note", Text),  # why it was left out, or what last went wrong
    Index(None, "account", "sha256"),
    Index(None, "account", "state", "next_at"),
    Index(None, "message"),
)

# What somebody outside said about a checkpoint: a time stamp, or that it was mailed to somebody.
anchor = Table(
    "anchor",
    metadata,
    Column("id", Text, primary_key=True),
    Column("seq", BigInteger, nullable=False),  # of its log record
    Column("kind", Text, nullable=False),  # rfc3161 | mail
    Column("size", BigInteger, nullable=False),  # of the checkpoint
    Column("at", UtcTime, nullable=False),
    Column("target", Text, nullable=False),  # URL of the authority, or the addresses
    Column("note", Text, nullable=False),  # the checkpoint's note as it was stamped or mailed
    Column("request", LargeBinary),  # RFC 3161, DER
    Column("response", LargeBinary),  # the authority's answer as it came, DER
    Column("stamped_at", UtcTime),  # the authority's time
    Column("authority", Text),  # PEM: the certificates it was judged by
    Column("message", Text),  # the mail
    Index(None, "size"),
    Index(None, "kind", "at"),
)

# A case that somebody prepares or keeps: while it holds, nothing that belongs to it is deleted.
case_file = Table(
    "case_file",
    metadata,
    Column("id", Text, primary_key=True),
    Column("name", Text, nullable=False, unique=True),
    Column("note", Text, nullable=False, default=""),
    Column("since", UtcTime),
    Column("until", UtcTime),
    Column("hold", Boolean, nullable=False, default=False),
    Column("created_at", UtcTime, nullable=False),
    Column("changed_at", UtcTime, nullable=False),
)

case_member = Table(
    "case_member",
    metadata,
    Column("case", Text, ForeignKey("case_file.id"), primary_key=True),
    Column("kind", Text, primary_key=True),  # person | address | order | ip | phone | message
    Column("value", Text, primary_key=True),  # canonical; of a person the id
    Column("added_at", UtcTime, nullable=False),
    Index(None, "kind", "value"),
)

# A telephone call as somebody noted it, with a recording where there is one.
call = Table(
    "call",
    metadata,
    Column("id", Text, primary_key=True),
    Column("seq", BigInteger, nullable=False),
    Column("at", UtcTime, nullable=False),
    Column("number", Text, nullable=False),  # digits, "" where it was withheld
    Column("person", Text, ForeignKey("person.id")),
    Column("order_key", Text),
    Column("summary", Text, nullable=False),
    Column("operator", Text, nullable=False),
    Index(None, "at"),
    Index(None, "number"),
    Index(None, "person"),
)

recording = Table(
    "recording",
    metadata,
    Column("call", Text, ForeignKey("call.id"), primary_key=True),
    Column("name", Text, nullable=False),  # of the file
    Column("size", BigInteger, nullable=False),
    Column("sha256", LargeBinary, nullable=False),
    Column("zstd", LargeBinary, nullable=False),
)

# What else is known of a person, beside the entries of the blacklist.
person_trait = Table(
    "person_trait",
    metadata,
    Column("person", Text, ForeignKey("person.id"), primary_key=True),
    Column("kind", Text, primary_key=True),  # name | address | ip | phone | order
    Column("value", Text, primary_key=True),  # canonical
    Column("added_at", UtcTime, nullable=False),
    Index(None, "kind", "value"),
)
