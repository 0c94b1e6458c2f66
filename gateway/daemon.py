"""The daemon: the one place that wires the rooms together, starts them in order and stops them in reverse."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta

import structlog

from filters.api import Lookups
from filters.registry import FILTERS
from gateway.clients.dns import Resolver
from gateway.clients.scanners import Scanners
from gateway.delivery import DeliveryService
from gateway.delivery.nodes import node_name
from gateway.errors import ConfigError
from gateway.evidence.checkpoint import seal
from gateway.evidence.key_files import load_keys
from gateway.intake.imap import ImapWatchers
from gateway.intake.judge import Judge
from gateway.intake.receive import Receiver
from gateway.intake.smtp import SmtpServer, host_name
from gateway.model.rule import RuleSet
from gateway.model.settings import Settings
from gateway.model.smtp_reply import STORAGE_FULL, SmtpReply
from gateway.ops import heap
from gateway.ops.anchoring import anchor
from gateway.ops.disk import database_folder, free_bytes
from gateway.ops.housekeeping import Chore, keep_house
from gateway.ops.places import checkpoint_files
from gateway.ops.systemd import Systemd
from gateway.ops.threads import WorkerThreads
from gateway.replies import notices
from gateway.replies.template_watch import watch_templates
from gateway.replies.templates import Templates
from gateway.screening.rulebook import Rulebook
from gateway.screening.screener import Screener
from gateway.store.engine import Store, open_store
from gateway.store.gateway_events import GatewayEvent, Heartbeat, RulesChanged, SendDraft
from gateway.store.records import StoreRecords
from gateway.store.retention import retain

logger = structlog.get_logger()

DRAIN = 25.0  # seconds that mail on its way may take at a stop; systemd waits 90
LEAST_DRAIN = 3.0  # of these, for deliveries under way when peers took all the rest
ANCHOR_EVERY = 600.0  # how often it is looked whether somebody outside is to attest a checkpoint
RETAIN_EVERY = 3600.0
HEARTBEAT_EVERY = 10.0
DISK_EVERY = 5.0


class Daemon:
    """A running gateway. `reload` is a callable that gives fresh settings, or raises `ConfigError`."""

    def __init__(self, settings: Settings, reread: Callable[[], Settings] | None = None) -> None:
        self.settings = settings
        self.node = node_name()
        self.ready = asyncio.Event()
        self.addresses: tuple[str, ...] = ()
        self._reread = reread
        self._stopping = asyncio.Event()
        self._systemd = Systemd()
        self._disk_low = False

    def stop(self) -> None:
        """Begin to drain and end."""
        self._stopping.set()

    async def run(self) -> None:
        """Start all, serve until `stop` or SIGTERM, drain, close. Raises `SekishoError` where it cannot start."""
        settings = self.settings
        hostname = host_name(settings)
        self._on_early_signals()
        async with AsyncExitStack() as stack:
            store = await open_store(settings.storage.database)
            stack.push_async_callback(store.close)
            store.claim_gateway(self.node)
            threads = stack.enter_context(WorkerThreads())
            records = StoreRecords(store)
            await records.start()
            stack.push_async_callback(records.stop)
            resolver = Resolver(settings.dns)
            stack.push_async_callback(resolver.close)
            lookups = Lookups(records, resolver, threads, Scanners(settings.external))
            rulebook = Rulebook(settings, FILTERS)
            await rulebook.load()
            templates = Templates(settings.templates, settings)
            judge = Judge(settings, Screener(settings, FILTERS, lookups), templates)
            key_file, checkpoint_file = checkpoint_files(settings)
            await asyncio.to_thread(load_keys, key_file)  # made, or found to be of no use, before mail is taken

            async def checkpoint() -> None:
                await seal(store, key_file, checkpoint_file)

            delivery = DeliveryService(settings, store, node=self.node)
            receiver = Receiver(
                settings, judge, rulebook, store, lookups, delivery.hand_over, node=self.node, hostname=hostname
            )
            rulebook.on_change = lambda rules: self._rules_changed(store, rules)
            rulebook.on_fault = lambda error: self._rules_fault(store, error)
            await self._look_at_disk()
            await store.committer.submit(GatewayEvent("start", self.node, rulebook.current))
            await delivery.start()
            stack.push_async_callback(delivery.stop, DRAIN)
            server = None
            if settings.smtp is not None:
                server = SmtpServer(settings, receiver, ready_to_accept=self._ready_to_accept)
                await server.start()
                stack.push_async_callback(server.stop, DRAIN)
                self.addresses = tuple(f"{a.host}:{a.port}" for a in server.addresses)

            async def beat() -> None:
                await self._heartbeat(store, server, records.blocklist.loaded)

            watchers = ImapWatchers(settings, store, receiver, node=self.node, ready=lambda: not self._disk_low)
            await watchers.start()
            stack.push_async_callback(watchers.stop)
            chores = [
                Chore("rules", 0.0, rulebook.watch),
                Chore("templates", 0.0, lambda: watch_templates(templates, lambda e: self._rules_fault(store, e))),
                Chore("checkpoint", float(settings.evidence.checkpoint_every), checkpoint),
                Chore("anchors", ANCHOR_EVERY, lambda: self._anchor(store)),
                Chore("retention", RETAIN_EVERY, lambda: self._retain(store)),
                Chore("heartbeat", HEARTBEAT_EVERY, beat),
                Chore("disk", DISK_EVERY, self._look_at_disk),
            ]
            if self._systemd.watchdog_interval:
                chores.append(Chore("watchdog", self._systemd.watchdog_interval, self._alive))
            house = asyncio.create_task(keep_house(chores), name="house")
            self._on_reload(rulebook, templates, server)
            await checkpoint()  # what a crash left unsealed
            await beat()
            heap.freeze()
            logger.info("ready", listen=list(self.addresses), node=self.node, ruleset=rulebook.current.hash)
            self._systemd.ready(", ".join(self.addresses))
            self.ready.set()
            await self._stopping.wait()
            logger.info("stopping", drain=DRAIN)
            self._systemd.stopping()
            house.cancel()
            await asyncio.gather(house, return_exceptions=True)
            loop = asyncio.get_running_loop()
            ends = loop.time() + DRAIN
            await watchers.stop()
            if server is not None:
                await server.stop(DRAIN)
            await delivery.stop(max(ends - loop.time(), LEAST_DRAIN))
            await store.committer.submit(GatewayEvent("stop", self.node, rulebook.current))
            await checkpoint()
        logger.info("stopped")

    def _on_early_signals(self) -> None:
        """A stop is orderly from the first moment on; a reload before anything is loaded has nothing to do."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.stop)
        loop.add_signal_handler(signal.SIGHUP, lambda: None)

    def _on_reload(self, rulebook: Rulebook, templates: Templates, server: SmtpServer | None) -> None:
        loop = asyncio.get_running_loop()
        reloads: set[asyncio.Task[None]] = set()

        def reload() -> None:
            task = loop.create_task(self._reload(rulebook, templates, server))
            reloads.add(task)
            task.add_done_callback(reloads.discard)

        loop.add_signal_handler(signal.SIGHUP, reload)

    async def _reload(self, rulebook: Rulebook, templates: Templates, server: SmtpServer | None) -> None:
        """SIGHUP: rules, templates, certificates, and of the settings what the listeners can take over."""
        self._systemd.reloading()
        try:
            await asyncio.to_thread(templates.reload)
            if self._reread is not None and server is not None:
                server.update(await asyncio.to_thread(self._reread))
        except ConfigError as error:
            logger.warning("reload_kept_old", faults=error.in_("en"))
            if rulebook.on_fault is not None:
                await rulebook.on_fault(error)
        if server is not None:
            server.reload_tls()
        await rulebook.reload()
        self._systemd.ready(", ".join(self.addresses))

    def _ready_to_accept(self) -> SmtpReply | None:
        return STORAGE_FULL if self._disk_low else None

    async def _look_at_disk(self) -> None:
        folder = database_folder(self.settings.storage.database)
        if folder is None:
            return
        free = await asyncio.to_thread(free_bytes, folder)
        low = free < self.settings.storage.minimum_free
        if low != self._disk_low:
            logger.warning("disk_low" if low else "disk_recovered", free=free, folder=str(folder))
        self._disk_low = low

    async def _heartbeat(self, store: Store, server: SmtpServer | None, blacklist: bool) -> None:
        numbers = server.numbers() if server else {}
        beat = {
            "pid": os.getpid(),
            "listen": list(self.addresses),
            "disk_low": self._disk_low,
            "blacklist": blacklist,
            "smtp": numbers,
            "at": datetime.now(UTC).isoformat(),
        }
        await store.committer.submit(Heartbeat(self.node, beat))

    async def _anchor(self, store: Store) -> None:
        """Somebody outside attests the newest checkpoint, where that is due."""
        wanted = self.settings.evidence.anchors
        if wanted.tsa or wanted.mail:
            keys = await asyncio.to_thread(load_keys, checkpoint_files(self.settings)[0])
            await anchor(store, self.settings, keys.public)

    async def _retain(self, store: Store) -> None:
        """Mail that is older than storage.keep goes, unless a case holds it."""
        keep = self.settings.storage.keep
        if keep is not None:
            gone = await retain(store, timedelta(seconds=keep), datetime.now(UTC))
            if gone.messages or gone.held:
                logger.info("retention", deleted=gone.messages, held=gone.held)

    async def _alive(self) -> None:
        self._systemd.alive()

    async def _rules_changed(self, store: Store, ruleset: RuleSet) -> None:
        await store.committer.submit(RulesChanged(ruleset))

    async def _rules_fault(self, store: Store, error: ConfigError) -> None:
        """The owner is told; the mail waits in the queue like every other."""
        for draft in notices.rules_fault(error, self.settings):
            await store.committer.submit(SendDraft(draft))
