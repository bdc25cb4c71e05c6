#include "upstream/codec_connector.h"

#include <utility>

#include "net/security.h"
#include "net/tls/stream.h"

namespace sluice::upstream {

// A connection whose protocol its handshake decides (ALPN, RFC 7301). Then it has the codec, which hears the stream and
// speaks with the owner by itself; calls only pass through here.
class CodecConnector::Negotiated final : public http::UpstreamConnection, private net::StreamHandler {
 public:
  Negotiated(CodecConnector& connector, const net::Address& to, const Dial& dial, http::UpstreamConnectionOwner& owner)
      : connector_(connector), to_(to), owner_(owner), stream_(dial(*this)) {}

  bool is_shared() const override { return codec_->is_shared(); }
  std::uint32_t room() const override { return codec_->room(); }
  http::UpstreamHalf& start(const http::RequestHead& head, Arena& arena, http::UpstreamEvents& events) override {
    return codec_->start(head, arena, events);
  }

 private:
  void on_connected() override {
    const bool is_http2 = stream_->security()->protocol == "h2";
    net::StreamHandler* codec = nullptr;
    const auto hand_over = [&](net::StreamHandler& handler) {
      codec = &handler;
      stream_->set_handler(handler);
      return std::move(stream_);
    };
    codec_ = connector_.speak(is_http2, to_, hand_over, owner_);
    codec->on_connected();  // the last thing: the owner may delete this
  }
  // Nothing is delivered before on_connected(), and what comes after it is the codec's.
  void on_data(net::Buffer) override {}
  void on_end() override {}
  void on_failed(Error error) override { owner_.on_connect_failed(*this, error); }

  CodecConnector& connector_;
  const net::Address to_;
  http::UpstreamConnectionOwner& owner_;
  std::unique_ptr<http::UpstreamConnection> codec_;
  net::StreamPtr stream_;  // until codec_ has it
};

std::unique_ptr<http::UpstreamConnection> CodecConnector::connect(const net::Address& to, const Manner& manner,
                                                                  http::UpstreamConnectionOwner& owner) {
  const auto dial = [&](net::StreamHandler& handler) {
    if (manner.tls != nullptr) {
      // What is offered when the upstream is `auto` is more than one who wants HTTP/1.1 may get.
      const std::string_view only = manner.protocol == Protocol::http1 ? "http/1.1" : "";
      return net::tls::connect(loop_, to, handler, manner.tls, sessions_,
                               {.protocol = only, .first_bytes = manner.first_bytes});
    }
    net::StreamPtr stream = loop_.connect(to, handler);
    if (!manner.first_bytes.empty()) stream->write(manner.first_bytes);
    return stream;
  };
  if (manner.protocol == Protocol::automatic && manner.tls != nullptr)
    return std::make_unique<Negotiated>(*this, to, dial, owner);
  return speak(manner.protocol == Protocol::http2, to, dial, owner);
}

std::unique_ptr<http::UpstreamConnection> CodecConnector::speak(bool is_http2, const net::Address& to, const Dial& dial,
                                                                http::UpstreamConnectionOwner& owner) {
  if (is_http2) return std::make_unique<http::h2::ClientConnection>(loop_, to, http2_settings_, memory_, owner, dial);
  return std::make_unique<http::h1::ClientConnection>(loop_, dial, http1_settings_, owner);
}

}  // namespace sluice::upstream
