/**
 * The program that passes files for us (file-passer.ts): Node's sockets neither send nor receive any. It holds the
 * connection, which is its file 3, and speaks with us in records on its standard input and output: a byte that says what
 * (as in {@link PasserRecord}), a number of a file, the bytes that follow.
 *
 * @module
 */

/** Kinds of records: those that we send, and those that come. */
export const PasserRecord = {
  /** A message for a stream: how many files, their numbers, bytes. The other way: bytes that came. */
  DATA: 1,
  /** A new event. The other way: an event was signalled, and how often. */
  EVENT: 2,
  /** A new pair of streams: this number is ours, the one that follows is to be passed. */
  PAIR: 3,
  /** One is added to an event that came. */
  SIGNAL: 4,
  /** A file that came is a stream from now on. */
  ADOPT: 5,
  /** A file is closed. The other way: a stream is at its end. */
  CLOSE: 6,
  PAUSE: 7,
  RESUME: 8,
  /** The program is ready. */
  READY: 9,
} as const;

/** Bytes of a record before what follows: kind, number, length; little-endian. */
export const RECORD_HEAD = 9;

/** Numbers of files that came begin here; smaller ones are ours. */
const FIRST_RECEIVED: number = 2 ** 31;

export const PASSER_PROGRAM: string = `
import os, selectors, socket, struct

DATA, EVENT, PAIR, SIGNAL, ADOPT, CLOSE, PAUSE, RESUME, READY = range(1, 10)
HEAD = struct.Struct("<BII")
PIECE = 65536
MOST_WAITING = 1 << 20
MOST_FILES = 253

selector = selectors.DefaultSelector()
files = {}    # number -> descriptor, of what is no stream
events = set() # numbers of those that are events of ours
streams = {}  # number -> Stream
received = ${FIRST_RECEIVED}


class Stream:
    def __init__(self, number, sock, reads=True):
        self.number, self.sock = number, sock
        self.waiting, self.bytes = [], 0
        self.reads, self.ending = reads, False
        sock.setblocking(False)
        self.watch()

    def watch(self):
        mask = (selectors.EVENT_READ if self.reads else 0) | (selectors.EVENT_WRITE if self.waiting else 0)
        known = self.sock.fileno() in selector.get_map()
        if mask == 0:
            if known:
                selector.unregister(self.sock)
        elif known:
            selector.modify(self.sock, mask, self.ready)
        else:
            selector.register(self.sock, mask, self.ready)

    def ready(self, mask):
        if mask & selectors.EVENT_WRITE:
            self.flush()
        if mask & selectors.EVENT_READ and self.number in streams:
            self.receive()

    def receive(self):
        global received
        try:
            data, fds, _, _ = socket.recv_fds(self.sock, PIECE, MOST_FILES)
        except BlockingIOError:
            return
        except OSError:
            data, fds = b"", []
        if not data:
            self.close()
            emit(CLOSE, self.number)
            return
        numbers = []
        for fd in fds:
            files[received] = fd
            numbers.append(received)
            received += 1
        emit(DATA, self.number, struct.pack("<%dI" % (len(numbers) + 1), len(numbers), *numbers) + data)

    def send(self, data, fds):
        self.waiting.append((memoryview(data), fds))
        self.bytes += len(data)
        self.flush()

    def flush(self):
        try:
            while self.waiting:
                data, fds = self.waiting[0]
                sent = socket.send_fds(self.sock, [data], fds) if fds else self.sock.send(data)
                for fd in fds:
                    os.close(fd)
                self.bytes -= sent
                if sent == len(data):
                    self.waiting.pop(0)
                else:
                    self.waiting[0] = (data[sent:], [])
        except BlockingIOError:
            pass
        except OSError:
            # Who reads hears of the end.
            self.waiting, self.bytes = [], 0
        if self.ending and not self.waiting:
            self.close()
        else:
            self.watch()

    def end(self):
        self.ending, self.reads = True, False
        self.flush()

    def close(self):
        del streams[self.number]
        if self.sock.fileno() in selector.get_map():
            selector.unregister(self.sock)
        self.sock.close()


def write_all(data):
    data = memoryview(data)
    while data:
        try:
            data = data[os.write(1, data):]
        except BlockingIOError:
            selectors_wait(1)


def selectors_wait(fd):
    with selectors.DefaultSelector() as waiting:
        waiting.register(fd, selectors.EVENT_WRITE)
        waiting.select()


def emit(kind, number, payload=b""):
    write_all(HEAD.pack(kind, number, len(payload)) + payload)


def signalled(number, fd):
    def ready(mask):
        try:
            emit(EVENT, number, struct.pack("<Q", os.eventfd_read(fd)))
        except BlockingIOError:
            pass
    return ready


def close_file(number):
    fd = files.pop(number, None)
    events.discard(number)
    if fd is None:
        return
    if fd in selector.get_map():
        selector.unregister(fd)
    os.close(fd)


def obey(kind, number, payload):
    if kind == DATA:
        count, = struct.unpack_from("<I", payload)
        numbers = struct.unpack_from("<%dI" % count, payload, 4)
        # An event is kept, to hear of it; one end of a pair is the other side's alone.
        fds = [os.dup(files[file]) if file in events else files.pop(file) for file in numbers if file in files]
        if number in streams:
            streams[number].send(payload[4 + 4 * count:], fds)
    elif kind == EVENT:
        fd = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        files[number] = fd
        events.add(number)
        selector.register(fd, selectors.EVENT_READ, signalled(number, fd))
    elif kind == PAIR:
        mine, other = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        streams[number] = Stream(number, mine)
        files[number + 1] = other.detach()
    elif kind == SIGNAL:
        if number in files:
            try:
                # Whatever it is that came: an event takes eight bytes, and so does all else that can be written.
                os.write(files[number], struct.pack("<Q", 1))
            except OSError:
                pass
    elif kind == ADOPT:
        fd = files.pop(number, None)
        try:
            streams[number] = Stream(number, socket.socket(fileno=fd))
        except (OSError, TypeError, ValueError):
            emit(CLOSE, number)
    elif kind == CLOSE:
        if number in streams:
            streams[number].end()
        else:
            close_file(number)
    elif kind in (PAUSE, RESUME) and number in streams:
        streams[number].reads = kind == RESUME
        streams[number].watch()


def commands():
    held = bytearray()
    while True:
        # Who is sent to reads more slowly than we are told to send: no more of that now.
        while streams and max(stream.bytes for stream in streams.values()) > MOST_WAITING:
            yield
        try:
            data = os.read(0, PIECE)
        except BlockingIOError:
            yield
            continue
        if not data:
            return
        held += data
        at = 0
        while len(held) - at >= HEAD.size:
            kind, number, length = HEAD.unpack_from(held, at)
            if len(held) - at - HEAD.size < length:
                break
            at += HEAD.size
            obey(kind, number, bytes(held[at:at + length]))
            at += length
        del held[:at]
        yield


# Nothing is read of it before we are told to.
streams[0] = Stream(0, socket.socket(fileno=3), reads=False)
told = commands()
selector.register(0, selectors.EVENT_READ, lambda mask: next(told))
emit(READY, 0)
try:
    while True:
        for key, mask in selector.select():
            key.data(mask)
except (StopIteration, BrokenPipeError):
    selector.unregister(0)
# Nobody tells us anything any more: what is on its way is delivered, and no more.
for stream in list(streams.values()):
    stream.end()
while streams:
    for key, mask in selector.select():
        if isinstance(getattr(key.data, "__self__", None), Stream):
            key.data(mask)
        else:
            selector.unregister(key.fileobj)
`;
