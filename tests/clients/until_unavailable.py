"""Makes denied requests until one is answered 503, and prints that answer. Gives up after many, which the test will notice."""
import http.client

for _ in range(10_000):
    connection = http.client.HTTPConnection("198.51.100.7", timeout=5)
    connection.request("GET", "/")
    answer = connection.getresponse()
    text = answer.read().decode()
    connection.close()
    if answer.status == 503:
        print(text)
        break
