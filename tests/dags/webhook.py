"""An incoming webhook and a mail server on this machine alone."""

from __future__ import annotations

import json
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class Webhook:
    """What a webhook was sent; it answers with ``status``."""

    url: str = ""
    status: int = 200
    messages: list[dict[str, Any]] = field(default_factory=list)


@contextmanager
def listening() -> Iterator[Webhook]:
    """Run an incoming webhook whose address holds a secret."""
    webhook = Webhook()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            webhook.messages.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(webhook.status)
            self.send_header("Location", "/elsewhere")
            self.end_headers()

        def do_GET(self) -> None:
            webhook.messages.append({"followed": self.path})
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with _serving(ThreadingHTTPServer(("127.0.0.1", 0), Handler)) as port:
        webhook.url = f"http://127.0.0.1:{port}/services/hush-hush"
        yield webhook


@dataclass
class Mailbox:
    """What a mail server was sent: receivers and message of each mail."""

    port: int = 0
    mails: list[tuple[list[str], bytes]] = field(default_factory=list)


@contextmanager
def receiving() -> Iterator[Mailbox]:
    """Run a mail server that takes every mail, as far as RFC 5321 is needed for that."""
    mailbox = Mailbox()

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            receivers: list[str] = []
            self.wfile.write(b"220 here\r\n")
            for line in self.rfile:
                command = line.strip().upper()
                if command.startswith(b"RCPT TO:"):
                    receivers.append(line.strip()[9:-1].decode())
                if command == b"DATA":
                    self.wfile.write(b"354 go on\r\n")
                    lines = iter(self.rfile.readline, b".\r\n")
                    mailbox.mails.append((receivers, b"".join(lines)))
                self.wfile.write(b"221 bye\r\n" if command == b"QUIT" else b"250 well\r\n")
                if command == b"QUIT":
                    return

    with _serving(socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler)) as port:
        mailbox.port = port
        yield mailbox


@contextmanager
def _serving(server: socketserver.TCPServer) -> Iterator[int]:
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
