# SPDX-License-Identifier: Apache-2.0
"""What the HBONE peers share: TLS as HBONE wants it, HTTP/2 by the `h2` package without its good manners, names of codes."""
import socket
import ssl

import h2.config
import h2.connection
import h2.errors
import h2.events
import h2.settings

SETTINGS = {
    h2.settings.SettingCodes.MAX_CONCURRENT_STREAMS: "MAX_CONCURRENT_STREAMS",
    h2.settings.SettingCodes.INITIAL_WINDOW_SIZE: "INITIAL_WINDOW_SIZE",
    h2.settings.SettingCodes.MAX_FRAME_SIZE: "MAX_FRAME_SIZE",
    h2.settings.SettingCodes.MAX_HEADER_LIST_SIZE: "MAX_HEADER_LIST_SIZE",
    h2.settings.SettingCodes.ENABLE_PUSH: "ENABLE_PUSH",
    h2.settings.SettingCodes.ENABLE_CONNECT_PROTOCOL: "ENABLE_CONNECT_PROTOCOL",
}


def code_name(code):
    try:
        return h2.errors.ErrorCodes(code).name
    except ValueError:
        return str(code)


def tls_context(server, options):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER if server else ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(options.ca)
    if options.cert:
        context.load_cert_chain(options.cert, options.key)
    if options.alpn:
        context.set_alpn_protocols(options.alpn.split(","))
    if options.tls == "1.2":
        context.maximum_version = ssl.TLSVersion.TLSv1_2
    elif server or options.tls == "1.3":
        context.minimum_version = ssl.TLSVersion.TLSv1_3
    return context


def peer_names(connection):
    """URI names of the peer's certificate, as OpenSSL reads them."""
    certificate = connection.getpeercert() or {}
    return [value for kind, value in certificate.get("subjectAltName", ()) if kind == "URI"]


def alert(error):
    """The reason of an ssl error as one word: `TLSV13_ALERT_CERTIFICATE_REQUIRED`, `CERTIFICATE_VERIFY_FAILED`, …"""
    return (getattr(error, "reason", None) or str(error)).upper().replace(" ", "_")


def new_connection(client, **initial):
    """An HTTP/2 connection that neither corrects what we send nor refuses what it reads: both are what is tested."""
    configuration = h2.config.H2Configuration(
        client_side=client, header_encoding="utf-8", validate_outbound_headers=False, normalize_outbound_headers=False,
        validate_inbound_headers=False, normalize_inbound_headers=False)
    connection = h2.connection.H2Connection(configuration)
    connection.local_settings = h2.settings.Settings(client=client, initial_values=initial or None)
    return connection


def settings_of(event):
    return {SETTINGS.get(code, str(int(code))): change.new_value for code, change in event.changed_settings.items()}


def read(connection):
    """Bytes from a TLS or plain socket, with b"" and how it ended: (bytes, None) or (b"", "fin" | "reset" | "timeout" | alert)."""
    try:
        data = connection.recv(65536)
        return data, None if data else "fin"
    except (ssl.SSLEOFError, ssl.SSLZeroReturnError):
        return b"", "fin"
    except ssl.SSLError as error:
        return b"", "timeout" if isinstance(error, socket.timeout) else alert(error)
    except TimeoutError:
        return b"", "timeout"
    except ConnectionResetError:
        return b"", "reset"
    except OSError as error:
        return b"", error.strerror or str(error)
