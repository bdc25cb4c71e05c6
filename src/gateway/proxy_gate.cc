#include "gateway/proxy_gate.h"

#include <cstring>
#include <utility>

#include "net/proxy_header.h"

namespace sluice::gateway {

class ProxyGate::Waiting final : private net::StreamHandler {
 public:
  Waiting(ProxyGate& gate, net::StreamPtr stream, ClientConnections::Ticket ticket, Duration patience)
      : ticket(ticket), gate_(gate), stream_(std::move(stream)), timer_(net::Timer::of<&Waiting::on_timer>(this)) {
    gate_.loop_.set_timer(timer_, patience);
    stream_->set_handler(*this);
  }

  Place place{};
  const ClientConnections::Ticket ticket;

 private:
  void on_data(net::Buffer bytes) override {
    seen_.append(bytes.view());
    const auto header = net::read_proxy_header(seen_);
    if (!header) return gate_.refuse(place, gate_.metrics_.proxy_headers_malformed);
    if (header->bytes == 0) return;  // more is to come; the reader bounds it
    pass(*header);
  }
  void on_end() override { gate_.refuse(place, gate_.metrics_.proxy_headers_malformed); }
  void on_failed(Error) override { gate_.refuse(place, gate_.metrics_.proxy_headers_malformed); }
  void on_timer() { gate_.refuse(place, gate_.metrics_.proxy_headers_late); }

  void pass(const net::ProxyHeader& header) {
    const std::string_view rest = std::string_view(seen_).substr(header.bytes);
    net::Buffer behind;
    if (!rest.empty()) {
      behind = gate_.loop_.make_buffer(rest.size());
      std::memcpy(behind.block(), rest.data(), rest.size());
      behind.set_size(rest.size());
    }
    net::StreamPtr stream = std::move(stream_);
    net::start_anew(*stream, std::move(behind), header.source.value_or(stream->peer()));
    ProxyGate& gate = gate_;
    const auto given = ticket;
    gate.metrics_.proxy_headers.add();
    gate.waiting_.erase(place);  // this is gone
    gate.owner_.on_told(std::move(stream), given);
  }

  ProxyGate& gate_;
  net::StreamPtr stream_;
  net::Timer timer_;
  std::string seen_;
};

ProxyGate::ProxyGate(net::Loop& loop, WorkerMetrics& metrics, Owner& owner)
    : loop_(loop), metrics_(metrics), owner_(owner) {}

ProxyGate::~ProxyGate() = default;

void ProxyGate::begin(net::StreamPtr stream, ClientConnections::Ticket ticket, Duration patience) {
  auto& waiting =
      *waiting_.emplace_back(std::make_unique<Waiting>(*this, std::move(stream), ticket, patience));
  waiting.place = std::prev(waiting_.end());
}

void ProxyGate::refuse(Place place, Counter& why) {
  const auto ticket = (*place)->ticket;
  why.add();
  waiting_.erase(place);
  owner_.on_untold(ticket);
}

void ProxyGate::close_all() {
  while (!waiting_.empty()) refuse(waiting_.begin(), metrics_.proxy_headers_late);
}

}  // namespace sluice::gateway
