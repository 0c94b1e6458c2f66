"""What is on record about mail in watched mailboxes: each is screened once, and what is to be done there is kept."""

from gateway.store.imap.accounts import AccountState, GiveUp, Lease, account_states
from gateway.store.imap.acts import (
    Acted,
    Attempting,
    Done,
    DueAgain,
    give_back,
    oldest_pending,
    original,
    pending,
    place_of,
    size_and_digest,
)
from gateway.store.imap.folders import Begin, FolderState, Progress, folder_state
from gateway.store.imap.sent import LogSent
from gateway.store.imap.taking import Adopt, Claim, LeaveOut, OnRecord, known_bytes, known_uids, recorded

__all__ = [
    "AccountState",
    "Acted",
    "Adopt",
    "Attempting",
    "Begin",
    "Claim",
    "Done",
    "DueAgain",
    "FolderState",
    "GiveUp",
    "Lease",
    "LeaveOut",
    "LogSent",
    "OnRecord",
    "Progress",
    "account_states",
    "folder_state",
    "give_back",
    "known_bytes",
    "known_uids",
    "oldest_pending",
    "original",
    "pending",
    "place_of",
    "recorded",
    "size_and_digest",
]
