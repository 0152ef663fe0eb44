// A WebSocket on a stream of HTTP/2 (RFC 8441) by Node's HTTP/2 and the frames of a library: the URL is its argument; says `done` when everything was as it
// should be.
const http2 = require("node:http2");
const Sender = require("/usr/share/nodejs/ws/lib/sender");
const Receiver = require("/usr/share/nodejs/ws/lib/receiver");

const url = new URL(process.argv[1]);
const large = Buffer.alloc(1 << 20, 7);
const heard = [];
const session = http2.connect(`https://${url.host}`);

session.once("remoteSettings", (settings) => {
  if (!settings.enableConnectProtocol) throw new Error("it is not offered");
  const stream = session.request({ ":method": "CONNECT", ":protocol": "websocket", ":path": url.pathname, "sec-websocket-version": "13" });
  stream.once("response", (headers) => {
    if (headers[":status"] !== 200) throw new Error(`status ${headers[":status"]}`);
    talk(stream);
  });
});

function talk(stream) {
  const sender = new Sender(stream);
  const receiver = new Receiver({ isServer: false });
  const send = (data, binary) => sender.send(data, { binary, fin: true, mask: true, compress: false });
  stream.pipe(receiver);
  receiver.on("message", (data) => {
    heard.push(Buffer.from(data));
    if (heard.length === 1) send(large, true);
    else sender.ping(Buffer.alloc(0), true);
  });
  receiver.on("pong", () => sender.close(4002, "enough", true));
  receiver.on("conclude", (code) => {
    const right = heard.length === 2 && heard[0].toString() === "Grüße" && heard[1].equals(large);
    console.log(right && code === 4002 ? "done" : `wrong: ${code}, ${heard.length} messages`);
    stream.end();
    session.close();
  });
  send(Buffer.from("Grüße"), false);
}
