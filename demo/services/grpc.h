#pragma once
// The sample gRPC service (../greeter.proto): HTTP/2 in the clear with prior knowledge, which is what gRPC speaks.

#include <string>

namespace demo {

// Serves one connection until either side closes it. `name` is the instance, for example `greeter`. Takes the
// descriptor.
void serve_grpc(int descriptor, const std::string& name);

}  // namespace demo
