#pragma once
// A sample service: says who it is and echoes the request it saw, as JSON. It can be told to be slow or to fail:
//
//   query           header           effect
//   delay=500ms     x-demo-delay     answers after that time (ms or s, at most a minute)
//   status=503      x-demo-status    answers with that status
//   close=1         x-demo-close     closes the connection after the answer
//   drop=1          x-demo-drop      closes the connection instead of answering
//
// The service `messages` has a chat too: chat.h.
//
// GET /healthz answers 200 and takes no orders. Every answer carries x-served-by, the instance's name.

#include <string>

#include "request.h"

namespace demo {

// Serves one connection until either side closes it. `name` is the instance, for example `users-1`. Takes the
// descriptor.
void serve(int descriptor, const std::string& name);

}  // namespace demo
