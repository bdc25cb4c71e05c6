#include "gateway/worker.h"

#include <algorithm>
#include <ctime>

#include "net/tls/stream.h"

namespace sluice::gateway {

namespace {

constexpr Duration outlive_after = std::chrono::seconds(1);  // a reload

}  // namespace

// ---- ListenerPort
// ------------------------------------------------------------------------------------------------------

ListenerPort::ListenerPort(Worker& worker, PlanSlots::Pin plan, const ListenerPlan& listener, net::ListenSocket socket)
    : worker_(worker),
      plan_(std::move(plan)),
      listener_(&listener),
      connections_(*this, listener.server, this),
      http2_(*this, worker.metrics().http2, listener.server, listener.http2),
      proxies_(worker.loop(), worker.metrics(), *this),
      handshakes_(worker.loop(), worker.metrics(), *this),
      acceptor_(worker.loop().accept_from(std::move(socket), *this)) {}

void ListenerPort::adopt(PlanSlots::Pin plan, const ListenerPlan& listener) {
  // Who spoke in the clear goes on until its next answer, and may not stay for longer than that.
  const bool is_other_transport = (listener.tls == nullptr) != (listener_->tls == nullptr);
  plan_ = std::move(plan);
  listener_ = &listener;
  if (is_other_transport) close_silent();
  connections_.change_settings(listener.server);
  http2_.change_settings(listener.server, listener.http2);
}

void ListenerPort::retire(Duration patience) {
  acceptor_.reset();
  handshakes_.hurry(Worker::handshake_patience);
  announce_drain();
  worker_.loop().set_timer(silent_timer_, patience);
}

void ListenerPort::close_silent() {
  connections_.drain();
  http2_.drain();
}

void ListenerPort::close_all() {
  proxies_.close_all();
  handshakes_.close_all();
  connections_.close_all();
  http2_.close_all();
}

void ListenerPort::find_idle(std::vector<http::IdleConnection>& found) {
  connections_.find_idle(found);
  http2_.find_idle(found);
}

bool ListenerPort::is_draining() const { return is_retired() || worker_.is_leaving(); }

net::Loop& ListenerPort::loop() { return worker_.loop(); }

void ListenerPort::on_accept(net::StreamPtr stream) {
  (void)worker_.overload().weigh();  // it may stop accepting: this one is there already
  if (listener_->proxies.empty() || !is_proxy(stream->peer())) return let_in(std::move(stream));
  // Counted among all, but not as the proxy's: whose it is its header will tell.
  ClientConnections::Ticket ticket;
  const ConnectionCaps caps{.all = plan_->limits.connections.all, .per_client = 0, .exempt = {}};
  stream = worker_.door().let_in(std::move(stream), listener_->tls != nullptr, caps, *plan_->connections, ticket);
  if (stream) proxies_.begin(std::move(stream), ticket, listener_->proxy_header_timeout);
}

bool ListenerPort::is_proxy(const net::Address& peer) const {
  return std::ranges::any_of(listener_->proxies, [&](const net::AddressBlock& block) { return block.contains(peer); });
}

void ListenerPort::on_told(net::StreamPtr stream, ClientConnections::Ticket ticket) {
  plan_->connections->leave(ticket);
  let_in(std::move(stream));
  hear_of_retirement();
}

void ListenerPort::on_untold(ClientConnections::Ticket ticket) {
  plan_->connections->leave(ticket);
  worker_.on_connection_gone();
}

void ListenerPort::let_in(net::StreamPtr stream) {
  ClientConnections::Ticket ticket;
  const auto& tls = listener_->tls;
  stream = worker_.door().let_in(std::move(stream), tls != nullptr, plan_->limits.connections, *plan_->connections,
                                 ticket);
  if (!stream) return;
  worker_.metrics().connection_opened();
  if (tls == nullptr) return serve(std::move(stream), ticket);
  handshakes_.begin(net::tls::accept(worker_.loop(), std::move(stream), tls), ticket, listener_->tls_handshake_timeout);
}

// Encrypted or not, a connection begins as one of HTTP/1, which hands it over (take_over()) when its first bytes are the
// preface of HTTP/2. ALPN has told the client what it may say (tls_compiler.cc).
void ListenerPort::serve(net::StreamPtr stream, ClientConnections::Ticket ticket) {
  connections_.accept(std::move(stream), ticket);
}

void ListenerPort::on_secured(net::StreamPtr stream, ClientConnections::Ticket ticket) {
  serve(std::move(stream), ticket);
  hear_of_retirement();
}

void ListenerPort::on_handshake_failed(const net::Address& client, const Error& error,
                                       ClientConnections::Ticket ticket) {
  worker_.handshake_notes().failed(worker_.loop().now(), listener_->name, client, error);
  on_connection_closed(ticket);
}

// The timer of retire() may have rung already: who comes in late was not there to hear it.
void ListenerPort::hear_of_retirement() {
  if (is_retired() && !silent_timer_.is_set())
    worker_.loop().set_timer(silent_timer_, Worker::silent_patience);
}

void ListenerPort::take_over(net::StreamPtr stream, net::Buffer first_bytes, std::uint32_t ticket) {
  http2_.accept(std::move(stream), std::move(first_bytes), ticket);
}

// The descriptors ran out before the connection cap was reached: as at the cap, the longest idle go. Several at once,
// for a scan finds them, and a new client may need a connection to its upstream too.
bool ListenerPort::make_room() {
  constexpr std::size_t at_once = 32;
  return worker_.close_idle(at_once, worker_.metrics().idle_closed_for_descriptors) > 0;
}

void ListenerPort::on_connection_closed(std::uint32_t ticket) {
  plan_->connections->leave(ticket);
  worker_.metrics().connection_closed();
  worker_.on_connection_gone();
}

http::ClientEvents* ListenerPort::begin(http::ClientHalf& half, const http::Request& request) {
  return worker_.take_exchange().begin(*listener_, plan_.again(), half, request);
}

void ListenerPort::refuse(http::ClientHalf& half, const http::RefusedRequest& refused) {
  worker_.take_exchange().refuse(*listener_, plan_.again(), half, refused);
}

// ---- Worker
// ------------------------------------------------------------------------------------------------------------

Worker::Worker(unsigned number, std::unique_ptr<net::Loop> loop, const CauseTable& causes, ByteRing& log,
               std::function<void()> on_drained, std::function<void(std::string)> tell)
    : number_(number),
      loop_(std::move(loop)),
      causes_(causes),
      on_drained_(std::move(on_drained)),
      metrics_(causes),
      log_(log),
      connector_(*loop_),
      pool_(*loop_, connector_),
      door_(*loop_, metrics_, causes, [this](std::size_t count) { close_idle(count, metrics_.idle_closed_for_room); }),
      overload_(*loop_, metrics_, [this] { close_idle(SIZE_MAX, metrics_.idle_closed_for_memory); }),
      streams_(*loop_),
      handshake_notes_(std::move(tell)) {}

Worker::~Worker() {
  ports_.clear();
  while (free_ != nullptr) delete std::exchange(free_, free_->next_free);
}

void Worker::publish(std::shared_ptr<const Plan> plan, std::vector<NewSocket> sockets) {
  plans_.publish(std::move(plan));
  const Plan& current = plans_.current();
  overload_.adopt(current.limits.worker);
  for (const auto& port : ports_) {
    if (port->is_retired()) continue;
    if (const ListenerPlan* const listener = current.find_same(port->listener())) {
      port->adopt(plans_.pin(), *listener);
    } else {
      port->retire(silent_patience);
    }
  }
  for (NewSocket& socket : sockets)
    ports_.push_back(std::make_unique<ListenerPort>(*this, plans_.pin(), *current.find_listener(socket.listener),
                                                    std::move(socket.socket)));
  pool_.adopt(current.groups);
  streams_.adopt(current);
  if (plans_.live_plans() > 1) loop_->set_timer(outlive_timer_, outlive_after);
  sweep_ports();
}

void Worker::announce_drain() {
  is_leaving_ = true;
  for (const auto& port : ports_) port->announce_drain();
}

void Worker::drain(Duration patience, bool is_replaced) {
  is_draining_ = true;
  if (plans_.has_plan()) streams_.drain(plans_.current(), is_replaced);
  for (const auto& port : ports_)
    if (!port->is_retired()) port->retire(patience);
  pool_.close_idle();
  on_connection_gone();
}

void Worker::close_all() {
  is_cut_ = true;
  drain();
  for (const auto& port : ports_) port->close_all();
}

void Worker::on_connection_gone() {
  // The port may be on the stack: it goes in a turn of its own.
  const auto is_done = [](const auto& port) { return port->is_retired() && port->is_empty(); };
  if (std::ranges::any_of(ports_, is_done) || (is_draining_ && ports_.empty())) loop_->post([this] { sweep_ports(); });
}

std::size_t Worker::close_idle(std::size_t count, Counter& counter) {
  idle_.clear();
  for (const auto& port : ports_) port->find_idle(idle_);
  count = std::min(count, idle_.size());
  std::ranges::partial_sort(idle_, idle_.begin() + static_cast<std::ptrdiff_t>(count), {},
                            &http::IdleConnection::until);
  for (std::size_t i = 0; i < count; ++i) idle_[i].connection->close_if_idle();
  counter.add(count);
  return count;
}

void Worker::sweep_ports() {
  ports_.remove_if([](const auto& port) { return port->is_retired() && port->is_empty(); });
  if (!is_draining_ || !ports_.empty() || !on_drained_) return;
  // Answers whose last bytes are still on their way out; the streams bound that themselves.
  if (loop_->leaving() > 0 && !is_cut_) return loop_->set_timer(sweep_timer_, std::chrono::milliseconds(10));
  std::exchange(on_drained_, nullptr)();
}

// Most exchanges end soon after a reload. Those that do not are few, and need no plan once their answer is under way.
void Worker::outlive_plans() {
  for (Exchange* const exchange : exchanges_) exchange->outlive_plan(plans_.current());
  if (plans_.live_plans() > 1) loop_->set_timer(outlive_timer_, outlive_after);
}

Exchange& Worker::take_exchange() {
  if (free_ == nullptr) return *exchanges_.emplace_back(new Exchange(*this));
  Exchange& exchange = *free_;
  free_ = exchange.next_free;
  return exchange;
}

void Worker::recycle(Exchange& exchange) {
  exchange.let_plan_go();
  exchange.next_free = free_;
  free_ = &exchange;
}

std::string_view Worker::http_date() {
  constexpr std::size_t length = 29;  // RFC 9110 section 5.6.7: IMF-fixdate
  const auto now = std::chrono::floor<std::chrono::seconds>(loop_->wall_now()).time_since_epoch().count();
  if (now != date_second_) {
    date_second_ = now;
    const std::time_t seconds = now;
    std::tm utc{};
    gmtime_r(&seconds, &utc);
    std::strftime(date_, sizeof date_, "%a, %d %b %Y %H:%M:%S GMT", &utc);
  }
  return {date_, length};
}

}  // namespace sluice::gateway
