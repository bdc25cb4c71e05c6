#pragma once
// Work for the end of a loop's turn: when all events were handled and before what was written leaves. Who has something
// to say for many events says it once. Stands inside its owner: no allocation, a few instructions. Only on the loop's
// thread.

#include <utility>

namespace sluice::net {

class TurnEnds;

class TurnEnd {
 public:
  using Function = void (*)(void* context);

  TurnEnd(Function function, void* context) : function_(function), context_(context) {}
  // TurnEnd e{TurnEnd::of<&Owner::on_turn_end>(this)}
  template <auto Method, class Owner>
  static TurnEnd of(Owner* owner) {
    return TurnEnd([](void* context) { (static_cast<Owner*>(context)->*Method)(); }, owner);
  }
  TurnEnd(const TurnEnd&) = delete;
  TurnEnd& operator=(const TurnEnd&) = delete;
  ~TurnEnd() { cancel(); }

  void cancel() {
    if (previous_ == nullptr) return;
    previous_->next_ = next_;
    next_->previous_ = previous_;
    previous_ = next_ = nullptr;
  }
  bool is_asked_for() const { return previous_ != nullptr; }

 private:
  friend class TurnEnds;
  TurnEnd() : function_(nullptr), context_(nullptr) {}

  Function function_;
  void* context_;
  TurnEnd* previous_ = nullptr;
  TurnEnd* next_ = nullptr;
};

// Those that were asked for in this turn, in order. Loops own one.
class TurnEnds {
 public:
  TurnEnds() { clear(asked_); }
  ~TurnEnds() {
    while (asked_.next_ != &asked_) asked_.next_->cancel();
  }
  TurnEnds(const TurnEnds&) = delete;

  bool empty() const { return asked_.next_ == &asked_; }
  void add(TurnEnd& one) {
    if (!one.is_asked_for()) put(one, asked_);
  }
  // Runs each once; what is asked for meanwhile runs in the next turn.
  void run() {
    if (empty()) return;
    TurnEnd batch;
    batch.next_ = std::exchange(asked_.next_, &asked_);
    batch.previous_ = std::exchange(asked_.previous_, &asked_);
    batch.next_->previous_ = batch.previous_->next_ = &batch;
    while (batch.next_ != &batch) {
      TurnEnd& one = *batch.next_;
      one.cancel();
      one.function_(one.context_);
    }
    batch.previous_ = batch.next_ = nullptr;
  }

 private:
  static void clear(TurnEnd& ring) { ring.previous_ = ring.next_ = &ring; }
  static void put(TurnEnd& one, TurnEnd& before) {
    one.previous_ = before.previous_;
    one.next_ = &before;
    before.previous_->next_ = &one;
    before.previous_ = &one;
  }
  TurnEnd asked_;
};

}  // namespace sluice::net
