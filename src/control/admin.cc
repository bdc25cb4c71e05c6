#include "control/admin.h"

namespace sluice::control {

namespace {

constexpr std::string_view plain_text = "text/plain; charset=utf-8";
constexpr std::string_view prometheus_text = "text/plain; version=0.0.4; charset=utf-8";

}  // namespace

AdminServer::AdminServer(net::Loop& loop, net::ListenSocket socket, Answers answers)
    : loop_(loop),
      answers_(std::move(answers)),
      connections_(*this, http::h1::ServerSettings{}),
      acceptor_(loop.accept_from(std::move(socket), *this)) {}

void AdminServer::answer(http::ClientHalf& half, bool is_head, int status, std::string_view type,
                         std::string_view body) {
  const auto size = static_cast<std::int64_t>(body.size());
  http::ResponseHead head{.status = status,
                          .fields = {},
                          .body = {is_head ? 0 : size},
                          .announced_length = is_head ? size : http::BodySize::unknown};
  head.fields.add(half.arena(), "content-type", type);
  head.fields.add(half.arena(), "cache-control", "no-store");
  if (status == 405) head.fields.add(half.arena(), "allow", "GET, HEAD");
  if (!half.send_head(head)) return;
  if (!is_head) half.send_body(body);
  half.send_end(nullptr);
}

http::ClientEvents* AdminServer::begin(http::ClientHalf& half, const http::Request& request) {
  const bool is_head = request.method == http::Method::head;
  if (request.method != http::Method::get && !is_head) {
    answer(half, is_head, 405, plain_text, "only GET and HEAD here\n");
  } else if (request.path == "/healthz") {
    answer(half, is_head, 200, plain_text, "ok\n");
  } else if (request.path == "/readyz") {
    const bool is_ready = answers_.is_ready();
    std::string text = is_ready ? "ready\n" : "draining\n";
    if (const std::string_view remark = answers_.remark(); !remark.empty())
      text.append("the last good config is in force: ").append(remark).append("\n");
    answer(half, is_head, is_ready ? 200 : 503, plain_text, text);
  } else if (request.path == "/metrics") {
    answer(half, is_head, 200, prometheus_text, answers_.metrics());
  } else {
    answer(half, is_head, 404, plain_text, "here are /healthz, /readyz and /metrics\n");
  }
  return nullptr;
}

void AdminServer::refuse(http::ClientHalf& half, const http::RefusedRequest& refused) {
  answer(half, false, refused.refusal.cause->status, plain_text, refused.refusal.cause->title);
}

}  // namespace sluice::control
