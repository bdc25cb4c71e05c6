#include "control/fetcher.h"

#include <fmt/format.h>

#include <cstring>

#include "base/arena.h"
#include "control/url.h"
#include "http/exchange.h"

namespace sluice::control {

namespace {
constexpr std::size_t most_piece_bytes = 32 << 10;  // of a body, in one buffer
}

std::string_view FetchAnswer::field(std::string_view name) const {
  for (const auto& [known, value] : fields)
    if (known == name) return value;
  return {};
}

// One request with its answer. It is over when `done_` has been posted; then nothing that its connection says counts.
class Fetcher::Fetch final : private http::UpstreamConnectionOwner, private http::UpstreamEvents {
 public:
  Fetch(Fetcher& fetcher, FetchRequest request, Done done)
      : fetcher_(&fetcher), request_(std::move(request)), done_(std::move(done)) {}

  void begin(const std::shared_ptr<Fetch>& self) {
    fetcher_->loop_.set_timer(timer_, request_.timeout);
    const auto url = Url::parse(request_.url);
    if (!url) return fail("is no http or https URL that can be asked");
    url_ = *url;
    if (url_.is_secure) {
      auto context = fetcher_->context_for(url_.host, request_.authorities);
      if (!context) return fail(context.error());
      tls_ = std::move(*context);
    }
    fetcher_->names_.start(url_.host, url_.port, [weak = std::weak_ptr(self)](auto found) {
      if (const auto fetch = weak.lock()) fetch->on_address(std::move(found));
    });
  }

  void give_up() {
    fetcher_ = nullptr;
    is_over_ = true;
    timer_.cancel();
    connection_.reset();
  }

 private:
  void on_address(std::expected<net::Address, std::string> found) {
    if (is_over_) return;
    if (!found) return fail(found.error());
    connection_ = fetcher_->connector_.connect(*found, {.protocol = upstream::Protocol::http1, .tls = tls_}, *this);
  }

  void on_connected(http::UpstreamConnection& connection) override {
    http::RequestHead head{.method = request_.method, .authority = url_.authority, .body = {}};
    const std::size_t mark = std::min(url_.target.find('?'), url_.target.size());
    head.path = std::string_view(url_.target).substr(0, mark);
    head.has_query = mark < url_.target.size();
    if (head.has_query) head.query = std::string_view(url_.target).substr(mark + 1);
    head.body.bytes = static_cast<std::int64_t>(request_.body.size());
    head.fields.add(arena_, "user-agent", "sluice");
    for (const auto& [name, value] : request_.fields) head.fields.add(arena_, name, value);
    half_ = &connection.start(head, arena_, *this);
    if (request_.body.empty()) return;
    for (std::size_t at = 0; at < request_.body.size(); at += most_piece_bytes) {
      const std::string_view piece = std::string_view(request_.body).substr(at, most_piece_bytes);
      net::Buffer buffer = fetcher_->loop_.make_buffer(piece.size());
      std::memcpy(buffer.block(), piece.data(), piece.size());
      buffer.set_size(piece.size());
      half_->send_body(std::move(buffer));
    }
    half_->send_end(nullptr);
  }
  void on_connect_failed(http::UpstreamConnection&, Error error) override { fail(error.what); }
  void on_idle(http::UpstreamConnection&) override {}  // the answer has ended: that was heard
  void on_unusable(http::UpstreamConnection&) override { connection_.reset(); }

  void on_interim(const http::ResponseHead&) override {}
  void on_response_head(const http::ResponseHead& head) override {
    answer_.status = head.status;
    for (const http::Field& field : head.fields) answer_.fields.emplace_back(field.name, field.value);
    half_->pull_body();
  }
  void on_response_body(net::Buffer bytes) override {
    if (answer_.body.size() + bytes.size() > request_.most_bytes) {
      half_->cancel();
      return fail(fmt::format("has sent more than {} bytes", request_.most_bytes));
    }
    answer_.body.append(bytes.view());
    half_->pull_body();
  }
  void on_response_end(const http::FieldList&) override { finish(std::move(answer_)); }
  void on_upstream_room() override {}
  void on_upstream_failed(Error error) override { fail(error.what); }

  void on_timeout() { fail(fmt::format("no answer within {} ms", request_.timeout.count())); }

  void fail(std::string_view what) { finish(std::unexpected(fmt::format("{}: {}", request_.url, what))); }

  // Not told at once: who is told may do anything, also to what is being handled just now.
  void finish(Result result) {
    if (std::exchange(is_over_, true)) return;
    timer_.cancel();
    for (const auto& self : fetcher_->fetches_)
      if (self.get() == this)
        return fetcher_->loop_.post(
            [self, result = std::move(result)]() mutable { self->tell(self, std::move(result)); });
  }
  void tell(const std::shared_ptr<Fetch>& self, Result result) {
    if (fetcher_ == nullptr) return;
    connection_.reset();
    Fetcher& fetcher = *std::exchange(fetcher_, nullptr);
    fetcher.fetches_.erase(self);
    done_(std::move(result));
  }

  Fetcher* fetcher_;  // null once it is over, or given up
  const FetchRequest request_;
  Done done_;
  Url url_;
  upstream::Connector::TlsPtr tls_;
  Arena arena_;
  std::unique_ptr<http::UpstreamConnection> connection_;
  http::UpstreamHalf* half_ = nullptr;
  FetchAnswer answer_;
  bool is_over_ = false;
  net::Timer timer_ = net::Timer::of<&Fetch::on_timeout>(this);
};

Fetcher::Fetcher(net::Loop& loop) : loop_(loop), names_(loop), connector_(loop) {}

Fetcher::~Fetcher() {
  for (const auto& fetch : fetches_) fetch->give_up();
}

void Fetcher::start(FetchRequest request, Done done) {
  const auto fetch = std::make_shared<Fetch>(*this, std::move(request), std::move(done));
  fetches_.insert(fetch);
  fetch->begin(fetch);
}

// Read anew each time where it has changed. A context is for one name, and made in no time beside a handshake.
std::expected<upstream::Connector::TlsPtr, std::string> Fetcher::context_for(const std::string& host,
                                                                             const std::string& authorities) {
  auto& known = trusts_[authorities];
  auto trust = net::tls::Trust::load({authorities, ""}, known);
  if (!trust) return std::unexpected((authorities.empty() ? "" : "the file " + authorities + " ") + trust.error().what);
  known = std::move(*trust);
  const bool is_address = net::Address::parse_ip(host).has_value();
  auto made = net::tls::ClientContext::make(
      {.server_name = is_address ? "" : host, .protocols = {"http/1.1"}},
      std::make_shared<const net::tls::ClientCredentials>(net::tls::ClientCredentials{.trust = known}));
  if (!made) return std::unexpected(made.error());
  return *made;
}

}  // namespace sluice::control
