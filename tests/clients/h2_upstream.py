"""An upstream of HTTP/2 that misbehaves by path: `h2_upstream.py CERTIFICATE`. Prints its port, each request, and how streams were reset.

`/reset` breaks off; `/refuse` refuses the first request; `/away` goes away before it, and `/gone` after it has begun; `/http11` wants HTTP/1.1, which is
spoken here too; `/trailers` answers trailers with trailers; `/wait` never answers; `/pour` never ends; `/early` has hints first.
"""
import asyncio
import ssl
import sys

import h2.config
import h2.connection
import h2.errors
import h2.events

times = {}


class Connection(asyncio.Protocol):
    def connection_made(self, transport):
        self.transport, self.paths, self.bodies, self.trailers = transport, {}, {}, {}
        self.first = b""
        self.h2 = None
        if transport.get_extra_info("ssl_object").selected_alpn_protocol() == "h2":
            self.h2 = h2.connection.H2Connection(h2.config.H2Configuration(client_side=False, header_encoding="utf-8"))
            self.h2.initiate_connection()
            self.flush()

    def flush(self):
        self.transport.write(self.h2.data_to_send())

    def data_received(self, data):
        if self.h2 is None:
            return self.http1(data)
        for event in self.h2.receive_data(data):
            if isinstance(event, h2.events.RequestReceived):
                self.begun(event.stream_id, dict(event.headers))
            elif isinstance(event, h2.events.DataReceived):
                self.bodies[event.stream_id] += event.data
                self.h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
            elif isinstance(event, h2.events.TrailersReceived):
                self.trailers[event.stream_id] = event.headers
            elif isinstance(event, h2.events.StreamEnded):
                self.ended(event.stream_id, self.paths[event.stream_id])
            elif isinstance(event, h2.events.StreamReset):
                print("reset", int(event.error_code), flush=True)
            elif isinstance(event, h2.events.WindowUpdated):
                self.pour()
        self.flush()

    def http1(self, data):
        self.first += data
        if b"\r\n\r\n" in self.first:
            print("HTTP/1.1", self.first.split()[1].decode(), flush=True)
            self.transport.write(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\nConnection: close\r\n\r\nover one.1")
            self.transport.close()

    def begun(self, stream, headers):
        path = headers[":path"]
        self.paths[stream], self.bodies[stream] = path, b""
        times[path] = times.get(path, 0) + 1
        print(headers[":method"], path, times[path], flush=True)
        if path == "/refuse" and times[path] == 1:
            self.h2.reset_stream(stream, h2.errors.ErrorCodes.REFUSED_STREAM)
        elif path == "/http11":
            self.h2.reset_stream(stream, h2.errors.ErrorCodes.HTTP_1_1_REQUIRED)
        elif path == "/away" and times[path] == 1:
            self.h2.close_connection(last_stream_id=stream - 2 if stream > 1 else 0)
            self.flush()
            self.transport.close()
        elif path == "/gone":
            self.h2.close_connection(last_stream_id=stream)
            self.flush()
            self.transport.close()
        elif path == "/reset":
            self.h2.send_headers(stream, [(":status", "200")])
            self.h2.send_data(stream, b"the beginning")
            # What was not passed on before the reset never is.
            asyncio.get_running_loop().call_later(0.5, self.reset, stream)
        elif path == "/early":
            self.h2.send_headers(stream, [(":status", "103"), ("link", "</style.css>; rel=preload")])
        elif path == "/pour":
            self.h2.send_headers(stream, [(":status", "200")])
            self.pour()

    def reset(self, stream):
        self.h2.reset_stream(stream, h2.errors.ErrorCodes.INTERNAL_ERROR)
        self.flush()

    def pour(self):
        for stream, path in self.paths.items():
            try:
                while path == "/pour" and (room := min(16384, self.h2.local_flow_control_window(stream))) > 0:
                    self.h2.send_data(stream, bytes(room))
            except h2.exceptions.ProtocolError:
                pass  # That stream is over.

    def ended(self, stream, path):
        if path in ("/wait", "/pour", "/reset", "/gone", "/http11") or self.transport.is_closing():
            return
        try:
            self.h2.send_headers(stream, [(":status", "200")])
            self.h2.send_data(stream, self.bodies[stream] or b"none", end_stream=path != "/trailers")
            if path == "/trailers":
                self.h2.send_headers(stream, [("x-sum", str(dict(self.trailers.get(stream, ()))))], end_stream=True)
        except h2.exceptions.ProtocolError:
            pass  # It was reset meanwhile.


async def main():
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(sys.argv[1])
    tls.set_alpn_protocols(["h2", "http/1.1"])
    server = await asyncio.get_running_loop().create_server(Connection, "127.0.0.1", 0, ssl=tls)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


asyncio.run(main())
