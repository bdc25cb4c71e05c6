#include "upstream/pool.h"

#include <string>
#include <utility>

#include "net/proxy_header.h"

namespace sluice::upstream {
namespace {

constexpr Error too_many_pending{.code = Code::exhausted,
                                 .side = Side::upstream,
                                 .retryable = true,
                                 .what = "too many connections to the endpoint are under way (max_pending)"};

constexpr Error takes_none{.code = Code::unreachable,
                           .side = Side::upstream,
                           .retryable = true,
                           .what = "the endpoint takes no streams on a new connection"};

// As if the client had connected to the endpoint itself.
std::string proxy_header(const Shelf& shelf, const net::Address& client) {
  const auto version = shelf.proxy_protocol == ProxyProtocol::v1 ? net::ProxyVersion::v1 : net::ProxyVersion::v2;
  return net::write_proxy_header(version, client, shelf.endpoint->address());
}

}  // namespace

Pool::Pool(net::Loop& loop, Connector& connector)
    : loop_(loop), connector_(connector), sweep_timer_(net::Timer::of<&Pool::sweep>(this)) {}

Pool::~Pool() = default;

void Pool::adopt(std::span<const std::unique_ptr<const Group>> groups) {
  for (const auto& shelf : shelves_)
    if (shelf != nullptr) shelf->is_kept = false;
  for (const auto& group : groups) {
    for (const Group::Member& member : group->members()) {
      member.endpoint->set_health(group->health());
      member.endpoint->set_max_pending(group->max_pending());
      Shelf& shelf = shelf_of(*member.endpoint);
      shelf.is_kept = true;
      shelf.keep_alive = group->keep_alive();
      const bool is_other_protocol = shelf.protocol != group->protocol();
      const bool is_other_header = shelf.proxy_protocol != group->proxy_protocol();
      shelf.protocol = group->protocol();
      shelf.proxy_protocol = group->proxy_protocol();
      if (is_other_protocol || is_other_header || shelf.tls != group->tls()) {
        shelf.tls = group->tls();
        shelf.speaks_http1 = false;
        shelf.connecting = nullptr;  // nobody joins what is being made under other terms
        empty(shelf);
      }
    }
  }
  for (std::size_t slot = 0; slot < shelves_.size(); ++slot)
    if (shelves_[slot] != nullptr && !shelves_[slot]->is_kept) empty(*shelves_[slot]);
}

void Pool::close_idle() {
  is_draining_ = true;
  for (std::size_t slot = 0; slot < shelves_.size(); ++slot)
    if (shelves_[slot] != nullptr) empty(*shelves_[slot]);
}

Shelf& Pool::shelf_of(Endpoint& endpoint) {
  if (endpoint.slot() >= shelves_.size()) shelves_.resize(endpoint.slot() + 1);
  std::unique_ptr<Shelf>& shelf = shelves_[endpoint.slot()];
  if (shelf == nullptr) shelf.reset(new Shelf{.endpoint = endpoint.shared_from_this()});
  return *shelf;
}

Link& Pool::connect(Shelf& shelf, Protocol protocol, std::string_view first_bytes) {
  if (free_links_.empty()) free_links_.push_back(&links_.emplace_back(*this));
  Link& link = *free_links_.back();
  free_links_.pop_back();
  link.shelf_ = &shelf;
  link.state_ = Link::State::connecting;
  ++shelf.links;
  shelf.endpoint->count_connect();
  counters_.connects.add();
  if (protocol == shelf.protocol && shelf.may_share()) shelf.connecting = &link;
  link.tls_ = shelf.tls;
  link.protocol_ = protocol;
  link.is_told_of_client_ = !first_bytes.empty();
  const Connector::Manner manner{.protocol = protocol, .tls = shelf.tls, .first_bytes = first_bytes};
  link.connection_ = connector_.connect(shelf.endpoint->address(), manner, link);
  return link;
}

Link* Pool::take_idle(Shelf& shelf) {
  while (shelf.newest != nullptr) {
    Link& link = *shelf.newest;
    remove_idle(link);
    Counter* const why = why_close(link);
    if (why == nullptr) {
      link.state_ = Link::State::in_use;
      counters_.reused.add();
      return &link;
    }
    why->add();
    discard(link);
  }
  return nullptr;
}

Link* Pool::take_shared(Shelf& shelf) {
  for (Link* const link : shelf.shared) {
    if (link->connection_->room() == 0 || is_outdated(*link)) continue;
    // An old one is used up, not cut: who is on it stays.
    const KeepAliveConfig& limits = shelf.keep_alive;
    if (limits.max_age.count() > 0 && loop_.now() - link->opened_at_ >= limits.max_age) continue;
    if (std::exchange(link->is_idle_, false)) counters_.idle.subtract();
    counters_.reused.add();
    return link;
  }
  return nullptr;
}

void Pool::share(Link& link) {
  Shelf& shelf = *link.shelf_;
  link.state_ = Link::State::shared;
  link.is_idle_ = false;
  shelf.shared.push_back(&link);
  hand_out(link);
}

// Each of them may do anything, also give up the others' waits.
void Pool::hand_out(Link& link) {
  bool is_first = true;
  while (link.attempt_ != nullptr && link.connection_->room() > 0) {
    Attempt& attempt = *link.take_waiter();
    if (!std::exchange(is_first, false)) counters_.reused.add();
    attempt.events_->on_connection(*link.connection_, false);
  }
  if (link.attempt_ == nullptr) return;
  // A peer that takes none at all would be asked again for ever, and its connection is of no use.
  if (is_first) return refuse_all(link, takes_none);
  if (!link.shelf_->endpoint->begin_pending()) {
    while (Attempt* const attempt = link.take_waiter()) attempt->events_->on_no_connection(too_many_pending);
    return;
  }
  Link& more = connect(*link.shelf_, link.shelf_->protocol);  // the peer allows fewer than had come
  while (Attempt* const attempt = link.take_waiter(false)) more.add_waiter(*attempt);
}

// Discards the link and tells all who waited for it.
void Pool::refuse_all(Link& link, const Error& error) {
  std::vector<Attempt*> waiting;  // off the hot path
  while (Attempt* const attempt = link.take_waiter()) waiting.push_back(attempt);
  discard(link);
  // One that is told may end another, but only by an answer to its own client: none of them is.
  for (Attempt* const attempt : waiting) attempt->events_->on_no_connection(error);
}

void Pool::disperse(Link& link, std::uint32_t stay) {
  Shelf& shelf = *link.shelf_;
  while (link.waiters_ > stay) {
    Attempt& other = stay == 0 ? *link.attempt_ : *link.attempt_->next_;
    link.remove_waiter(other);
    if (shelf.endpoint->begin_pending()) {
      connect_for(shelf, other.client_).add_waiter(other);
    } else {
      other.link_ = nullptr;
      other.timer_.cancel();
      other.events_->on_no_connection(too_many_pending);
    }
  }
}

// For this client alone where the endpoint is told whose connection it is.
Link& Pool::connect_for(Shelf& shelf, const net::Address& client) {
  if (shelf.proxy_protocol == ProxyProtocol::off) return connect(shelf, shelf.protocol);
  return connect(shelf, Protocol::http1, proxy_header(shelf, client));
}

bool Pool::is_outdated(const Link& link) const {
  const Shelf& shelf = *link.shelf_;
  const bool wants_told = shelf.proxy_protocol != ProxyProtocol::off;
  return link.tls_ != shelf.tls || link.protocol_ != shelf.protocol || link.is_told_of_client_ != wants_told;
}

void Pool::put_back_shared(Link& link) {
  Shelf& shelf = *link.shelf_;
  link.idle_since_ = loop_.now();
  Counter* why = why_close(link);
  if (is_draining_ || !shelf.is_kept || is_outdated(link)) why = &counters_.closed_removed;
  if (why == nullptr && shelf.keep_alive.max_idle == 0) why = &counters_.closed_surplus;
  if (why != nullptr) {
    why->add();
    return discard(link);
  }
  if (!std::exchange(link.is_idle_, true)) counters_.idle.add();
  if (!sweep_timer_.is_set()) loop_.set_timer(sweep_timer_, sweep_period);
}

void Pool::put_back(Link& link) {
  Shelf& shelf = *link.shelf_;
  link.idle_since_ = loop_.now();
  Counter* why = why_close(link);
  if (is_draining_ || !shelf.is_kept || is_outdated(link)) why = &counters_.closed_removed;
  const bool is_spent = link.is_told_of_client_ || shelf.keep_alive.max_idle == 0;
  if (why == nullptr && is_spent) why = &counters_.closed_surplus;
  if (why != nullptr) {
    why->add();
    return discard(link);
  }
  push_newest(link);
  if (shelf.idle > shelf.keep_alive.max_idle) {
    counters_.closed_surplus.add();
    discard(*shelf.oldest);
  }
  if (!sweep_timer_.is_set()) loop_.set_timer(sweep_timer_, sweep_period);
}

void Pool::discard(Link& link) {
  if (link.state_ == Link::State::idle) remove_idle(link);
  Shelf& shelf = *std::exchange(link.shelf_, nullptr);
  if (link.state_ == Link::State::shared) std::erase(shelf.shared, &link);
  if (std::exchange(link.is_idle_, false)) counters_.idle.subtract();
  if (shelf.connecting == &link) shelf.connecting = nullptr;
  if (link.state_ != Link::State::connecting) {
    counters_.open.subtract();
  } else {
    shelf.endpoint->end_pending();
  }
  link.connection_.reset();
  link.tls_.reset();
  link.state_ = Link::State::free;
  link.attempt_ = nullptr;
  link.waiters_ = 0;
  free_links_.push_back(&link);
  if (--shelf.links == 0 && !shelf.is_kept) shelves_[shelf.endpoint->slot()].reset();
}

Counter* Pool::why_close(const Link& link) {
  const KeepAliveConfig& limits = link.shelf_->keep_alive;
  const Instant now = loop_.now();
  if (limits.max_age.count() > 0 && now - link.opened_at_ >= limits.max_age) return &counters_.closed_age;
  if (now - link.idle_since_ >= limits.idle_timeout) return &counters_.closed_idle;
  return nullptr;
}

void Pool::push_newest(Link& link) {
  Shelf& shelf = *link.shelf_;
  link.state_ = Link::State::idle;
  link.newer_ = nullptr;
  link.older_ = std::exchange(shelf.newest, &link);
  (link.older_ != nullptr ? link.older_->newer_ : shelf.oldest) = &link;
  ++shelf.idle;
  counters_.idle.add();
}

void Pool::remove_idle(Link& link) {
  Shelf& shelf = *link.shelf_;
  (link.older_ != nullptr ? link.older_->newer_ : shelf.oldest) = link.newer_;
  (link.newer_ != nullptr ? link.newer_->older_ : shelf.newest) = link.older_;
  link.state_ = Link::State::in_use;
  --shelf.idle;
  counters_.idle.subtract();
}

// Closes what is idle. The shelf may be gone afterwards.
void Pool::empty(Shelf& shelf) {
  const std::size_t slot = shelf.endpoint->slot();
  while (shelves_[slot] != nullptr && shelf.oldest != nullptr) {
    counters_.closed_removed.add();
    discard(*shelf.oldest);
  }
  for (std::size_t i = 0; shelves_[slot] != nullptr && i < shelf.shared.size();) {
    if (!shelf.shared[i]->is_idle_) {
      ++i;
      continue;
    }
    counters_.closed_removed.add();
    discard(*shelf.shared[i]);
  }
  if (shelves_[slot] != nullptr && shelf.links == 0 && !shelf.is_kept) shelves_[slot].reset();
}

void Pool::sweep() {
  for (const auto& shelf : shelves_) {
    if (shelf == nullptr) continue;
    for (Link* link = shelf->oldest; link != nullptr;) {
      Link& looked_at = *std::exchange(link, link->newer_);
      Counter* const why = why_close(looked_at);
      if (why == nullptr) continue;
      why->add();
      discard(looked_at);  // a shelf with idle connections is kept: it stays
    }
    for (std::size_t i = 0; i < shelf->shared.size();) {
      Link& shared = *shelf->shared[i];
      Counter* const why = shared.is_idle_ ? why_close(shared) : nullptr;
      if (why == nullptr) {
        ++i;
        continue;
      }
      why->add();
      discard(shared);
    }
  }
  if (counters_.idle.value() > 0) loop_.set_timer(sweep_timer_, sweep_period);
}

// ---- Link
// --------------------------------------------------------------------------------------------------------------

void Link::on_connected(http::UpstreamConnection& connection) {
  state_ = State::in_use;
  shelf_->endpoint->end_pending();
  opened_at_ = pool_.loop_.now();
  pool_.counters_.opened.add();
  pool_.counters_.open.add();
  if (shelf_->connecting == this) shelf_->connecting = nullptr;
  if (protocol_ == Protocol::automatic && !pool_.is_outdated(*this)) shelf_->speaks_http1 = !connection.is_shared();
  if (shelf_->proxy_protocol != ProxyProtocol::off && !is_told_of_client_) {  // it was not wanted when this one began
    pool_.disperse(*this, 0);
    return pool_.put_back(*this);
  }
  if (connection.is_shared()) return pool_.share(*this);
  if (waiters_ > 1) pool_.disperse(*this, 1);
  Attempt* const first = take_waiter();
  first != nullptr ? first->events_->on_connection(connection, false) : pool_.put_back(*this);
}

void Link::on_connect_failed(http::UpstreamConnection&, Error error) {
  pool_.counters_.connect_failures.add();
  // Each endpoint has all local ports to itself: where one has none left, another may.
  error.retryable = error.side != Side::gateway || error.code == Code::unavailable;
  pool_.refuse_all(*this, error);
}

void Link::on_idle(http::UpstreamConnection&) {
  state_ == State::shared ? pool_.put_back_shared(*this) : pool_.put_back(*this);
}

void Link::add_waiter(Attempt& attempt) {
  attempt.link_ = this;
  attempt.next_ = nullptr;
  Attempt** last = &attempt_;
  while (*last != nullptr) last = &(*last)->next_;
  *last = &attempt;
  ++waiters_;
}

void Link::remove_waiter(Attempt& attempt) {
  Attempt** at = &attempt_;
  while (*at != &attempt) at = &(*at)->next_;
  *at = attempt.next_;
  --waiters_;
}

// Null when there is none. `is_over`: it need not wait any more.
Attempt* Link::take_waiter(bool is_over) {
  Attempt* const first = attempt_;
  if (first == nullptr) return nullptr;
  attempt_ = first->next_;
  --waiters_;
  if (!is_over) return first;
  first->link_ = nullptr;
  first->timer_.cancel();
  return first;
}

void Link::on_unusable(http::UpstreamConnection&) {
  if (state_ == State::idle || is_idle_) pool_.counters_.lost.add();
  pool_.discard(*this);
}

// ---- Attempt
// -----------------------------------------------------------------------------------------------------------

void Attempt::start(Pool& pool, Endpoint& endpoint, const Timeouts& timeouts, Wanted wanted, const net::Address& client,
                    AttemptEvents& events) {
  Shelf& shelf = pool.shelf_of(endpoint);
  const bool tells_client = shelf.proxy_protocol != ProxyProtocol::off;
  const bool is_alone = tells_client || (wanted == Wanted::own && shelf.protocol != Protocol::http2);
  if (!is_alone) {
    if (Link* const shared = pool.take_shared(shelf)) return events.on_connection(*shared->connection_, true);
    Link* const idle = wanted == Wanted::any ? pool.take_idle(shelf) : nullptr;
    if (idle != nullptr) return events.on_connection(*idle->connection_, true);
    if (shelf.connecting != nullptr && shelf.connecting->waiters_ < Pool::most_waiters)
      return wait_for(*shelf.connecting, timeouts, client, events);
  }
  if (!endpoint.begin_pending()) return events.on_no_connection(too_many_pending);
  Link& link = is_alone && !tells_client ? pool.connect(shelf, Protocol::http1) : pool.connect_for(shelf, client);
  wait_for(link, timeouts, client, events);
}

void Attempt::wait_for(Link& link, const Timeouts& timeouts, const net::Address& client, AttemptEvents& events) {
  events_ = &events;
  client_ = client;
  link.add_waiter(*this);
  link.pool_.loop_.set_timer(timer_, timeouts.connect);
}

void Attempt::cancel() {
  if (link_ == nullptr) return;
  Link& link = *std::exchange(link_, nullptr);
  timer_.cancel();
  link.remove_waiter(*this);
  if (link.waiters_ > 0 || link.state_ != Link::State::connecting) return;
  link.pool_.counters_.connects_cancelled.add();
  link.pool_.discard(link);
}

void Attempt::on_timeout() {
  Link& link = *std::exchange(link_, nullptr);
  link.remove_waiter(*this);
  if (link.waiters_ == 0) {
    link.pool_.counters_.connect_failures.add();
    link.pool_.discard(link);
  }
  events_->on_no_connection({.code = Code::timed_out,
                             .side = Side::upstream,
                             .retryable = true,
                             .what = "no connection within connect_timeout"});
}

}  // namespace sluice::upstream
