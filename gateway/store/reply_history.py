"""Whether earlier replies forbid another one: asked inside the transaction by `Accept`, and read-only by `explain`."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.model.acceptance import ReplyPlan
from gateway.model.exchange import Exchange
from gateway.model.mail_record import clean
from gateway.store.tables import message, reply
from gateway.text import Text

DAY = timedelta(days=1)
SAME_MESSAGE = timedelta(days=5)  # as long as a sender's server may try again

DUPLICATE = Text(
    "同じメールがもう一度届いたもので、すでに返信済みのため返信しません。",
    "The same mail came once more; it was answered already.",
)
ONCE_PER = Text(
    "この宛先には{span}以内に同じ返信を送っているため返信しません。",
    "The same reply went to this address within the last {span}.",
)
PER_ADDRESS = Text(
    "この宛先への自動返信が1日の上限（{limit}通）に達しているため返信しません。",
    "This address has had its {limit} automatic replies for the day.",
)
PER_DAY = Text(
    "自動返信が全体で1日の上限（{limit}通）に達しているため返信しません。",
    "The day's limit of {limit} automatic replies in all is reached.",
)


async def withheld(
    connection: AsyncConnection, plan: ReplyPlan, now: datetime, exchange: Exchange | None = None
) -> Text | None:
    """Why this reply must not go, counting the replies on record up to `now`; None where nothing forbids it.

    `exchange` is the message that is answered: where it came before (envelope and SHA-256) and was answered, none goes.
    """
    to = reply.c.address == clean(plan.to)
    found = select(
        select(func.max(reply.c.at))
        .where(to, reply.c.template == plan.template, reply.c.at > now - timedelta(seconds=plan.once_per))
        .scalar_subquery()
        .label("before"),
        select(func.count()).select_from(reply).where(to, reply.c.at > now - DAY).scalar_subquery().label("to_address"),
        select(func.count()).select_from(reply).where(reply.c.at > now - DAY).scalar_subquery().label("in_all"),
    )
    if exchange is not None:
        envelope = exchange.envelope
        again = (
            select(reply.c.id)
            .join(message, message.c.id == reply.c.about)
            .where(
                message.c.sha256 == exchange.sha256,
                message.c.id != exchange.id,
                message.c.mail_from == clean(envelope.mail_from),
                message.c.recipients == [clean(r) for r in envelope.recipients],
                message.c.received_at > now - SAME_MESSAGE,
            )
            .limit(1)
        )
        found = found.add_columns(again.scalar_subquery().label("again"))
    row = (await connection.execute(found)).one()
    if exchange is not None and row.again is not None:
        return DUPLICATE
    if row.before is not None:
        return ONCE_PER.with_(span=_span(plan.once_per))
    if row.to_address >= plan.per_address:
        return PER_ADDRESS.with_(limit=plan.per_address)
    if row.in_all >= plan.per_day:
        return PER_DAY.with_(limit=plan.per_day)
    return None


def _span(seconds: int) -> Text:
    """A span in the largest unit that it fills."""
    for unit, ja, en in ((86400, "日", "days"), (3600, "時間", "hours"), (60, "分", "minutes")):
        if seconds >= unit and seconds % unit == 0:
            count = seconds // unit
            return Text(f"{count}{ja}", f"{count} {en if count > 1 else en[:-1]}")
    return Text(f"{seconds}秒", f"{seconds} seconds")
