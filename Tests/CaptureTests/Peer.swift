// SPDX-License-Identifier: Apache-2.0

import Kernel

/// A Python process in a namespace that opens, uses and answers connections as it is told: one command a line, one answer a line.
///
/// It also plays `warrend` as far as capture is concerned: `proxy` listens on 15001, 15006 and 15008 as the daemon does, and speaks to
/// a peer over "tunnels" in which every byte is turned over, so that plain payload on the wire is a leak.
final class Peer {
    private let program: Program

    init(in namespace: LabNamespace) throws {
        program = try namespace.start("python3", "-u", "-c", Self.script)
        guard try program.line() == "ready" else { throw LabFailure("the peer didn't start") }
    }

    /// The answer to a command; it never contains a line feed.
    @discardableResult
    func ask(_ command: String) throws -> String {
        program.write(command + "\n")
        return try program.line()
    }

    func kill() { program.kill() }

    private static let script = #"""
        import encodings.idna, os, socket, struct, sys, threading, time
        TURN = bytes(i ^ 0x5a for i in range(256))
        OUTSIDE, INSIDE = 0x539, 0x111
        held, accepted, conns, leaks = {}, [], [], [0]

        def plain(host): return host[7:] if host.startswith('::ffff:') else host

        def make(host, mark=None, source=None, port=0):
            v6 = ':' in host
            s = socket.socket(socket.AF_INET6 if v6 else socket.AF_INET)
            s.settimeout(5)
            if mark: s.setsockopt(socket.SOL_SOCKET, 36, mark)
            if source:
                s.setsockopt(41, 75, 1) if v6 else s.setsockopt(0, 19, 1)
                s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                s.bind((source, port))
            return s

        def listener(port, mark=None):
            s = socket.socket(socket.AF_INET6)
            s.setsockopt(41, 26, 0)
            s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if mark:
                s.setsockopt(socket.SOL_SOCKET, 36, mark)
                s.setsockopt(0, 19, 1)
                s.setsockopt(41, 75, 1)
            s.bind(('::', port))
            s.listen(512)
            return s

        def serve(s, handle):
            def loop():
                while True:
                    c, peer = s.accept()
                    threading.Thread(target=handle, args=(c, plain(peer[0]), peer[1]), daemon=True).start()
            threading.Thread(target=loop, daemon=True).start()

        def pump(a, b, turn):
            try:
                while d := a.recv(65536): b.sendall(d.translate(TURN) if turn else d)
                b.shutdown(socket.SHUT_WR)
            except OSError:
                # What breaks on one side breaks on the other.
                for s in (a, b):
                    try: s.shutdown(socket.SHUT_RDWR)
                    except OSError: pass

        def relay(a, b, turn):
            a.settimeout(None); b.settimeout(None)
            threading.Thread(target=pump, args=(a, b, turn), daemon=True).start()
            threading.Thread(target=pump, args=(b, a, turn), daemon=True).start()

        # An application: returns what it gets; after the end of the other side it waits for `finish`, then says goodbye.
        finish = threading.Event()
        def application(c, host, port):
            accepted.append(f'{host} {port}')
            conns.append(c)
            try:
                while d := c.recv(65536): c.sendall(d)
                finish.wait()
                c.sendall(b'SECRET goodbye')
            except OSError: pass
            c.close()

        def turned(c, host, port):
            accepted.append(f'{host} {port}')
            try:
                while d := c.recv(65536): c.sendall(d)
                finish.wait()
                c.sendall(b'SECRET goodbye'.translate(TURN))
            except OSError: pass
            c.close()

        def outbound(world4, world6):
            def handle(c, host, port):
                to = c.getsockname()
                accepted.append(f'15001 {host} to {plain(to[0])} {to[1]}')
                d = make(plain(to[0]), OUTSIDE)
                try: d.connect((world6 if ':' in plain(to[0]) else world4, 15008))
                except OSError: return c.close()
                relay(c, d, True)
            return handle

        def inbound(turn, name):
            def handle(c, host, port):
                me = plain(c.getsockname()[0])
                raw = c.getsockopt(41, 80, 28) if ':' in me else c.getsockopt(0, 80, 16)
                to = 80 if name == 15008 else int.from_bytes(raw[2:4], 'big')
                accepted.append(f'{name} {host} to {me} {to}')
                d = make(me, INSIDE, host)
                try: d.connect((me, to))
                except OSError: return c.close()
                relay(c, d, turn)
            return handle

        def only(name):
            def handle(c, host, port):
                me = plain(c.getsockname()[0])
                raw = c.getsockopt(41, 80, 28) if ':' in me else c.getsockopt(0, 80, 16)
                to = socket.inet_ntop(socket.AF_INET6, raw[8:24]) if ':' in me else socket.inet_ntop(socket.AF_INET, raw[4:8])
                accepted.append(f'{name} {host} to {to} {int.from_bytes(raw[2:4], "big")}')
            return handle

        def sniff(device):
            s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
            s.bind((device, 0))
            def loop():
                while True:
                    if b'SECRET' in s.recv(65536): leaks[0] += 1
            threading.Thread(target=loop, daemon=True).start()

        # One short connection after the other until `calm`; answers how many there were, or why one failed.
        def hammer(name, host, port):
            calm, told = threading.Event(), []
            def loop():
                count = 0
                while not calm.is_set():
                    try:
                        s = socket.create_connection((host, int(port)), 5)
                        s.sendall(b'SECRET'); got = s.recv(10)
                        if got != b'SECRET': told.append(f'wrong answer {got}'); return
                        s.close()
                    except OSError as e: told.append(f'connection {count} failed: {e}'); return
                    count += 1
                told.append('ok' if count > 10 else f'only {count}')
            t = threading.Thread(target=loop, daemon=True); t.start()
            held[name] = (calm, t, told)
            return 'ok'

        # A connection that says something all the time.
        def chat(name):
            calm, told, s = threading.Event(), [], held[name]
            def loop():
                count = 0
                while not calm.is_set():
                    try:
                        s.sendall(b'SECRET')
                        if len(s.recv(10)) == 0: told.append('ended'); return
                    except OSError as e: told.append(f'turn {count} failed: {e}'); return
                    count += 1
                told.append('ok' if count > 10 else f'only {count}')
            t = threading.Thread(target=loop, daemon=True); t.start()
            held[name] = (calm, t, told)
            return 'ok'

        def calm(name):
            e, t, told = held[name]
            e.set(); t.join()
            return told[0]

        def dial(name, host, port, device=None):
            s = make(host)
            if device: s.setsockopt(socket.SOL_SOCKET, 25, device.encode() + b'\0')
            s.connect(socket.getaddrinfo(host, int(port), type=socket.SOCK_STREAM)[0][4])
            held[name] = s
            return 'open ' + s.getsockname()[0]

        def echo(name, text, turn, speaks=True, hears=True):
            sent = text.encode().translate(TURN) if turn else text.encode()
            if speaks: held[name].sendall(sent)
            if not hears: return 'ok'
            got = b''
            while len(got) < len(sent):
                d = held[name].recv(65536)
                if not d: return 'ended'
                got += d
            return 'ok' if got == sent else 'wrong'

        def rest(name, turn):
            held[name].settimeout(20)
            got = b''
            while d := held[name].recv(65536): got += d
            return (got.translate(TURN) if turn else got).decode() or 'nothing'

        def command(word, *a):
            if word == 'become': os.setuid(int(a[0])); return 'ok'
            if word == 'serve': serve(listener(int(a[0])), application); return 'ok'
            if word == 'serve-turned': serve(listener(int(a[0])), turned); return 'ok'
            if word == 'proxy':
                serve(listener(15001, OUTSIDE), outbound(*a))
                serve(listener(15006, OUTSIDE), inbound(False, 15006))
                serve(listener(15008, OUTSIDE), inbound(True, 15008)); return 'ok'
            if word == 'serve-ours': serve(listener(int(a[0]), OUTSIDE), only(a[0])); return 'ok'
            if word == 'sniff': sniff(a[0]); return 'ok'
            if word == 'leaks': return str(leaks[0])
            if word == 'accepted':
                for _ in range(500):
                    if len(accepted) >= int(a[0]): break
                    time.sleep(0.01)
                text = ', '.join(sorted(accepted)); accepted.clear(); return text or 'none'
            if word == 'hammer': return hammer(*a)
            if word == 'chat': return chat(*a)
            if word == 'calm': return calm(*a)
            if word == 'dial': return dial(*a)
            if word == 'transparent':
                s = make(a[1], INSIDE, a[3], int(a[4])); s.settimeout(1); s.connect((a[1], int(a[2]))); held[a[0]] = s; return 'open'
            if word == 'bound':
                s = make(a[1]); s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                s.bind(('', int(a[3]))); s.connect((a[1], int(a[2]))); held[a[0]] = s; return 'open'
            # What is accepted ends with a reset when this process is killed.
            if word == 'brittle':
                for c in conns: c.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0))
                return 'ok'
            if word == 'abort':
                held[a[0]].setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0))
                held.pop(a[0]).close(); return 'ok'
            if word == 'port': return str(held[a[0]].getsockname()[1])
            if word == 'echo': return echo(a[0], 'SECRET ' + a[0], False)
            if word == 'say': return echo(a[0], 'SECRET ' + a[0], False, hears=False)
            if word == 'hear': return echo(a[0], 'SECRET ' + a[0], False, speaks=False)
            if word == 'echo-turned': return echo(a[0], 'SECRET ' + a[0], True)
            if word == 'end': held[a[0]].shutdown(socket.SHUT_WR); return 'ok'
            if word == 'rest': return rest(a[0], False)
            if word == 'rest-turned': return rest(a[0], True)
            if word == 'finish': finish.set(); return 'ok'
            if word == 'udp':
                s = make(a[0]); s = socket.socket(s.family, socket.SOCK_DGRAM); s.settimeout(2)
                s.sendto(b'x', (a[0], int(a[1]))); return s.recv(10).decode()
            if word == 'serve-udp':
                s = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM); s.setsockopt(41, 26, 0); s.bind(('::', int(a[0])))
                def loop():
                    while True: d, p = s.recvfrom(100); s.sendto(b'udp', p)
                threading.Thread(target=loop, daemon=True).start(); return 'ok'
            return 'unknown'

        print('ready')
        for line in sys.stdin:
            try: answer = command(*line.split())
            except OSError as e: answer = 'failed ' + (e.strerror or str(e))
            print(answer)
        """#
}
