#pragma once
// One end of a tunnel over a connection that spoke HTTP/1.1 until it switched protocols: bytes as they are, pulled one
// piece at a time. While nothing waits it holds no block. Belongs to its owner, who deletes it when told that it is
// closed. Only on the worker's thread.

#include "http/exchange.h"
#include "http/h1/input_queue.h"
#include "net/stream.h"

namespace sluice::http::h1 {

class TunnelStream final : public TunnelEnd, private net::StreamHandler {
 public:
  class Owner {
   public:
    virtual void on_tunnel_closed() = 0;  // to be deleted in this call

   protected:
    ~Owner() = default;
  };
  // What the connection knew when it was switched.
  struct Legacy {
    net::StreamPtr stream;
    InputQueue input;  // came behind the head
    std::uint64_t sent_bytes = 0, received_bytes = 0;  // without `input`
    bool has_ended = false;
    bool is_paused = false;
  };
  TunnelStream(Owner& owner, Legacy legacy, TunnelEvents& events);
  TunnelStream(const TunnelStream&) = delete;
  ~TunnelStream() = default;

  void cut();  // for the owner: as if the peer had reset the connection

  // TunnelEnd
  void pull() override;
  void send(net::Buffer bytes) override;
  void send(std::string_view bytes) override;
  void finish() override;
  std::size_t unsent_bytes() const override { return is_dead_ ? 0 : stream_->unsent_bytes(); }
  void want_room() override;
  void close(Goodbye how) override;
  std::uint64_t sent_bytes() const override { return sent_bytes_; }
  std::uint64_t received_bytes() const override { return received_bytes_; }

 private:
  // net::StreamHandler
  void on_data(net::Buffer bytes) override;
  void on_end() override;
  void on_drained() override;
  void on_failed(Error error) override;

  void run();
  bool step();

  Owner& owner_;
  net::StreamPtr stream_;
  InputQueue input_;
  TunnelEvents& events_;
  std::uint64_t sent_bytes_, received_bytes_;
  Error failure_{};  // with is_dead_
  bool is_paused_;
  bool has_ended_;  // the peer sent FIN
  bool is_running_ = false;
  bool has_credit_ = false;
  bool has_told_end_ = false;
  bool is_room_wanted_ = false;
  bool has_room_ = false;
  bool is_dead_ = false;     // nothing can be sent or received any more
  bool has_failed_ = false;  // and that was told
  bool is_over_ = false;     // closed: the owner is told when run() ends
};

}  // namespace sluice::http::h1
