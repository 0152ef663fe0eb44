// A WebSocket client without any configuration: the URL is its argument; says `done` when everything was as it should be.
const { WebSocket } = require("/usr/share/nodejs/ws");
const socket = new WebSocket(process.argv[1] + "/echo");
const large = Buffer.alloc(1 << 20, 7);
const heard = [];
socket.on("open", () => socket.send("Grüße"));
socket.on("message", (data) => {
  heard.push(data);
  if (heard.length === 1) socket.send(large);
  else socket.ping();
});
socket.on("pong", () => socket.close(4002, "enough"));
socket.on("close", (code) => {
  const right = heard.length === 2 && heard[0].toString() === "Grüße" && heard[1].equals(large);
  console.log(right && code === 4002 ? "done" : `wrong: ${code}, ${heard.length} messages`);
});
