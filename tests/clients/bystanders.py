"""Bystanders at a steady rate on keep-alive connections, while others do what they like beside them.

Reads a JSON object a line: `seconds`, and `others`, a list of `[name, url path]`. Prints a JSON object a line: for each bystander the
99th percentile in milliseconds, how many of its requests failed, and of the others `[name, status, text]`.
"""
import concurrent.futures
import http.client
import json
import sys
import threading
import time

hosts, rate = sys.argv[1:-1], int(sys.argv[-1])


def bystander(host, until, told):
    connection = http.client.HTTPSConnection(host, timeout=60)
    times, failed, due = [], 0, time.monotonic()
    while not until.is_set():
        begun = time.monotonic()
        try:
            connection.request("GET", "/")
            answer = connection.getresponse()
            answer.read()
            failed += answer.status != 200
        except Exception as error:
            print(repr(error), file=sys.stderr)
            failed += 1
            connection.close()
        times.append(time.monotonic() - begun)
        due = max(due + len(hosts) / rate, time.monotonic() - 0.1)
        time.sleep(max(0, due - time.monotonic()))
    times.sort()
    told[host] = [1000 * times[len(times) * 99 // 100], failed]


def other(case):
    name, path = case
    connection = http.client.HTTPSConnection(f"{name}.hostile.test", timeout=60)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        try:
            return [name, answer.status, answer.read().decode(errors="replace")]
        except Exception:
            return [name, answer.status, "cut off"]
    except http.client.RemoteDisconnected:
        return [name, 0, "cut off"]
    except Exception as error:
        return [name, 0, repr(error)]
    finally:
        connection.close()


print("ready", flush=True)
for line in sys.stdin:
    asked = json.loads(line)
    until, told = threading.Event(), {}
    workers = [threading.Thread(target=bystander, args=[host, until, told]) for host in hosts]
    for worker in workers:
        worker.start()
    begun = time.monotonic()
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        others = list(pool.map(other, asked["others"]))
    time.sleep(max(0, begun + asked["seconds"] - time.monotonic()))
    until.set()
    for worker in workers:
        worker.join()
    print(json.dumps({"bystanders": told, "others": others}), flush=True)
