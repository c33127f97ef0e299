# SPDX-License-Identifier: Apache-2.0
"""An HBONE client that shares no code with what it talks to: TLS by Python's ssl, HTTP/2 by h2. Tells its result as one line of JSON.

  hbone_client.py --host 10.66.2.10 --cert web.pem --key web.key --ca root.pem --authority 10.66.2.10:80 --send hello --end

Each --authority opens a stream, with all --header NAME=VALUE. --early is sent before the answer, --send after it; --end ends our direction;
then it reads until every stream has ended or --seconds are over. --misbehave does one of the things below instead.
"""
import argparse
import hashlib
import socket
import ssl
import sys
import threading
import time

import h2.events
import h2.exceptions
import hpack
from hyperframe.frame import DataFrame, GoAwayFrame, HeadersFrame, SettingsFrame, WindowUpdateFrame

import hbone
import tcp


class Client:
    def __init__(self, options):
        self.options = options
        self.result = dict(tls={}, settings={}, streams={}, window=65535, pings=0, goaway=None, closed=None)
        self.stopping = threading.Event()

    def run(self):
        try:
            source = (self.options.source, 0) if self.options.source else None
            plain = socket.create_connection((self.options.host, self.options.port), self.options.seconds, source)
        except OSError as error:
            self.result["closed"] = "connect: %s" % error
            return
        started = time.monotonic()
        if self.options.plaintext is not None:
            self.talk_plain(plain)
        else:
            self.talk(plain)
        self.result["lasted"] = time.monotonic() - started

    def talk_plain(self, connection):
        """Bytes that are no TLS, or none at all; what comes back."""
        connection.sendall(self.options.plaintext.encode().decode("unicode_escape").encode("latin1"))
        count, _, end, kept = tcp.receive_all(connection, 100)
        self.result.update(closed=end, received=count, first=kept[:1].hex())

    def talk(self, plain):
        try:
            connection = hbone.tls_context(False, self.options).wrap_socket(plain, server_hostname=self.options.sni)
        except (ssl.SSLError, OSError) as error:
            self.result["tls"]["error"] = hbone.alert(error)
            return
        self.result["tls"] = dict(
            version=connection.version(), alpn=connection.selected_alpn_protocol(), cipher=connection.cipher()[0], peer=hbone.peer_names(connection))
        self.connection = connection
        self.http = hbone.new_connection(True, **{})
        self.http.initiate_connection()
        self.http.increment_flow_control_window(15 << 20)
        self.flush()
        misbehaviour = getattr(self, "do_" + self.options.misbehave.replace("-", "_")) if self.options.misbehave else self.open
        connection.settimeout(0.2)
        self.opened = False
        until = time.monotonic() + self.options.seconds
        while time.monotonic() < until and not self.stopping.is_set():
            data, end = hbone.read(connection)
            if end == "timeout":
                continue
            if end:
                if not self.opened and end not in ("fin", "reset"):
                    self.result["tls"]["error"] = end
                self.result["closed"] = end
                return
            try:
                events = self.http.receive_data(data)
            except h2.exceptions.ProtocolError as error:
                self.result["closed"] = "our HTTP/2: %s" % error
                return
            for event in events:
                self.handle(event)
            if not self.opened and self.result["settings"]:
                self.opened = True
                misbehaviour()
            self.flush()
            if self.opened and self.finished():
                return
        if self.result["closed"] is None:
            self.result["closed"] = "still open"

    def flush(self):
        data = self.http.data_to_send()
        if not data:
            return
        self.connection.settimeout(20)
        try:
            self.connection.sendall(data)
        except (OSError, ssl.SSLError):
            pass  # The reading side tells how it ended.
        self.connection.settimeout(0.2)

    # What streams do.

    def headers(self, authority):
        headers = [] if self.options.method == "" else [(":method", self.options.method)]
        for pseudo in self.options.pseudo:
            headers.append(tuple(pseudo.split("=", 1)))
        if authority != "-":
            headers.append((":authority", "" if authority == "empty" else authority))
        for header in self.options.header:
            name, value = header.split("=", 1)
            headers += [(name, value)] * self.options.times
        for _ in range(self.options.many):
            headers.append(("x-filler", "f" * self.options.filler))
        return headers

    def open(self):
        for authority in self.options.authority:
            stream = self.http.get_next_available_stream_id()
            self.result["streams"][str(stream)] = self.record()
            self.http.send_headers(stream, self.headers(authority), end_stream=False)
            if self.options.early:
                self.http.send_data(stream, self.options.early.encode())

    @staticmethod
    def record():
        return dict(status=None, headers={}, received=0, text="", end=None, digest=hashlib.sha256())

    def finished(self):
        streams = self.result["streams"].values()
        return bool(streams) and all(stream["end"] for stream in streams) and not self.options.linger

    def handle(self, event):
        stream = self.result["streams"].get(str(getattr(event, "stream_id", None)))
        if isinstance(event, h2.events.RemoteSettingsChanged):
            self.result["settings"].update(hbone.settings_of(event), seen=True)
        elif isinstance(event, h2.events.WindowUpdated) and not event.stream_id:
            self.result["window"] += event.delta
        elif isinstance(event, h2.events.PingReceived):
            self.result["pings"] += 1
        elif isinstance(event, h2.events.ConnectionTerminated):
            self.result["goaway"] = dict(code=hbone.code_name(event.error_code), last=event.last_stream_id)
        elif isinstance(event, h2.events.ResponseReceived) and stream:
            headers = dict(event.headers)
            stream["status"] = headers.pop(":status", None)
            stream["headers"] = headers
            if stream["status"] == "200":
                self.after_answer(event.stream_id)
        elif isinstance(event, h2.events.DataReceived) and stream:
            stream["received"] += len(event.data)
            stream["digest"].update(event.data)
            if len(stream["text"]) < 200:
                stream["text"] += event.data[:200].decode("latin1")
            self.http.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
        elif isinstance(event, h2.events.StreamEnded) and stream:
            stream["end"] = stream["end"] or "end"
        elif isinstance(event, h2.events.StreamReset) and stream:
            stream["end"] = "reset"
            stream["code"] = hbone.code_name(event.error_code)

    def after_answer(self, stream):
        if self.options.goaway:
            # By hand: h2 itself would send nothing more behind it.
            self.flush()
            self.frames(GoAwayFrame(0))
        if self.options.send:
            self.http.send_data(stream, self.options.send.encode())
        if self.options.end:
            self.http.end_stream(stream)
        if self.options.cancel:
            self.http.reset_stream(stream, 8)

    # Misbehaviour. Each is written as frames where h2 itself would refuse to.

    def frames(self, *frames):
        self.connection.settimeout(20)
        try:
            self.connection.sendall(b"".join(frame.serialize() for frame in frames))
        except (OSError, ssl.SSLError):
            pass  # The reading side tells how it ended.
        self.connection.settimeout(0.2)

    def headers_frame(self, stream, headers):
        frame = HeadersFrame(stream, hpack.Encoder().encode(headers))
        frame.flags.add("END_HEADERS")
        return frame

    def do_upper_case(self):
        self.result["streams"]["1"] = self.record()
        self.http.get_next_available_stream_id()
        self.http.send_headers(1, [(":method", "CONNECT"), (":authority", self.options.authority[0]), ("X-Upper", "1")])

    def do_data_on_idle(self):
        self.frames(DataFrame(7, b"early"))

    def do_window_zero(self):
        self.open()
        self.flush()
        self.frames(WindowUpdateFrame(1, 0))

    def do_window_overflow(self):
        self.frames(WindowUpdateFrame(0, 0x7FFFFFFF), WindowUpdateFrame(0, 0x7FFFFFFF))

    def do_frame_too_large(self):
        self.open()
        self.flush()
        self.frames(DataFrame(1, b"x" * (self.result["settings"].get("MAX_FRAME_SIZE", 16384) + 1)))

    def do_even_stream(self):
        self.frames(self.headers_frame(2, [(":method", "CONNECT"), (":authority", self.options.authority[0])]))

    def do_settings_on_stream(self):
        frame = SettingsFrame(0, {3: 1})
        data = bytearray(frame.serialize())
        data[8] = 1
        self.connection.sendall(bytes(data))

    def do_rapid_reset(self):
        """1,000 streams, each reset at once."""
        sent = 0
        try:
            for _ in range(1000):
                stream = self.http.get_next_available_stream_id()
                self.http.send_headers(stream, self.headers(self.options.authority[0]))
                self.http.reset_stream(stream, 8)
                self.connection.settimeout(20)
                self.connection.sendall(self.http.data_to_send())
                sent += 1
        except (OSError, ssl.SSLError):
            pass
        self.result["sent"] = sent
        self.connection.settimeout(0.2)

    def do_ignore_goaway(self):
        """Opens a stream every half second, whatever the server said of no more streams."""
        def again():
            while not self.stopping.wait(0.5):
                stream = self.http.get_next_available_stream_id()
                self.result["streams"][str(stream)] = self.record()
                frame = self.headers_frame(stream, self.headers(self.options.authority[0]))
                try:
                    self.connection.sendall(frame.serialize())
                except (OSError, ssl.SSLError):
                    return
        threading.Thread(target=again, daemon=True).start()


def main():
    arguments = argparse.ArgumentParser()
    add = arguments.add_argument
    add("--host", required=True)
    add("--port", type=int, default=15008)
    add("--source")
    add("--cert")
    add("--key")
    add("--ca", required=True)
    add("--alpn", default="h2")
    add("--tls", default="1.3")
    add("--sni")
    add("--plaintext")
    add("--authority", action="append", default=[])
    add("--method", default="CONNECT")
    add("--pseudo", action="append", default=[], help=":scheme=https and the like, between method and authority")
    add("--header", action="append", default=[])
    add("--times", type=int, default=1, help="how often each --header is sent")
    add("--many", type=int, default=0, help="how many filler headers")
    add("--filler", type=int, default=10, help="bytes of a filler header")
    add("--early")
    add("--send")
    add("--end", action="store_true")
    add("--cancel", action="store_true")
    add("--goaway", action="store_true", help="send GOAWAY after the answer")
    add("--linger", action="store_true", help="stay for --seconds although all streams have ended")
    add("--misbehave")
    add("--seconds", type=float, default=10)
    client = Client(arguments.parse_args())
    client.run()
    client.stopping.set()
    for stream in client.result["streams"].values():
        stream["sha256"] = stream.pop("digest").hexdigest()
    tcp.tell(event="result", **client.result)


main()
