"""Protection against server-side request forgery: dumps are fetched from public network addresses only.

The worker that fetches a dump can reach hosts that the user who starts a run cannot: databases, the metadata service
of a cloud, the scheduler. Therefore each host name is resolved once, all of its addresses must be public, and the
connection is made to the checked address, for every redirect again. This also defeats DNS rebinding, where a name
server gives another address the second time.
"""

from __future__ import annotations

import ipaddress
import socket
from urllib.request import getproxies, proxy_bypass

import httpx

from pipeline.errors import SourceError, quoted
from pipeline.settings import load_settings, variable

_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
"""IPv4 addresses in an IPv6-only network (RFC 6052)."""


class PrivateAddressError(SourceError):
    """The host of a dump has an address that is not public."""


def is_public(address: str) -> bool:
    """Return whether an address can be reached from the whole Internet.

    Private, loopback, link-local, shared, multicast and reserved addresses cannot (the IANA registries of
    special-purpose addresses, as in ``ipaddress``). If an IPv6 address contains an IPv4 address, the latter counts.

    Args:
        address: An address from the resolver, with or without a zone (``fe80::1%eth0``).
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
    """Resolve a host and return its addresses, in the order of the resolver.

    Args:
        host: A name, or an address in any notation that the resolver accepts (``2130706433`` is ``127.0.0.1``).
        port: The port, for the resolver.

    Raises:
        PrivateAddressError: One of them is not public, and the deployment does not allow private addresses.
        OSError: The host cannot be resolved.
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except UnicodeError as error:
        raise OSError(f"not a host name: {error}") from None
    addresses = tuple(dict.fromkeys(str(entry[4][0]) for entry in found))
    if not load_settings().allow_private_addresses and not all(is_public(address) for address in addresses):
        raise PrivateAddressError(
            f"The host {quoted(host)} has a private address, inside this network or this machine. Dumps are fetched "
            f"from public addresses only. To allow private ones, set {variable('allow_private_addresses')}=1 where the "
            "tasks run; or download the file and give its path."
        )
    return addresses


class PublicTransport(httpx.BaseTransport):
    """Sends each request to a checked address instead of a host name.

    The ``Host`` header, the TLS server name and the certificate check still use the name. If the environment names a
    proxy for an address (``HTTPS_PROXY``, ``NO_PROXY`` …), the proxy resolves the name and applies its own policy.
    Names that this machine can resolve are checked in this case, too.
    """

    def __init__(self) -> None:
        """Prepare the transports; connections are opened by requests."""
        # No keep-alive: two names with the same address must not share a connection with the certificate of one name.
        self._limits = httpx.Limits(max_keepalive_connections=0)
        self._direct = httpx.HTTPTransport(limits=self._limits)
        self._proxied: dict[str, httpx.HTTPTransport] = {}

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Check the host, then send the request.

        Raises:
            PrivateAddressError: The host has an address that is not public.
            httpx.TransportError: The host cannot be resolved, or the connection failed.
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
