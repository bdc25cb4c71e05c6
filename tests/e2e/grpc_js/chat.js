// The service of both scripts: bytes in, bytes out, so that nothing is generated from a .proto file.
"use strict";
const grpc = require("@grpc/grpc-js");

const same = (bytes) => bytes;
const method = (name, requestStream, responseStream) => ({
  path: `/chat.Chat/${name}`,
  requestStream,
  responseStream,
  requestSerialize: same,
  requestDeserialize: same,
  responseSerialize: same,
  responseDeserialize: same,
});

exports.service = {
  Say: method("Say", false, false),
  Many: method("Many", false, true),
  Join: method("Join", true, false),
  Talk: method("Talk", true, true),
  Fail: method("Fail", false, false),
  Slow: method("Slow", false, false),
};
exports.Client = grpc.makeGenericClientConstructor(exports.service, "Chat");
