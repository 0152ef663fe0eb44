# Two requests on one connection; the second one when somebody writes into the pipe `go`.
import http.client

connections = []


class Counted(http.client.HTTPConnection):
    def connect(self):
        connections.append(self)
        super().connect()


connection = Counted("192.0.2.1", timeout=60)


def ask():
    connection.request("GET", "/")
    print(connection.getresponse().read().decode(), end="", flush=True)


ask()
with open("go") as go:
    go.read()
ask()
print("connections:", len(connections))
