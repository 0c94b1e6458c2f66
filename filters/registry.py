"""The table of filters: adding one is a file and a line here."""

from __future__ import annotations

from filters.api import Filter
from filters.authentication import AuthenticationFilter
from filters.automation import Automation
from filters.blacklist import BlacklistFilter
from filters.content import Content
from filters.external import ExternalFilter
from filters.impersonation import ImpersonationFilter
from filters.orders import OrdersFilter
from filters.phrases import PhrasesFilter
from filters.sender import SenderFilter
from filters.sender_ip import SenderIpFilter
from filters.volume import VolumeFilter
from gateway.model.fact import FactSpec

FILTERS: tuple[Filter, ...] = (
    SenderFilter(),
    Content(),
    PhrasesFilter(),
    Automation(),
    SenderIpFilter(),
    BlacklistFilter(),
    VolumeFilter(),
    OrdersFilter(),
    AuthenticationFilter(),
    ImpersonationFilter(),
    ExternalFilter(),
)

SPECS: dict[str, FactSpec] = {spec.name: spec for filter_ in FILTERS for spec in filter_.facts}
