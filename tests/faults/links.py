"""Links that fail: what stands between the processes of a schedule.

HttpLink, between workers and one ledger, understands requests: it passes, delays, duplicates and reorders them, loses
answers, and writes down what the ledger promised. ByteLink, between a ledger or gateway and Redis, passes bytes; it can
be cut in the middle of whatever is under way, or held up.

    observed = Observed()
    link = HttpLink(random.Random(7), mischief=0.2, observed=observed)
    link.upstream = ("127.0.0.1", 8642)      # None: nobody is there; may change at any time
    link.other = another_link                # duplicates may go there
    worker talks to http://127.0.0.1:{link.port}
    link.close()
"""

import contextlib
import http.client
import pathlib
import select
import socket
import struct
import sys
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "exact"))
import samara_formats  # noqa: E402  (reads messages)

LONGEST_ANSWER = 60  # seconds


class Observed:
    """Everything that ledgers said, as their answers came: the other end may never have heard it."""

    def __init__(self):
        self.lock = threading.Lock()
        self.requests = 0            # that workers sent
        self.promised = {}           # (kind, round, index, worker) -> payload: "it is in Redis"
        self.broken = []             # promises that contradict each other
        self.rounds = {}             # number -> encoded, as some reply carried it
        self.mischief = {}           # what was done -> how often
        self.unwelcome = {}          # HTTP status -> how often

    def did(self, what):
        with self.lock:
            self.mischief[what] = self.mischief.get(what, 0) + 1

    def asked(self):
        with self.lock:
            self.requests += 1

    def answered(self, code, body, reply_body):
        """A ledger answered the sync request `body`."""
        with self.lock:
            if code != 200:
                self.unwelcome[code] = self.unwelcome.get(code, 0) + 1
                return
            try:
                request, reply = samara_formats.parse_request(body), samara_formats.parse_reply(reply_body)
            except (struct.error, IndexError):
                request = reply = None
            if request is None or reply is None:
                self.broken.append("a sync was answered that this suite cannot read: samara_formats.py is behind wire.md")
                return
            for number, encoded in enumerate(reply.rounds, request.cursor):
                if self.rounds.setdefault(number, encoded) != encoded:
                    self.broken.append(f"round {number} was told in two versions")
            if reply.refused:
                return  # some of the results were not taken, and it is not said which
            for result in request.results:
                self._promise(request.worker, result)

    def _promise(self, worker, result):
        if result.kind == samara_formats.CHECK:
            return  # an opinion about a slot that is in the log already
        for (kind, number, index, other) in [key for key in self.promised if key[:3] == result[:3]]:
            if other != worker:
                self.broken.append(f"work {kind}:{number}:{index} was acknowledged to workers {other} and {worker}")
        self.promised[(result.kind, result.round, result.index, worker)] = result.payload


class Listener:
    """A port, and a thread for each connection to it."""

    def __init__(self, host="127.0.0.1"):
        self.socket = socket.create_server((host, 0), backlog=128)
        self.host, self.port = host, self.socket.getsockname()[1]
        self.closed = False
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while not self.closed:
            try:
                client, _ = self.socket.accept()
            except OSError:
                return
            threading.Thread(target=self._serve_quietly, args=(client,), daemon=True).start()

    def _serve_quietly(self, client):
        with contextlib.suppress(OSError, http.client.HTTPException), client:
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.serve(client)

    def close(self):
        self.closed = True
        with contextlib.suppress(OSError):
            self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()


def reset(connection):
    """Ends a connection the rude way: RST, and unsent bytes are lost."""
    with contextlib.suppress(OSError):
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    with contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)


# ---- between a worker and a ledger ----


class HttpLink(Listener):
    def __init__(self, rng, mischief, observed):
        self.rng, self.rng_lock = rng, threading.Lock()
        self.mischief, self.observed = mischief, observed
        self.upstream, self.other = None, self
        super().__init__()

    def serve(self, client):
        file = client.makefile("rb")
        while (request := read_request(file)) is not None:
            self.observed.asked()
            answer = self._pass_on(client, request)
            if answer is None:
                return reset(client)
            client.sendall(answer)

    def _plan(self):
        """What happens to a request: (kind, a delay in seconds)."""
        with self.rng_lock:
            if self.rng.random() >= self.mischief:
                return "pass", self.rng.uniform(0, 0.01)
            kinds = ["delay", "lose request", "lose answer", "cut answer", "repeat", "repeat later", "overtake"]
            return self.rng.choice(kinds), self.rng.uniform(0, 0.3)

    def _pass_on(self, client, request):
        """The bytes of the answer; None: the connection ends."""
        kind, seconds = self._plan()
        if kind != "pass":
            self.observed.did(kind)
        if kind == "lose request":
            return None
        if kind == "repeat":
            self._send_again(request, 0)
        elif kind == "repeat later":
            self._send_again(request, 3 * seconds)
        elif kind == "overtake":  # the copy arrives at the other ledger, and the first one after it
            self._send_again(request, 0, self.other)
            time.sleep(seconds)
        elif kind in ("pass", "delay"):
            time.sleep(seconds)
        answer = self.forward(request)
        if answer is None or kind == "lose answer":
            return None
        if kind == "cut answer":
            client.sendall(answer[:len(answer) // 2])
            return None
        return answer

    def _send_again(self, request, seconds, link=None):
        def send():
            time.sleep(seconds)
            with contextlib.suppress(OSError, http.client.HTTPException):
                (link or self.other).forward(request)
        threading.Thread(target=send, daemon=True).start()

    def forward(self, request):
        """Asks the ledger, and notes what it answers; None where it does not."""
        method, path, headers, body = request
        if self.upstream is None:
            return None
        connection = http.client.HTTPConnection(*self.upstream, timeout=LONGEST_ANSWER)
        try:
            connection.request(method, path, body or None, headers)
            reply = connection.getresponse()
            content = reply.read()
        except (OSError, http.client.HTTPException):
            return None
        finally:
            connection.close()
        if path.endswith("/sync"):
            self.observed.answered(reply.status, body, content)
        head = [f"HTTP/1.1 {reply.status} {reply.reason}"]
        head += [f"{name}: {value}" for name, value in reply.getheaders() if name.lower() not in HOP_BY_HOP]
        head += [f"Content-Length: {len(content)}", "", ""]
        return "\r\n".join(head).encode() + content


HOP_BY_HOP = ("connection", "content-length", "transfer-encoding", "keep-alive", "expect", "host")


def read_request(file):
    """(method, path, headers, body); None at the end of the connection."""
    line = file.readline().decode("latin-1").split()
    if len(line) != 3:
        return None
    headers = {}
    while (field := file.readline().decode("latin-1").strip()) != "":
        name, _, value = field.partition(":")
        headers[name.lower()] = value.strip()
    body = file.read(int(headers.get("content-length", 0)))
    return line[0], line[1], {name: value for name, value in headers.items() if name not in HOP_BY_HOP}, body


# ---- between a service and Redis ----


class ByteLink(Listener):
    def __init__(self, socket_path, host="127.0.0.1"):
        self.socket_path = socket_path
        self.pairs, self.lock = set(), threading.Lock()
        self.open = threading.Event()
        self.open.set()
        super().__init__(host)

    def serve(self, client):
        with socket.socket(socket.AF_UNIX) as redis:
            redis.connect(str(self.socket_path))
            with self.lock:
                self.pairs.add((client, redis))
            try:
                while self._pump(client, redis):
                    pass
            finally:
                with self.lock:
                    self.pairs.discard((client, redis))
                reset(client)

    def _pump(self, client, redis):
        ready, _, _ = select.select([client, redis], [], [], 1)
        for source in ready:
            content = source.recv(65536)
            if not content:
                return False
            self.open.wait(LONGEST_ANSWER)
            (redis if source is client else client).sendall(content)
        return True

    def cut(self):
        """Every connection ends at once, wherever its bytes are."""
        with self.lock:
            pairs = list(self.pairs)
        for client, redis in pairs:
            reset(client)
            reset(redis)

    def hold(self):
        self.open.clear()

    def release(self):
        self.open.set()
