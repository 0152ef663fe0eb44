// Fetches each URL twice: with the https module and with fetch.
const https = require("node:https");

function get(url) {
  return new Promise((resolve, reject) => {
    https.get(url, (answer) => {
      let body = "";
      answer.on("data", (chunk) => (body += chunk));
      answer.on("end", () => resolve(`${answer.statusCode} ${body.trim()}`));
    }).on("error", reject);
  });
}

(async () => {
  for (const url of process.argv.slice(1)) {
    console.log(await get(url));
    const answer = await fetch(url);
    console.log(`${answer.status} ${(await answer.text()).trim()}`);
  }
})();
