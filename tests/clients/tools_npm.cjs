// A private registry of npm packages, verdaccio: `tools_npm.cjs VERDACCIO CERTIFICATE FOLDER`.
// Prints its port, then the token of an account that it has made.
const { createRequire } = require("node:module");
const https = require("node:https");

const [verdaccio, certificate, folder] = process.argv.slice(-3);
const { runServer } = createRequire(`${verdaccio}/package.json`)("verdaccio");
const account = "/-/user/org.couchdb.user:me";

function join(port) {
  const options = { port, path: account, method: "PUT", headers: { "content-type": "application/json" }, rejectUnauthorized: false };
  const request = https.request(options, (answer) => {
    let text = "";
    answer.on("data", (chunk) => (text += chunk));
    answer.on("end", () => console.log(JSON.parse(text).token));
  });
  request.end(JSON.stringify({ name: "me", password: "only for this once" }));
}

(async () => {
  const server = await runServer({
    self_path: folder,
    storage: folder,
    auth: { htpasswd: { file: `${folder}/htpasswd` } },
    packages: { "**": { access: "$authenticated", publish: "$authenticated" } },
    https: { key: certificate, cert: certificate },
    listen: "https://127.0.0.1:0",
    log: { type: "stdout", level: "fatal" },
  });
  server.listen(0, "127.0.0.1", () => {
    console.log(server.address().port);
    join(server.address().port);
  });
})();
