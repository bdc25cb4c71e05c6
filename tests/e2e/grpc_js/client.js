// node client.js ADDRESS [CA]: makes calls of all kinds and prints what came of them, as one JSON object.
"use strict";
const fs = require("fs");
const grpc = require("@grpc/grpc-js");
const { Client } = require("./chat");

const [address, authority] = process.argv.slice(2);
const credentials = authority
  ? grpc.credentials.createSsl(fs.readFileSync(authority))
  : grpc.credentials.createInsecure();
const client = new Client(address, credentials, authority ? { "grpc.ssl_target_name_override": "a.example" } : {});
const soon = (seconds) => ({ deadline: Date.now() + seconds * 1000 });

// One answer: its text, or its code and details; with the metadata that came.
function ask(name, body, options = soon(20), metadata = new grpc.Metadata()) {
  return new Promise((resolve) => {
    const told = {};
    const call = client[name](body, metadata, options, (fault, answer) => {
      told.body = fault ? undefined : answer;
      told.code = fault ? fault.code : 0;
      told.details = fault ? fault.details : "";
      setImmediate(() => resolve(told)); // the status comes last
    });
    call.on("metadata", (head) => (told.head = head.getMap()));
    call.on("status", (status) => (told.tail = status.metadata));
  });
}

// What a stream of answers brings; `write(call, count)` after each answer, and at the start with 0.
function listen(call, write = () => {}) {
  return new Promise((resolve) => {
    const answers = [];
    call.on("data", (answer) => write(call, answers.push(answer.toString())));
    call.on("status", (status) => resolve({ answers, code: status.code }));
    call.on("error", () => {}); // its status says the same
    write(call, 0);
  });
}

function join(parts) {
  return new Promise((resolve) => {
    const call = client.Join(new grpc.Metadata(), soon(20), (fault, answer) => resolve(fault ? fault.details : answer.toString()));
    for (const part of parts) call.write(Buffer.from(part));
    call.end();
  });
}

// The second question leaves when the first answer is here.
const converse = (call, count) => {
  if (count < 2) call.write(Buffer.from(`question ${count}`));
  else call.end();
};

async function main() {
  const mine = new grpc.Metadata();
  mine.set("x-mine", "v");
  const said = await ask("Say", Buffer.from("hello"), soon(20), mine);
  const large = Buffer.alloc(2_000_000, "0123456789");
  const echoed = await ask("Say", large);
  const crowd = await Promise.all(Array.from({ length: 300 }, (_, at) => ask("Say", Buffer.from(`message ${at}`))));
  const failed = await ask("Fail", Buffer.from(""));
  const late = await ask("Slow", Buffer.from(""), soon(0.3));
  const slow = client.Slow(Buffer.from(""), new grpc.Metadata(), soon(20), () => {});
  await new Promise((resolve) => setTimeout(resolve, 200));
  const cancelled = new Promise((resolve) => slow.on("status", (status) => resolve(status.code)));
  slow.cancel();
  console.log(
    JSON.stringify({
      say: [said.body.toString(), said.head["x-head"], [...said.tail.get("x-tail-bin")[0]]],
      large: echoed.code === 0 && echoed.body.equals(large),
      crowd: crowd.every((one, at) => one.code === 0 && one.body.toString() === `message ${at}`),
      many: await listen(client.Many(Buffer.from("abc"), new grpc.Metadata(), soon(20))),
      join: await join(["a", "b", "c"]),
      talk: await listen(client.Talk(new grpc.Metadata(), soon(20)), converse),
      fail: [failed.code, failed.details],
      late: late.code,
      cancelled: await cancelled,
    }),
  );
  client.close();
}

main();
