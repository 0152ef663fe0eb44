"""A steady number of requests a second on keep-alive connections, until standard input says stop.

Asks `/echo/N`, each N once, and prints in the end which policy, by its own word, answered which path, as JSON. The word is a
header of the response, or of the request as the origin saw it. Asked to `count`, it prints how many were answered so far.
"""
import http.client
import json
import sys
import threading
import time

host, threads, rate = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
stop = threading.Event()
ready = threading.Barrier(threads + 1)
answers = {}


def ask(connection, path):
    connection.request("GET", path)
    answer = connection.getresponse()
    body = answer.read()
    if answer.status != 200:
        return f"{answer.status} {body.decode()}"
    return answer.getheader("x-policy") or dict(json.loads(body)["headers"])["x-policy"]


def work(number):
    connection = http.client.HTTPSConnection(host, timeout=60)
    due = time.monotonic()
    while not stop.is_set():
        path = f"/echo/{number}"
        try:
            answers[path] = ask(connection, path)
        except Exception as error:
            answers[path] = repr(error)
            connection.close()
        if number < threads:
            ready.wait()
        number += threads
        due += threads / rate
        time.sleep(max(0, due - time.monotonic()))


workers = [threading.Thread(target=work, args=[number]) for number in range(threads)]
for worker in workers:
    worker.start()
ready.wait()
print("started", flush=True)
while sys.stdin.readline().strip() == "count":
    print(len(answers), flush=True)
stop.set()
for worker in workers:
    worker.join()
print(json.dumps(answers), flush=True)
