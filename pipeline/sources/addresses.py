"""Which network addresses a dump may be fetched from: whoever starts a run must not reach this network's inside.

A run's parameters come from people who may press a button, and the worker that fetches their dump stands where they do
not: beside databases, the metadata service of a cloud, the scheduler. So a name is looked up once, every address that
it has must be a public one, and the connection goes to the very address that was checked, at each redirect anew: a
name server that answers differently the second time (DNS rebinding) gains nothing.
"""

from __future__ import annotations

import ipaddress
import socket
from types import TracebackType
from typing import Self
from urllib.request import getproxies, proxy_bypass

import httpx

from pipeline.errors import SourceError, quoted
from pipeline.settings import load_settings, variable

_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
"""IPv4 addresses as an IPv6-only network sees them (RFC 6052)."""


class PrivateAddressError(SourceError):
    """A dump's host has an address that only this network can reach."""


def is_public(address: str) -> bool:
    """Return whether an address can be reached from everywhere in the Internet.

    Private, loopback, link-local, shared, multicast and reserved addresses cannot (IANA's registries of special-purpose
    addresses, as Python's ``ipaddress`` knows them). IPv4 addresses inside IPv6 ones are judged by what they lead to.

    Args:
        address: As the resolver gives it, with or without a zone (``fe80::1%eth0``).
    """
    parsed = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(parsed, ipaddress.IPv6Address):
        if parsed in _NAT64:
            return is_public(str(ipaddress.IPv4Address(parsed.packed[-4:])))
        inner = parsed.ipv4_mapped or parsed.sixtofour
        if inner is not None:
            return is_public(str(inner))
        if parsed.is_site_local:
            return False
    return parsed.is_global and not (parsed.is_multicast or parsed.is_reserved or parsed.is_unspecified)


def checked_addresses(host: str, port: int) -> tuple[str, ...]:
    """Look a host up and return its addresses, in the resolver's order.

    Args:
        host: A name or an address in any notation that the resolver takes (``2130706433`` is ``127.0.0.1``).
        port: The port, for the resolver.

    Raises:
        PrivateAddressError: One of them is not public, and the deployment does not allow that.
        OSError: The host cannot be looked up.
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except UnicodeError as error:
        raise OSError(f"no host name: {error}") from None
    addresses = tuple(dict.fromkeys(str(entry[4][0]) for entry in found))
    if not load_settings().allow_private_addresses and not all(is_public(address) for address in addresses):
        raise PrivateAddressError(
            f"The host {quoted(host)} has a private address, one inside this network or this machine, and no dump is "
            f"fetched from there. To allow this, set {variable('allow_private_addresses')}=1 where the tasks run; or "
            "download the file and give its path."
        )
    return addresses


class PublicTransport(httpx.BaseTransport):
    """Sends each request to an address that was checked, under the name that was asked for.

    The ``Host`` header, TLS's server name and the certificate's check keep the name. Where the environment names a
    proxy for an address (``HTTPS_PROXY``, ``NO_PROXY`` …), the proxy connects and looks the name up itself: what it
    reaches is its own policy. Names that this machine can look up are checked all the same.
    """

    def __init__(self) -> None:
        """Open nothing yet."""
        # Connections are not kept: two names of one address must not share a connection whose certificate is one's.
        self._limits = httpx.Limits(max_keepalive_connections=0)
        self._direct = httpx.HTTPTransport(limits=self._limits)
        self._proxied: dict[str, httpx.HTTPTransport] = {}

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Check the host, then send.

        Raises:
            PrivateAddressError: The host has an address that is not public.
            httpx.TransportError: It cannot be looked up, or the connection failed.
        """
        host = request.url.raw_host.decode("ascii")
        port = request.url.port or (443 if request.url.scheme == "https" else 80)
        proxy = _proxy_for(request.url)
        try:
            addresses = checked_addresses(host, port)
        except OSError as error:
            if proxy is None:
                raise httpx.ConnectError(str(error), request=request) from error
            addresses = ()
        if proxy is not None:
            return self._through(proxy).handle_request(request)
        for address in addresses[:-1]:
            try:
                return self._direct.handle_request(_pinned(request, address, host))
            except (httpx.ConnectError, httpx.ConnectTimeout):
                continue
        return self._direct.handle_request(_pinned(request, addresses[-1], host))

    def _through(self, proxy: str) -> httpx.HTTPTransport:
        if proxy not in self._proxied:
            self._proxied[proxy] = httpx.HTTPTransport(proxy=proxy, limits=self._limits)
        return self._proxied[proxy]

    def __enter__(self) -> Self:
        """Take part in the client's ``with``."""
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None = None,
        exc_value: BaseException | None = None,
        traceback: TracebackType | None = None,
    ) -> None:
        """Close every connection."""
        self.close()

    def close(self) -> None:
        """Close every connection."""
        for transport in (self._direct, *self._proxied.values()):
            transport.close()


def _pinned(request: httpx.Request, address: str, host: str) -> httpx.Request:
    return httpx.Request(
        request.method,
        request.url.copy_with(host=address),
        headers=request.headers,
        stream=request.stream,
        extensions={**request.extensions, "sni_hostname": host},
    )


def _proxy_for(url: httpx.URL) -> str | None:
    proxies = getproxies()
    proxy = proxies.get(url.scheme) or proxies.get("all")
    if not proxy or proxy_bypass(url.host):
        return None
    return proxy if "://" in proxy else f"http://{proxy}"
