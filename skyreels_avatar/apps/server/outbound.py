"""Connections from the server to addresses that users name: only public ones, and no surprises."""

from __future__ import annotations

import http.client
import ipaddress
import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

from skyreels_avatar.apps.jobs.records import RequestError

TIMEOUT_S = 10.0


def check_url(url: str, private_addresses: bool = False) -> None:
    """Refuse an address that the server must not call; names are looked up when it is called.

    Raises:
        RequestError: it is not an http address, or leads into a private network.
    """
    parts = _parts(url)
    try:
        address = ipaddress.ip_address(parts.hostname or "")
    except ValueError:
        if not private_addresses and (parts.hostname or "").lower() == "localhost":
            raise _refused("it leads to this machine") from None
        return
    if not private_addresses and not is_public(address):
        raise _refused("it leads into a private network")


def is_public(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    """Tell whether an address is one of the public internet, mapped and tunneled ones included."""
    inner = getattr(address, "ipv4_mapped", None) or getattr(address, "sixtofour", None)
    if inner is None and getattr(address, "teredo", None):
        return False
    if isinstance(address, ipaddress.IPv6Address) and address in _NAT64:
        inner = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    if inner is not None:
        return is_public(inner)
    return address.is_global and not address.is_multicast


_NAT64 = ipaddress.ip_network("64:ff9b::/96")


@contextmanager
def open_url(
    method: str,
    url: str,
    body: bytes | None = None,
    headers: dict[str, str] | None = None,
    private_addresses: bool = False,
) -> Iterator[http.client.HTTPResponse]:
    """Yield the response of an address; redirects are not followed.

    The name is looked up once, and that very address is connected to: an answer that changes
    between check and use helps nobody.

    Raises:
        RequestError: the address may not be called.
        OSError, http.client.HTTPException: it cannot be reached, or gives no answer.
    """
    parts = _parts(url)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    address = _resolve(parts.hostname or "", port, private_addresses)
    connection = _connection(parts.scheme, parts.hostname or "", port, address)
    try:
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        connection.request(method, target, body, headers or {})
        yield connection.getresponse()
    finally:
        connection.close()


def _connection(scheme: str, host: str, port: int, address: str) -> http.client.HTTPConnection:
    def connect(*_: object, **__: object) -> socket.socket:
        return socket.create_connection((address, port), TIMEOUT_S)

    connection: http.client.HTTPConnection
    if scheme == "https":
        context = ssl.create_default_context()
        connection = http.client.HTTPSConnection(host, port, timeout=TIMEOUT_S, context=context)
    else:
        connection = http.client.HTTPConnection(host, port, timeout=TIMEOUT_S)
    connection._create_connection = connect  # the certificate is still checked against `host`
    return connection


def _resolve(host: str, port: int, private_addresses: bool) -> str:
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    addresses = [str(entry[4][0]) for entry in found]
    if not private_addresses:
        for one in addresses:
            if not is_public(ipaddress.ip_address(one.partition("%")[0])):
                raise _refused("it leads into a private network")
    return addresses[0]


def _parts(url: str):
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError as error:
        raise _refused("it is not an address") from error
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise _refused("only http and https addresses are called")
    if parts.username is not None or any(ord(c) <= 32 for c in url):
        raise _refused("it holds a user's name, blanks or control characters")
    return parts


def _refused(reason: str) -> RequestError:
    return RequestError(
        "address_refused", f"the server does not call this address: {reason}",
        "give a public http or https address", 422,
    )  # fmt: skip
