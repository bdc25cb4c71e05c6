// Where an exchange becomes numbers and a log line: the only place that writes either.

#include <string_view>

#include "gateway/worker.h"
#include "policy/key_place.h"

namespace sluice::gateway {

namespace {

std::int64_t microseconds(Duration duration) {
  return std::chrono::duration_cast<std::chrono::microseconds>(duration).count();
}

std::string_view value_of(const http::FieldList& fields, http::FieldId id) {
  const http::Field* const field = fields.find(id);
  return field == nullptr ? std::string_view() : field->value;
}

}  // namespace

void Exchange::record(End end) {
  WorkerMetrics& metrics = worker_.metrics();
  const Duration duration = worker_.loop().now() - begun_at_;
  const std::uint32_t cause = cause_ == nullptr ? CauseTable::none : worker_.causes().index_of(cause_);
  const bool is_there = end != End::ended;  // the codec has ended it: the half may be gone
  const std::uint64_t received = is_there ? client_->received_bytes() : 0, sent = is_there ? client_->sent_bytes() : 0;
  metrics.requests_in_flight.subtract();
  metrics.client_bytes_in.add(received);
  metrics.client_bytes_out.add(sent);
  metrics.answered_here(cause);
  RouteStats& stats = planless_                    ? *planless_->stats
                      : decision_.route != nullptr ? *decision_.route->stats
                                                   : *plan_->unrouted;
  stats.record({.worker = worker_.number(),
                .listener = planless_ ? planless_->listener_number : listener_->number,
                .status = status_,
                .duration = duration,
                .request_bytes = received,
                .response_bytes = sent,
                .cause = cause,
                .grpc_status = !is_grpc_                              ? RouteStats::not_grpc
                               : end == End::cut && cause_ != nullptr ? http::grpc::status_of(*cause_)
                                                                      : grpc_status_});
  if (planless_ ? planless_->is_logged : plan_->is_access_logged) log(duration, received, sent);
}

// The request is answered, and its statistics are those of a request; what follows is a stream's: it goes on counting
// as one in flight, and has the log line.
void Exchange::record_upgrade(std::uint64_t received, std::uint64_t sent) {
  worker_.metrics().client_bytes_in.add(received);
  worker_.metrics().client_bytes_out.add(sent);
  decision_.route->stats->record({.worker = worker_.number(),
                                  .listener = listener_->number,
                                  .status = status_,
                                  .duration = worker_.loop().now() - begun_at_,
                                  .request_bytes = received,
                                  .response_bytes = sent,
                                  .cause = CauseTable::none});
}

void Exchange::log(Duration duration, std::uint64_t received, std::uint64_t sent) {
  IpText client;
  (void)write_access(describe(duration, received, sent, client), worker_.log_ring());  // a full ring counts the line
}

// `client`: memory for a text of the record.
AccessRecord Exchange::describe(Duration duration, std::uint64_t received, std::uint64_t sent, IpText& client) {
  const http::Request& request = view_.request();
  const bool is_behind_proxy = view_.client() != view_.facts().peer;
  const std::size_t logged = std::min<std::size_t>(attempt_count_, attempts_.size());
  AccessRecord record{
      .time = worker_.loop().wall_now() - duration,
      .id = view_.id(),
      .endpoint = last_endpoint_,
      .client =
          is_behind_proxy ? std::string_view(client.data(), view_.client().write_ip(client.data())) : view_.peer_ip(),
      .consumer = view_.identity() != nullptr ? view_.identity()->consumer : std::string_view(),
      .peer = is_behind_proxy ? view_.peer_ip() : std::string_view(),
      .method = request.method_name,
      .host = request.host,
      .path = request.path,
      .query = request.query,
      .version = request.is_http2    ? "2"
                 : request.is_http10 ? "1.0"
                                     : "1.1",
      .scheme = tls_version_.empty() ? std::string_view() : std::string_view("https"),
      .tls = tls_version_,
      .status = status_,
      .cause = cause_ != nullptr ? std::string_view(cause_->code) : std::string_view(),
      .detail = detail_,
      .side = cause_ != nullptr ? side_name(cause_->side) : std::string_view(),
      .attempts = std::span(attempts_.data(), logged),
      .retry = retry_note_,
      .request_bytes = static_cast<std::int64_t>(received),
      .response_bytes = static_cast<std::int64_t>(sent),
      .duration_us = microseconds(duration),
      .upstream_connect_us = connect_us_,
      .upstream_first_byte_us =
          first_byte_at_ != Instant{} ? microseconds(first_byte_at_ - attempt_at_) : AccessRecord::absent,
      .user_agent = value_of(request.fields, http::FieldId::user_agent),
      .referer = value_of(request.fields, http::FieldId::referer),
  };
  if (const std::string_view hidden = view_.hidden_query_parameter(); !hidden.empty()) {
    record.query = policy::hide_query_parameter(record.query, hidden, view_.arena());
    record.referer = policy::hide_query_parameter(record.referer, hidden, view_.arena());
  }
  if (planless_) {
    record.listener = planless_->listener;
    record.route = planless_->route;
    record.upstream = planless_->upstream;
    record.generation = planless_->generation;
    return record;
  }
  record.listener = listener_->name;
  if (decision_.route != nullptr) record.route = decision_.route->name;
  if (decision_.target != nullptr) record.upstream = decision_.target->group->name();
  record.generation = plan_->generation;
  return record;
}

}  // namespace sluice::gateway
