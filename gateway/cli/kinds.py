"""What kinds of values persons and cases are known by, as people read them."""

from __future__ import annotations

from gateway.text import Text

ADDRESSES = Text("アドレス", "addresses")
VALUES = {
    "address": ADDRESSES,
    "ip": Text("IP", "IPs"),
    "phone": Text("電話番号", "phones"),
    "order": Text("注文番号", "orders"),
}
