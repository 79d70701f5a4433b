"""Speaks HTTP/3 with aioquic: three requests at once and an upload, over one connection.

Arguments: host:port, and a file with the root to trust. Fails with a message where an answer is
not what it should be.
"""

import asyncio
import sys

from aioquic.asyncio import QuicConnectionProtocol, connect
from aioquic.h3.connection import H3_ALPN, H3Connection
from aioquic.h3.events import DataReceived, HeadersReceived
from aioquic.quic.configuration import QuicConfiguration

LIMIT_SECONDS = 20


class Client(QuicConnectionProtocol):
    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.http = H3Connection(self._quic)
        self.answers = {}

    async def ask(self, method, path, body=b""):
        stream = self._quic.get_next_available_stream_id()
        ended = asyncio.get_running_loop().create_future()
        self.answers[stream] = [{}, b"", ended]
        headers = [
            (b":method", method.encode()),
            (b":scheme", b"https"),
            (b":authority", b"a.test"),
            (b":path", path.encode()),
        ]
        if body:
            headers.append((b"content-length", str(len(body)).encode()))
        self.http.send_headers(stream, headers, end_stream=not body)
        if body:
            self.http.send_data(stream, body, end_stream=True)
        self.transmit()
        await ended
        return self.answers.pop(stream)

    def quic_event_received(self, event):
        for event in self.http.handle_event(event):
            answer = self.answers[event.stream_id]
            if isinstance(event, HeadersReceived):
                answer[0] = dict(event.headers)
            elif isinstance(event, DataReceived):
                answer[1] += event.data
            if event.stream_ended:
                answer[2].set_result(None)


async def main(address, root):
    host, port = address.rsplit(":", 1)
    configuration = QuicConfiguration(alpn_protocols=H3_ALPN, server_name="a.test")
    configuration.load_verify_locations(root)
    async with connect(
        host, int(port), configuration=configuration, create_protocol=Client
    ) as client:
        asked = await asyncio.gather(*(client.ask("GET", f"/{n}") for n in range(3)))
        asked.append(await client.ask("POST", "/upload", b"x" * 100_000))
        for headers, body, _ in asked:
            assert headers[b":status"] == b"200", headers
            assert headers[b"x-backend"] == b"s", headers
            assert body.startswith(b"s\n"), body
    print("four answers")


asyncio.run(asyncio.wait_for(main(*sys.argv[1:]), LIMIT_SECONDS))
