// Where an exchange ends because both sides have switched protocols, and a tunnel goes on in its place.

#include "gateway/causes.h"
#include "gateway/exchange.h"
#include "gateway/tunnel.h"
#include "gateway/worker.h"

namespace sluice::gateway {

// The upstream has accepted: its head stands in response_, as the policies left it.
void Exchange::open_tunnel() {
  if (status_ != 101) {  // a policy made something else of it, which a client would not understand
    give_up_upstream(upstream::Outcome::gateway_failed, response_field_refused.code);
    return answer(response_field_refused, "a policy changed the status of a WebSocket's opening");
  }
  timer_.cancel();
  kept_body_.drop();
  if (std::exchange(is_in_budget_, false)) decision_.target->group->budget().give_back();
  attempts_[std::min<std::size_t>(attempt_count_, attempts_.size() - 1)] = {
      .endpoint = endpoint_->name(),
      .outcome = "ok",
      .waited_us = (worker_.loop().now() - attempt_at_).count() / 1000};
  ++attempt_count_;
  last_endpoint_ = endpoint_->name();
  IpText client;
  auto record = plan_->is_access_logged ? std::make_unique<KeptRecord>(describe({}, 0, 0, client)) : nullptr;
  auto* const tunnel =
      new Tunnel(worker_, {.admission = Admission::of(*plan_, *listener_, *decision_.route),
                           .terms = plan_->websocket_terms(*listener_, *decision_.route),
                           .buffer_bytes = plan_->limits.exchange_buffer_bytes,
                           .listener_number = listener_->number,
                           .endpoint = endpoint_->shared_from_this(),
                           .record = std::move(record),
                           .begun_at = begun_at_});
  const std::uint64_t sent_upstream = upstream_->sent_bytes();
  http::TunnelEnd* const client_end = client_->send_switch(response_, tunnel->client_events());
  if (client_end == nullptr) {
    delete tunnel;
    give_up_upstream(upstream::Outcome::client_failed, response_field_refused.code);
    cause_ = &response_field_refused;
    status_ = cause_->status;
    return finish(End::ended);
  }
  http::TunnelEnd& upstream_end = *upstream_->switch_protocols(tunnel->upstream_events());
  worker_.metrics().upstream_bytes_out.add(sent_upstream);
  worker_.metrics().upstream_bytes_in.add(upstream_end.received_bytes());
  record_upgrade(client_end->received_bytes(), client_end->sent_bytes());
  state_ = State::over;
  client_ = nullptr;
  upstream_ = nullptr;
  endpoint_ = nullptr;
  worker_.recycle(*this);
  tunnel->begin(*client_end, upstream_end);
}

}  // namespace sluice::gateway
