#pragma once
// One exchange as a policy sees it: the canonical request (which nothing changes), the request that will go to the
// upstream (which policies change), the answer on its way back, and the facts the gateway vouches for. Knows no
// connection, no codec and no plan. The driver owns it; all on the worker's thread.

#include <cstdint>
#include <span>
#include <string_view>

#include "base/arena.h"
#include "base/cause.h"
#include "base/time.h"
#include "http/message.h"
#include "net/address.h"
#include "policy/identity.h"

namespace sluice::net {
struct Security;  // net/security.h
}

namespace sluice::policy {

using http::Capture;

// Who listens to decisions: `explain`, tests, later the trace of a live request. Costs one test of a pointer when
// nobody does.
class Listener {
 public:
  virtual void begins(std::string_view kind) = 0;  // the next policy of the chain has its turn
  virtual void told(std::string_view what) = 0;    // by that policy

 protected:
  ~Listener() = default;
};

// What the driver knows before the policies run. Views live as long as the exchange or its plan.
struct Facts {
  const http::Request* request = nullptr;
  Arena* arena = nullptr;
  Instant now{};
  WallTime wall_now{};
  std::uint64_t random = 0;                 // fresh for this exchange
  net::Address peer;                        // the other end of the connection
  const net::Security* security = nullptr;  // of the connection, while it lasts; null: it is in the clear
  std::string_view listener;
  std::string_view route;
  std::span<const Capture> captures;
  bool has_rest = false;      // the route's path ends in `/*` or `/{name*}`
  std::string_view rest;      // then: what stands below, without its first slash
  bool is_rehearsal = false;  // by `explain` or a test of the config: nothing is counted
};

class Exchange {
 public:
  // An answer made here instead of by an upstream.
  struct Reply {
    int status = 0;                // 0: no reply
    const Cause* cause = nullptr;  // null: the owner of the config asked for this answer (respond, redirect)
    const char* detail = "";       // static text for log and explain
    std::string_view content_type;
    std::string_view body;
    http::FieldList fields;
  };

  // Begins a new exchange: everything of the one before is forgotten. The request to the upstream starts as a copy of
  // the canonical one.
  void begin(const Facts& facts);

  const http::Request& request() const { return *facts_.request; }
  const Facts& facts() const { return facts_; }
  void set_route(std::string_view name, std::span<const Capture> captures, bool has_rest, std::string_view rest) {
    facts_.route = name;
    facts_.captures = captures;
    facts_.has_rest = has_rest;
    facts_.rest = rest;
  }
  Arena& arena() { return *facts_.arena; }
  // Value of a capture; a view with null data when there is none of that name.
  std::string_view capture(std::string_view name) const;

  // ---- on the way to the upstream
  http::RequestHead& upstream_request() { return upstream_request_; }
  const http::RequestHead& upstream_request() const { return upstream_request_; }
  void set_request_field(std::string_view name, std::string_view value) {
    upstream_request_.fields.set(arena(), name, value);
  }
  // The greatest request body that may pass, counted on the wire by the driver. The least of all limits set counts.
  void limit_request_body(std::uint64_t bytes) {
    request_body_limit_ = bytes < request_body_limit_ ? bytes : request_body_limit_;
  }
  std::uint64_t request_body_limit() const { return request_body_limit_; }

  // ---- who is asking
  // The address of the connection's other end, as text. Written at first use.
  std::string_view peer_ip();
  // The client's address: the peer's, unless a trusted proxy vouched for another (policy `forwarded`).
  const net::Address& client() const { return client_; }
  void set_client(const net::Address& client) { client_ = client; }
  http::Scheme client_scheme() const { return client_scheme_; }
  void set_client_scheme(http::Scheme scheme) { client_scheme_ = scheme; }
  // Null: nobody has said who it is. Lives as long as the exchange.
  const Identity* identity() const { return identity_; }
  void set_identity(const Identity& identity) { identity_ = arena().make<Identity>(identity); }
  // A parameter of the query whose value is a secret: the log shows `***`. One name at most. `name` outlives the
  // exchange.
  void hide_query_parameter(std::string_view name) { hidden_query_parameter_ = name; }
  std::string_view hidden_query_parameter() const { return hidden_query_parameter_; }
  // The id in log lines and problem bodies. Made at first use (16 hex digits) unless `request_id` set another.
  std::string_view id();
  void set_id(std::string_view id) { id_ = id; }

  // ---- what a policy remembers from on_request to on_response
  template <class T>
  void remember(const void* policy, const T& note) {
    notes_ = arena().make<Note>(Note{.policy = policy, .value = arena().make<T>(note), .next = notes_});
  }
  // Null when it has nothing to remember.
  template <class T>
  const T* remembered(const void* policy) const {
    for (const Note* note = notes_; note != nullptr; note = note->next)
      if (note->policy == policy) return static_cast<const T*>(note->value);
    return nullptr;
  }

  // ---- answering here
  void reply(const Cause& cause, const char* detail = "");
  void reply(int status, std::string_view content_type, std::string_view body);
  void add_reply_field(std::string_view name, std::string_view value) { reply_.fields.add(arena(), name, value); }
  bool has_reply() const { return reply_.status != 0; }
  Reply& made_reply() { return reply_; }
  const Reply& made_reply() const { return reply_; }

  // ---- on the way back: the head that the client will get, the upstream's or one made here
  http::ResponseHead& response() { return *response_; }
  void set_response(http::ResponseHead& head) { response_ = &head; }

  // ---- telling
  void listen(Listener* listener) { listener_ = listener; }
  bool is_heard() const { return listener_ != nullptr; }
  void tell_begin(std::string_view kind) const {
    if (listener_ != nullptr) listener_->begins(kind);
  }
  // A policy says what it decided. Texts that must be put together first are: only when is_heard().
  void tell(std::string_view what) const {
    if (listener_ != nullptr) listener_->told(what);
  }

 private:
  struct Note {
    const void* policy;
    const void* value;
    const Note* next;
  };

  Facts facts_;
  http::RequestHead upstream_request_;
  http::ResponseHead* response_ = nullptr;
  Reply reply_;
  Listener* listener_ = nullptr;
  const Identity* identity_ = nullptr;
  const Note* notes_ = nullptr;
  std::string_view hidden_query_parameter_;
  net::Address client_;
  std::string_view peer_ip_;
  std::string_view id_;
  std::uint64_t request_body_limit_ = ~std::uint64_t{0};
  http::Scheme client_scheme_ = http::Scheme::http;
};

}  // namespace sluice::policy
