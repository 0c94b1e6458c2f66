"""Whether a mail gives itself out for somebody who has nothing to do with it: a person on record, or the shop."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from filters.api import Case, fact
from filters.dmarc import load_suffixes, suffixes_loaded
from filters.lookalike import lookalike
from filters.sender import header_addresses
from gateway.errors import StoreError
from gateway.model.address import domain_of, fold_address
from gateway.model.entry import address_keys
from gateway.model.fact import Fact, unknown
from gateway.model.names import name_keys, name_words, tells_a_person
from gateway.model.return_path import original_sender
from gateway.model.settings import Shop
from gateway.text import Text

_ADDRESS = re.compile(r"[A-Za-z0-9._+-]{1,64}@[A-Za-z0-9.-]{1,253}")
_LONGEST_NAME = 500

_PERSON = Text(
    "{person} 様のお名前ですが、{address} は登録されたアドレスではなく、送信元も確認できません。",
    "the name is that of {person}, but {address} is not known to be theirs and the mail is not authenticated",
)
_SHOP = Text(
    "お店の名前「{name}」を名乗っていますが、{address} はお店のアドレスではなく、送信元も確認できません。",
    "it bears the shop's name “{name}”, but {address} is not the shop's and the mail is not authenticated",
)
_SHOP_ADDRESS = Text(
    "表示名にお店のアドレス {name} がありますが、実際は {address} からで、送信元も確認できません。",
    "the display name shows the shop's address {name}, but it is from {address} and not authenticated",
)
_UNSURE = Text(
    "名前は一致しますが（{why}）、送信元を確認できるかどうかが分かりません。",
    "a name fits ({why}), but whether the mail is authenticated could not be found out",
)


class ImpersonationFilter:
    """Compares the display name with the persons on record and the shop, and the domains with the shop's.

    A name counts only where the mail is not authenticated: two people may have one name. A domain that looks like the
    shop's counts in any case, for its owner can authenticate mail from it. Mail in the shop's very own name from its
    very own domain is no matter of this fact but of `authenticated`.
    """

    name = "impersonation"
    facts = (
        fact(
            "impersonation",
            "yes/no",
            "登録された方やお店の名前を、その方やお店のものでないアドレスで名乗っているか",
            "whether a known person's or the shop's name stands on an address not theirs, unauthenticated",
        ),
    )
    needs: tuple[str, ...] = ("from", "reply_to", "authenticated")
    waits = True

    async def find(self, case: Case) -> Mapping[str, Fact]:
        """Yes with whom and why."""
        if not suffixes_loaded():
            await case.lookups.in_thread(load_suffixes)
        return {"impersonation": await _judge(case)}


async def _judge(case: Case) -> Fact:
    shop = case.settings.shop
    mine = tuple(dict.fromkeys(domain_of(one) for one in (*shop.addresses, shop.contact)))
    senders = _addresses(case, "from")
    mail_from = case.exchange.envelope.mail_from
    others = (*_addresses(case, "reply_to"), original_sender(mail_from), fold_address(mail_from))
    for domain in dict.fromkeys(domain_of(address) for address in (*senders, *others) if address):
        why = lookalike(domain, mine)
        if why is not None:
            return Fact(True, why)
    authenticated = case.facts.get("authenticated", Fact(None))
    if authenticated.value is True or not senders or any(_is_shops(address, shop) for address in senders):
        return Fact(False)
    shown = tuple(box.name[:_LONGEST_NAME] for box in case.message.addresses("from")[:3] if box.name)
    said = _as_shop(shown, senders[0], shop)
    if said is None:
        try:
            said = await _as_person(case, shown, senders)
        except StoreError as error:
            return unknown(error.text)
    if said is None:
        return Fact(False)
    return Fact(True, said) if authenticated.known else unknown(_UNSURE.with_(why=said))


def _addresses(case: Case, name: str) -> tuple[str, ...]:
    known = case.facts.get(name)
    value = known.value if known is not None else header_addresses(case.message, name.replace("_", "-"))
    return value if isinstance(value, tuple) else ()


def _is_shops(address: str, shop: Shop) -> bool:
    keys = address_keys(address)
    return any(fold_address(own) in keys or own in keys for own in (*shop.addresses, shop.contact, shop.owner))


def _as_shop(shown: Iterable[str], address: str, shop: Shop) -> Text | None:
    for name in shown:
        for written in _ADDRESS.findall(name):
            if _is_shops(fold_address(written), shop):
                return _SHOP_ADDRESS.with_(name=written, address=address)
        if _bears(name, shop.name):
            return _SHOP.with_(name=shop.name, address=address)
    return None


def _bears(name: str, shop_name: str) -> bool:
    """Whether a display name is the shop's, or holds it: any three letters in Japanese, whole words in Latin script."""
    mine = name_words(shop_name)
    given = name_words(name)
    key = "".join(mine)
    if not key or not given:
        return False
    if key == "".join(given):
        return True
    if key.isascii():
        return len(key) >= 5 and f" {' '.join(mine)} " in f" {' '.join(given)} "
    return len(key) >= 3 and key in "".join(given)


async def _as_person(case: Case, shown: Iterable[str], senders: tuple[str, ...]) -> Text | None:
    keys = {key for name in shown for key in name_keys(name) if tells_a_person(key)}
    if not keys:
        return None
    theirs = {key for address in senders for key in address_keys(address)}
    people = [person for person in await case.lookups.records.people_named(keys) if person.entries]
    if not people or any(theirs & set(person.entries) for person in people):
        return None  # nobody of that name, or somebody of that name whose address it is
    return _PERSON.with_(person=people[0].name, address=senders[0])
