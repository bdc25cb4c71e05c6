#pragma once
// What the gateway itself asks of others by HTTP: an authority's word on a certificate, key sets. Control thread.
//
// No redirects are followed, for where one leads is not the owner's choice (row J07); what is too large or too slow is
// given up.

#include <chrono>
#include <cstddef>
#include <expected>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "control/name_lookup.h"
#include "net/loop.h"
#include "net/tls/client_context.h"
#include "upstream/codec_connector.h"

namespace sluice::control {

struct FetchRequest {
  std::string url;
  std::string method = "GET";
  std::string body = {};
  std::vector<std::pair<std::string, std::string>> fields = {};  // names in lower case
  std::chrono::milliseconds timeout{5'000};                      // for all of it, the name included
  std::size_t most_bytes = 1 << 20;                              // of the answer's body
  std::string authorities = {};  // PEM file of who vouches for an https server; "": whom the system trusts
};

struct FetchAnswer {
  int status = 0;
  std::vector<std::pair<std::string, std::string>> fields;
  std::string body;
  // The first value of the field; empty when there is none. `name` in lower case.
  std::string_view field(std::string_view name) const;
};

class Fetcher {
 public:
  using Result = std::expected<FetchAnswer, std::string>;
  using Done = std::move_only_function<void(Result)>;

  explicit Fetcher(net::Loop& loop);
  ~Fetcher();  // gives up what is in progress; nobody hears of it
  Fetcher(const Fetcher&) = delete;

  // `done` runs in a later turn of the loop, once. Any status is an answer.
  //   errors  as text, the URL first: "http://ocsp.example/: no answer within 5000 ms"
  void start(FetchRequest request, Done done);

 private:
  class Fetch;
  std::expected<upstream::Connector::TlsPtr, std::string> context_for(const std::string& host,
                                                                      const std::string& authorities);

  net::Loop& loop_;
  NameLookup names_;
  upstream::CodecConnector connector_;
  std::map<std::string, std::shared_ptr<const net::tls::Trust>> trusts_;  // by the authorities' file
  std::set<std::shared_ptr<Fetch>> fetches_;
};

}  // namespace sluice::control
