// Arguments: port, host, CA file. Prints the body of the answer, or fails.
// The connection goes to the loopback address; only the identity that is verified is the host's.
const fs = require("fs");
const net = require("net");
const tls = require("tls");

const [port, host, ca] = process.argv.slice(1);
const fail = (error) => {
  console.error(String(error));
  process.exit(1);
};
const identity = net.isIP(host) ? { host } : { host, servername: host };
const socket = net.connect(Number(port), "127.0.0.1");
const client = tls.connect({ socket, ca: fs.readFileSync(ca), ...identity });
client.setTimeout(20000, () => fail("timeout"));
client.on("error", fail);
client.on("secureConnect", () => client.write("GET / HTTP/1.1\r\nHost: test\r\n\r\n"));
let answer = "";
client.on("data", (chunk) => (answer += chunk));
client.on("end", () => process.stdout.write(answer.split("\r\n\r\n")[1]));
