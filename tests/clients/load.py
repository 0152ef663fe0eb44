"""Load on keep-alive connections: threads that ask until standard input says stop, then the counts as JSON.

Prints `started` after the first answer of every thread.
"""
import collections
import http.client
import json
import sys
import threading

host, path, threads = sys.argv[1], sys.argv[2], int(sys.argv[3])
stop = threading.Event()
ready = threading.Barrier(threads + 1)
counts = collections.Counter()
lock = threading.Lock()


def ask(connection):
    connection.request("GET", path)
    answer = connection.getresponse()
    answer.read()
    return f"{answer.status} {answer.getheader('x-policy') or ''}".strip()


def work():
    connection = http.client.HTTPSConnection(host, timeout=60)
    mine = collections.Counter({ask(connection): 1})
    ready.wait()
    while not stop.is_set():
        try:
            mine[ask(connection)] += 1
        except Exception as error:
            mine[repr(error)] += 1
            connection.close()
    with lock:
        counts.update(mine)


workers = [threading.Thread(target=work) for _ in range(threads)]
for worker in workers:
    worker.start()
ready.wait()
print("started", flush=True)
sys.stdin.readline()
stop.set()
for worker in workers:
    worker.join()
print(json.dumps(counts), flush=True)
