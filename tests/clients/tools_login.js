// The key of an API in a header, in a body of JSON, and in a message of a WebSocket: `tools_login.js URL SOCKET`.
const WebSocket = require("/usr/share/nodejs/ws");

const [url, socket] = process.argv.slice(-2);
const apiKey = process.env.API_KEY;

async function say(answer) {
  console.log(answer.status, (await answer.text()).trim());
}

(async () => {
  await say(await fetch(url, { headers: { authorization: `Bearer ${apiKey}` } }));
  const body = JSON.stringify({ login: { user: "me", apiKey } });
  await say(await fetch(url, { method: "POST", headers: { "content-type": "application/json" }, body }));
  const talk = new WebSocket(socket, { headers: { "x-auth-token": apiKey } });
  talk.on("open", () => talk.send(JSON.stringify({ apiKey })));
  talk.on("message", (message) => {
    console.log(message.toString());
    talk.close();
  });
})();
