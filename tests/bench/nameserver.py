"""A name server on loopback that says NXDOMAIN at once, so that no contestant waits for a DNS that is not there."""

from __future__ import annotations

import socket
import sys


def serve(port: int) -> None:
    """Answer every question on UDP 127.0.0.1:`port` until the process ends."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", port))
        while True:
            question, peer = server.recvfrom(4096)
            if len(question) >= 12:
                server.sendto(refusal(question), peer)


def refusal(question: bytes) -> bytes:
    """The answer "no such name" (RFC 1035 §4.1.1) to one question, its other sections left out."""
    end = 12
    while end < len(question) and question[end]:
        end += question[end] + 1
    flags = bytes([0x84 | (question[2] & 0x01), 0x83])  # response, authoritative, recursion as asked; NXDOMAIN
    return question[:2] + flags + b"\0\1\0\0\0\0\0\0" + question[12 : end + 5]


if __name__ == "__main__":
    serve(int(sys.argv[1]))
