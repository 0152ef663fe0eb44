// Another client of gRPC without any configuration: `grpc_client.js FOLDER ADDRESS [tls]`. Prints what came of each call as JSON.
const grpc = require(process.argv[1] + "/node_modules/@grpc/grpc-js");
const address = process.argv[2];
const same = (bytes) => bytes;

function connect(address) {
  const options = { "grpc.max_receive_message_length": -1, "grpc.max_send_message_length": -1 };
  const credentials = process.argv[3] === "tls" ? grpc.credentials.createSsl() : grpc.credentials.createInsecure();
  return new grpc.Client(address, credentials, options);
}

const client = connect(address);
const soon = () => ({ deadline: Date.now() + 60_000 });

function echo(message, path = "/t.T/Echo", on = client) {
  return new Promise((resolve, reject) =>
    on.makeUnaryRequest(path, same, same, message, new grpc.Metadata(), soon(), (error, answer) => (error ? reject(error) : resolve(answer))),
  );
}

const failed = (promise) => promise.then(() => "it did not fail", (error) => [grpc.status[error.code], error.details]);

function ended(call) {
  return new Promise((resolve, reject) => call.on("error", reject).on("end", resolve));
}

async function down(path, count, options) {
  const call = client.makeServerStreamRequest(path, same, same, Buffer.from(count), new grpc.Metadata(), options);
  const messages = [];
  call.on("data", (message) => messages.push(message.toString()));
  await ended(call);
  return messages.length === Number(count) && messages.every((message, index) => message === String(index));
}

function up() {
  return new Promise((resolve, reject) => {
    const call = client.makeClientStreamRequest("/t.T/Up", same, same, new grpc.Metadata(), soon(), (error, answer) =>
      error ? reject(error) : resolve(answer.toString()),
    );
    for (let number = 0; number < 1000; number++) call.write(Buffer.from("x"));
    call.end();
  });
}

async function both() {
  const call = client.makeBidiStreamRequest("/t.T/Both", same, same, new grpc.Metadata(), soon());
  const over = ended(call);
  for (let number = 0; number < 100; number++) {
    call.write(Buffer.from(String(number)));
    const answer = await new Promise((resolve) => call.once("data", resolve));
    if (answer.toString() !== String(number)) return `another answer to ${number}`;
  }
  call.end();
  await over;
  return true;
}

async function cancelled() {
  const call = client.makeServerStreamRequest("/t.T/Hang", same, same, Buffer.alloc(0), new grpc.Metadata(), soon());
  const over = failed(ended(call));
  const first = await new Promise((resolve) => call.once("data", resolve));
  call.cancel();
  return [first.toString(), (await over)[0]];
}

async function main() {
  const large = Buffer.alloc(10 << 20, "0123456789abcdefg");
  const results = {
    echo: (await echo(Buffer.from("hello"))).toString(),
    large: large.equals(await echo(large)),
    down: await down("/t.T/Down", "1000", soon()),
    up: await up(),
    both: await both(),
    failed: await failed(echo(Buffer.alloc(0), "/t.T/Fail")),
    deadline: await failed(down("/t.T/Hang", "1", { deadline: Date.now() + 500 })),
    cancelled: await cancelled(),
    denied: await failed(echo(Buffer.alloc(0), "/other.Service/Call")),
    "down server": await failed(echo(Buffer.alloc(0), "/t.T/Echo", connect(address.replace("api.", "down.")))),
  };
  console.log(JSON.stringify(results));
  process.exit(0);
}

main();
