"""Starts a server that wants the number of its port: `start.py CERTIFICATE COMMAND...`, where `PORT` stands for it. Prints the port once the
server answers. Whoever takes a port between our look and the server's start makes us look for another.
"""
import socket
import subprocess
import sys
import time


def free():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


def answers(server, port):
    while server.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
            return True
        except OSError:
            time.sleep(0.01)
    return False


while True:
    port = free()
    # It ends with us, however we end.
    command = ["setpriv", "--pdeathsig", "KILL", *(word.replace("PORT", str(port)) for word in sys.argv[2:])]
    quiet = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    server = subprocess.Popen(command, **quiet)
    if answers(server, port):
        print(port, flush=True)
        server.wait()
        break
