"""What the servers of the tools' tests have in common: `serve(app)` serves over TLS, with the certificate that the first argument names.

Prints its port, then what the application prints. `read(environ)` gives the whole body of a request, however it is framed.
"""
import socketserver
import ssl
import sys
from wsgiref import simple_server


class Server(socketserver.ThreadingMixIn, simple_server.WSGIServer):
    daemon_threads = True
    request_queue_size = 64

    def handle_error(self, *_):
        pass


class Handler(simple_server.WSGIRequestHandler):
    def get_environ(self):
        return super().get_environ() | {"RAW_URI": self.path}

    def log_message(self, *_):
        pass


def read(environ):
    stream = environ["wsgi.input"]
    if environ.get("HTTP_TRANSFER_ENCODING") != "chunked":
        return stream.read(int(environ.get("CONTENT_LENGTH") or 0))
    parts = []
    while size := int(stream.readline().split(b";")[0], 16):
        parts.append(stream.read(size))
        stream.readline()
    while stream.readline().strip():
        pass
    return b"".join(parts)


def serve(app):
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(sys.argv[1])
    with simple_server.make_server("127.0.0.1", 0, app, Server, Handler) as server:
        # Each handshake is the matter of the thread that serves it.
        server.socket = tls.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
        print(server.server_port, flush=True)
        server.serve_forever()
