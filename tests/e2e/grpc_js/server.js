// node server.js [CERT KEY]: serves until it is killed; its first line of output is its port, further ones what happens.
"use strict";
const fs = require("fs");
const grpc = require("@grpc/grpc-js");
const { service } = require("./chat");

const handlers = {
  // Echoes, with metadata before and after.
  Say(call, answer) {
    const head = new grpc.Metadata();
    head.set("x-head", String(call.metadata.get("x-mine")[0] ?? ""));
    call.sendMetadata(head);
    const tail = new grpc.Metadata();
    tail.set("x-tail-bin", Buffer.from([0, 255]));
    answer(null, call.request, tail);
  },
  // Each byte by itself.
  Many(call) {
    for (const byte of call.request) call.write(Buffer.from([byte]));
    call.end();
  },
  // All messages as one.
  Join(call, answer) {
    const parts = [];
    call.on("data", (part) => parts.push(part.toString()));
    call.on("end", () => answer(null, Buffer.from(parts.join(","))));
  },
  // Each message at once.
  Talk(call) {
    call.on("data", (text) => call.write(Buffer.concat([Buffer.from("re: "), text])));
    call.on("end", () => call.end());
  },
  Fail(call, answer) {
    answer({ code: grpc.status.NOT_FOUND, details: "no such room: ä%" });
  },
  // Never answers.
  Slow(call) {
    call.on("cancelled", () => console.log("cancelled"));
  },
};

const [cert, key] = process.argv.slice(2);
const credentials = cert
  ? grpc.ServerCredentials.createSsl(null, [{ cert_chain: fs.readFileSync(cert), private_key: fs.readFileSync(key) }])
  : grpc.ServerCredentials.createInsecure();
const server = new grpc.Server();
server.addService(service, handlers);
server.bindAsync("127.0.0.1:0", credentials, (fault, port) => {
  if (fault) throw fault;
  console.log(port);
});
