# SPDX-License-Identifier: Apache-2.0
"""An HBONE server that shares no code with what it talks to, good or misbehaving; what happens as lines of JSON.

  hbone_server.py --cert db.pem --key db.key --ca root.pem --mode echo

echo           200, then what comes goes back
digest         200, reads to the end, answers count and SHA-256
app            200 once 127.0.0.1:--app is connected, then relays
greet          a banner right behind the 200
status         answers --status and ends the stream
reset          RST_STREAM with --code instead of an answer
refuse-first   REFUSED_STREAM on the first connection, echo on others
goaway-first   on the first connection GOAWAY that takes no stream, echo on others
goaway-after   echo; after the first stream's 200 a GOAWAY, open streams go on
silent         reads, acknowledges settings, never answers a CONNECT
silent-tls     accepts TCP and never speaks
silent-http    makes TLS and never speaks HTTP/2
hang-up        closes after TCP, --at tcp | tls | connect | answer
hang-up-reset  the same with a reset of the connection
one-stream     echo, MAX_CONCURRENT_STREAMS 1
no-window      echo, INITIAL_WINDOW_SIZE 0, never opened
cut            200, sends --bytes, then ends TCP without END_STREAM or close_notify
cut-notify     the same with close_notify
send           200, sends --bytes of the pattern, END_STREAM
early-data     DATA before the answer
"""
import argparse
import hashlib
import itertools
import select
import socket
import ssl
import threading
import time

import h2.events
import h2.exceptions
import h2.settings
from hyperframe.frame import GoAwayFrame

import hbone
import tcp

CODES = h2.settings.SettingCodes


class Connection:
    numbers = itertools.count(1)

    def __init__(self, plain, options):
        self.number = next(self.numbers)
        self.plain = plain
        self.options = options
        self.streams = {}
        self.waiting = {}
        self.lock = threading.RLock()
        self.over = False

    def tell(self, event, **fields):
        tcp.tell(event=event, connection=self.number, **fields)

    def run(self):
        mode, at = self.options.mode, self.options.at
        self.tell("accepted", peer=tcp.plain(self.plain.getpeername()[0]), port=self.plain.getpeername()[1])
        if mode == "silent-tls":
            self.tell("closed", how=tcp.receive_all(self.plain)[2])
            return
        if self.hangs_up("tcp"):
            return
        names = []
        context = hbone.tls_context(True, self.options)
        context.sni_callback = lambda _socket, name, _context: names.append(name)
        try:
            self.tls = context.wrap_socket(self.plain, server_side=True)
        except (ssl.SSLError, OSError) as error:
            self.tell("tls_failed", reason=hbone.alert(error))
            return
        self.tell("tls", version=self.tls.version(), alpn=self.tls.selected_alpn_protocol(), cipher=self.tls.cipher()[0],
                  peer=hbone.peer_names(self.tls), sni=names[0] if names else None, resumed=self.tls.session_reused)
        if self.hangs_up("tls"):
            return
        if mode == "silent-http":
            self.tell("closed", how=tcp.receive_all(self.tls)[2])
            return
        initial = {CODES.MAX_CONCURRENT_STREAMS: 100, CODES.INITIAL_WINDOW_SIZE: 1 << 20, CODES.MAX_FRAME_SIZE: self.options.frame}
        if mode == "one-stream":
            initial[CODES.MAX_CONCURRENT_STREAMS] = 1
        if mode == "no-window":
            initial[CODES.INITIAL_WINDOW_SIZE] = 0
        self.http = hbone.new_connection(False)
        self.http.local_settings = h2.settings.Settings(client=False, initial_values=initial)
        self.http.max_inbound_frame_size = self.options.frame
        self.http.initiate_connection()
        if mode != "no-window":
            self.http.increment_flow_control_window(15 << 20)
        self.flush()
        self.loop()

    def loop(self):
        while not self.over:
            data, end = hbone.read(self.tls)
            if end:
                self.tell("closed", how=end)
                return
            with self.lock:
                try:
                    events = self.http.receive_data(data)
                except h2.exceptions.ProtocolError as error:
                    self.tell("protocol_error", text=str(error))
                    self.flush()
                    return
                for event in events:
                    self.handle(event)
                    if self.over:
                        return
                self.drain()
                self.flush()

    def flush(self):
        with self.lock:
            data = self.http.data_to_send()
            if data:
                try:
                    self.tls.sendall(data)
                except (OSError, ssl.SSLError):
                    self.over = True

    def goaway(self, last):
        """By hand: h2 itself would send nothing more behind it."""
        self.flush()
        self.tls.sendall(GoAwayFrame(0, last_stream_id=last).serialize())

    def hangs_up(self, point):
        """Whether this is where the mode ends the connection."""
        mode = self.options.mode
        if mode not in ("hang-up", "hang-up-reset") or self.options.at != point:
            return False
        target = getattr(self, "tls", self.plain)
        self.tell("hung_up", at=point)
        if mode == "hang-up-reset":
            tcp.abort(target)
        else:
            target.close()
        self.over = True
        return True

    def handle(self, event):
        if isinstance(event, h2.events.RequestReceived):
            self.request(event)
        elif isinstance(event, h2.events.DataReceived):
            self.data(event)
        elif isinstance(event, h2.events.StreamEnded):
            self.ended(event.stream_id)
        elif isinstance(event, h2.events.StreamReset):
            self.streams.pop(event.stream_id, None)
            self.tell("reset", stream=event.stream_id, code=hbone.code_name(event.error_code))
        elif isinstance(event, h2.events.RemoteSettingsChanged):
            self.tell("settings", **hbone.settings_of(event))
        elif isinstance(event, h2.events.WindowUpdated) and not event.stream_id:
            self.tell("window", delta=event.delta)
        elif isinstance(event, h2.events.PingReceived):
            self.tell("ping")
        elif isinstance(event, h2.events.ConnectionTerminated):
            self.tell("goaway", code=hbone.code_name(event.error_code), last=event.last_stream_id)

    def request(self, event):
        stream, mode = event.stream_id, self.options.mode
        headers = [[name, value] for name, value in event.headers]
        self.tell("connect", stream=stream, names=[name for name, _ in headers], headers=dict(headers))
        if self.hangs_up("connect"):
            return
        first = self.number == 1
        if mode == "silent":
            self.streams[stream] = None
        elif mode == "status":
            self.http.send_headers(stream, [(":status", str(self.options.status))], end_stream=True)
        elif mode == "reset":
            self.http.reset_stream(stream, self.options.code)
        elif mode == "refuse-first" and first:
            self.http.reset_stream(stream, 7)
        elif mode == "goaway-first" and first:
            self.goaway(0)
        elif mode == "early-data":
            self.http.send_data(stream, b"early")
        else:
            self.accept(stream)

    def accept(self, stream):
        mode = self.options.mode
        record = self.streams[stream] = dict(received=0, digest=hashlib.sha256(), app=None, ended=False)
        if mode == "app":
            record["app"] = tcp.connect("127.0.0.1", self.options.app, 5)
            threading.Thread(target=self.from_app, args=(stream, record["app"]), daemon=True).start()
        self.http.send_headers(stream, [(":status", "200"), ("baggage", "k8s.namespace.name=default")])
        if self.hangs_up("answer"):
            return
        if mode == "greet":
            self.send(stream, b"220 ready\r\n")
        elif mode == "goaway-after" and self.number == 1:
            self.goaway(stream)
        elif mode in ("send", "cut", "cut-notify"):
            threading.Thread(target=self.bulk, args=(stream,), daemon=True).start()

    def bulk(self, stream):
        for piece in tcp.Pattern(self.options.bytes):
            with self.lock:
                if self.over:
                    return
                self.send(stream, piece)
                self.flush()
            while True:
                with self.lock:
                    if self.over:
                        return
                    self.flush()
                    if not self.waiting.get(stream):
                        break
                time.sleep(0.001)
        time.sleep(0.2)
        with self.lock:
            if self.options.mode == "send":
                self.finish(stream)
                self.flush()
                return
            self.over = True
            if self.options.mode == "cut-notify":
                self.plain_unwrap()
            self.tls.shutdown(socket.SHUT_WR)
            self.tell("cut")

    def plain_unwrap(self):
        """close_notify, without waiting for the peer's."""
        self.tls.settimeout(0.2)
        try:
            self.tls.unwrap()
        except (OSError, ssl.SSLError, ValueError):
            pass

    def data(self, event):
        record = self.streams.get(event.stream_id)
        if self.options.mode != "no-window":
            self.http.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
        if not record:
            self.tell("early", stream=event.stream_id, bytes=len(event.data))
            return
        record["received"] += len(event.data)
        record["digest"].update(event.data)
        if self.options.mode == "app":
            record["app"].sendall(event.data)
        elif self.options.mode not in ("digest", "send", "cut", "cut-notify"):
            self.send(event.stream_id, event.data)

    def ended(self, stream):
        record = self.streams.get(stream)
        if not record:
            return
        record["ended"] = True
        sha256 = record["digest"].hexdigest()
        self.tell("stream_ended", stream=stream, received=record["received"], sha256=sha256)
        if self.options.mode == "app":
            record["app"].shutdown(socket.SHUT_WR)
        elif self.options.mode == "digest":
            self.send(stream, ("%d %s\n" % (record["received"], sha256)).encode())
            self.finish(stream)
        elif self.options.mode != "send":
            self.finish(stream)

    def from_app(self, stream, app):
        while True:
            try:
                piece = app.recv(16384)
            except OSError:
                with self.lock:
                    self.http.reset_stream(stream, 10)
                    self.flush()
                return
            with self.lock:
                if piece:
                    self.send(stream, piece)
                else:
                    self.finish(stream)
                self.flush()
            if not piece:
                return

    # Sending within the peer's windows: what doesn't fit waits.

    def send(self, stream, data):
        self.waiting.setdefault(stream, []).append(data)
        self.drain()

    def finish(self, stream):
        self.waiting.setdefault(stream, []).append(None)
        self.drain()

    def drain(self):
        for stream, queue in list(self.waiting.items()):
            while queue:
                if queue[0] is None:
                    queue.pop(0)
                    try:
                        self.http.end_stream(stream)
                    except h2.exceptions.ProtocolError:
                        pass
                    break
                try:
                    room = min(self.http.local_flow_control_window(stream), self.http.max_outbound_frame_size)
                except h2.exceptions.ProtocolError:
                    queue.clear()
                    break
                if room <= 0:
                    break
                piece = queue.pop(0)
                self.http.send_data(stream, piece[:room])
                if len(piece) > room:
                    queue.insert(0, piece[room:])


def main():
    arguments = argparse.ArgumentParser()
    add = arguments.add_argument
    add("--port", type=int, default=15008)
    add("--address")
    add("--cert", required=True)
    add("--key", required=True)
    add("--ca", required=True)
    add("--alpn", default="h2")
    add("--tls", default="1.3")
    add("--mode", default="echo")
    add("--status", type=int, default=503)
    add("--code", type=int, default=8)
    add("--at", default="tls")
    add("--app", type=int, default=80)
    add("--bytes", type=int, default=1 << 20)
    add("--frame", type=int, default=16384)
    options = arguments.parse_args()
    listener = tcp.listen(options.port, options.address)
    tcp.tell(event="listening", port=options.port)
    while True:
        connection, _ = listener.accept()
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        threading.Thread(target=Connection(connection, options).run, daemon=True).start()


main()
