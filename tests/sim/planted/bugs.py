#!/usr/bin/env python3
"""Typical bugs, to be planted into copies of the gateway's sources: proof that the simulator finds such.

    bugs.py --list            the sources that get one, relative to src/
    bugs.py SRC OUT           writes planted copies of them below OUT, and OUT/bugs.cc with the bugs' names

Every bug is one replacement of text that stands exactly once in its file. `PLANTED` in it is true when that bug is the
one chosen at run time. When a source changes so that a text is not found any more, sluice_sim_planted says which and
fails: plant it anew.
"""
import pathlib
import sys

# name, what it is, file, text, replacement
BUGS = [
    ("missing_pin", "an exchange does not hold its plan", "gateway/exchange.cc",
     "  plan_ = std::move(plan);\n",
     "  plan_ = std::move(plan);\n  if (PLANTED) plan_.release();\n"),
    ("reused_after_early_answer", "a connection is pooled though its request was not sent whole", "http/h1/client_connection.cc",
     "is_reusable = has_sent_request_ &&",
     "is_reusable = (has_sent_request_ || PLANTED) &&"),
    ("reused_after_extra_bytes", "a connection is pooled with unread bytes", "http/h1/client_connection.cc",
     "input_.empty() && !has_ended_ &&\n",
     "(input_.empty() || (PLANTED && (input_.clear(), true))) && !has_ended_ &&\n"),
    ("reused_after_close", "`connection: close` of an upstream is not heeded", "http/h1/client_connection.cc",
     "!failure_ && parser_.keep_alive() &&",
     "!failure_ && (parser_.keep_alive() || PLANTED) &&"),
    ("chunk_off_by_one", "a chunk that comes in two pieces is taken for one byte longer", "http/h1/chunked.cc",
     "      chunk_left_ -= piece;\n",
     "      chunk_left_ -= piece - (PLANTED && piece > 1 && chunk_left_ > piece ? 1 : 0);\n"),
    ("lost_wake_up", "an upstream that was held back is not read again", "gateway/exchange_relay.cc",
     "  if (!std::exchange(waits_for_client_, false)) return;\n",
     "  if (!std::exchange(waits_for_client_, false) || PLANTED) return;\n"),
    ("lost_resume", "a client's connection that was paused is not resumed", "http/h1/server_connection.cc",
     "  } else {\n    stream_->resume_reading();\n",
     "  } else if (!PLANTED) {\n    stream_->resume_reading();\n"),
    ("double_credit", "the upstream is pulled, and once more when there is room", "gateway/exchange_relay.cc",
     "  waits_for_client_ = true;\n  client_->want_room();\n",
     "  waits_for_client_ = true;\n  client_->want_room();\n  if (PLANTED) upstream_->pull_body();\n"),
    ("exchange_timer_not_cancelled", "an exchange that is over keeps its timer", "gateway/exchange.cc",
     "void Exchange::finish(End end, const http::FieldList* trailers) {\n  timer_.cancel();\n",
     "void Exchange::finish(End end, const http::FieldList* trailers) {\n  if (!PLANTED) timer_.cancel();\n"),
    ("sweep_never_ends", "a timer is set again though there is nothing to do", "upstream/pool.cc",
     "  if (counters_.idle.value() > 0) loop_",
     "  if (counters_.idle.value() > 0 || PLANTED) loop_"),
    ("retry_of_a_post", "a POST is sent again", "gateway/exchange_attempts.cc",
     "(was_reused_ && http::is_idempotent(view_.request().method));",
     "(was_reused_ && (http::is_idempotent(view_.request().method) || PLANTED));"),
    ("retry_after_body_bytes", "a request is sent again after a part of its body has gone", "gateway/exchange_attempts.cc",
     "(!is_body_begun_ || kept_body_.is_kept());",
     "(!is_body_begun_ || kept_body_.is_kept() || PLANTED);"),
    ("retry_after_answer_bytes", "a failure in the middle of an answer is called safe to retry", "http/h1/client_connection.cc",
     "  error.retryable = received_bytes_ == 0 &&",
     "  error.retryable = (received_bytes_ == 0 || PLANTED) &&"),
    ("lost_byte_on_short_write", "one byte too many is dropped when the system takes only a part", "net/socket_stream.cc",
     "  output_.drop_front(loop_.memory(), count);\n",
     "  output_.drop_front(loop_.memory(), count + (PLANTED && count < output_.size() ? 1 : 0));\n"),
    ("queue_not_drained", "a listener closes with connections in its queue", "net/acceptor.cc",
     "  while (accept_one() == Outcome::accepted) {",
     "  while (!PLANTED && accept_one() == Outcome::accepted) {"),
    ("wrong_length_of_head", "the answer to HEAD announces another length", "http/h1/writer.cc",
     "    writer.number_field(\"content-length\", head.announced_length);",
     "    writer.number_field(\"content-length\", head.announced_length + (PLANTED ? 1 : 0));"),
    ("attempt_not_ended", "an endpoint keeps an attempt in flight that was given up", "gateway/exchange_attempts.cc",
     "  if (endpoint_ != nullptr) end_attempt(outcome, what);\n",
     "  if (endpoint_ != nullptr && !PLANTED) end_attempt(outcome, what);\n"),
    ("old_plan_kept", "a listener that stays is not told of the new plan", "gateway/worker.cc",
     "      port->adopt(plans_.pin(), *listener);",
     "      if (!PLANTED) port->adopt(plans_.pin(), *listener);"),
    ("idle_kept_at_drain", "idle connections to upstreams survive the drain", "gateway/worker.cc",
     "  pool_.close_idle();\n",
     "  if (!PLANTED) pool_.close_idle();\n"),
    ("cut_looks_whole", "an answer that broke off ends with FIN", "http/h1/server_connection.cc",
     "  if (is_dead_) return close(Goodbye::abort);\n  if (std::exchange",
     "  if (is_dead_) return close(PLANTED ? Goodbye::flush_and_close : Goodbye::abort);\n  if (std::exchange"),
    ("no_lingering", "a connection is closed while the client still sends", "net/socket_stream.cc",
     "    if (has_ended_ || dropped_bytes_ > most_lingered_bytes) return close_now();\n",
     "    if (has_ended_ || dropped_bytes_ > most_lingered_bytes || PLANTED) return close_now();\n"),
    ("upload_called_idle", "an upstream that takes bytes slowly is given up", "gateway/exchange_attempts.cc",
     "  if (deadline.cause != &upstream_timeout_request && deadline.cause != &grpc_deadline_exceeded && is_request_moving()) {",
     "  if (deadline.cause != &upstream_timeout_request && deadline.cause != &grpc_deadline_exceeded && !PLANTED &&\n      is_request_moving()) {"),
    ("slow_client_cut", "a client that takes its answers slowly is cut", "http/h1/server_connection.cc",
     "if (!download.renew(",
     "if (PLANTED || !download.renew("),
    ("spinning_timer", "a deadline that has passed is waited for again and again", "gateway/exchange_attempts.cc",
     "  if (deadline.cause == nullptr ||",
     "  if (PLANTED || deadline.cause == nullptr ||"),
    # ---- HTTP/2
    ("stream_credit_forgotten", "the window of a client's stream is not opened again", "http/h2/server_stream.cc",
     "    connection_->session().consume_stream(*this, piece.size());\n",
     "    if (!PLANTED) connection_->session().consume_stream(*this, piece.size());\n"),
    ("connection_credit_forgotten", "the window of a client's connection is not opened again", "http/h2/server_stream.cc",
     "  connection_->session().consume_connection(bytes.size());\n",
     "  if (!PLANTED) connection_->session().consume_connection(bytes.size());\n"),
    ("reset_stream_not_released", "an exchange does not hear that its client has reset the stream", "http/h2/server_connection.cc",
     "  if (is_by_peer) return ours(stream).set_closed(",
     "  if (is_by_peer && PLANTED) return;\n  if (is_by_peer) return ours(stream).set_closed("),
    ("stream_room_not_told", "an upstream that was held back by a stream's window is not read again", "http/h2/server_stream.cc",
     "  if (is_room_wanted_ && output_.empty()) connection_->make_due(*this);\n",
     "  if (is_room_wanted_ && output_.empty() && !PLANTED) connection_->make_due(*this);\n"),
    ("abort_looks_whole", "an answer that broke off ends its stream in the right way", "http/h2/server_stream.cc",
     "  if (state_ != State::exchange) return;\n  give_up(",
     "  if (PLANTED && has_body_ && has_sent_head_ && !is_dead_) left_to_send_ = 0;\n"
     "  if (PLANTED && left_to_send_ == 0 && has_body_) return send_end(nullptr);\n"
     "  if (state_ != State::exchange) return;\n  give_up("),
    ("all_unprocessed_after_goaway", "GOAWAY is taken to say that no stream was processed", "http/h2/client_connection.cc",
     "    if (stream->id() > last_id) stream->set_unprocessed();",
     "    if (stream->id() > last_id || PLANTED) stream->set_unprocessed();"),
    ("goaway_not_heeded", "a connection is used on after the service's GOAWAY", "http/h2/client_connection.cc",
     "  is_leaving_ = true;\n  for (ClientStream* stream",
     "  is_leaving_ = !PLANTED;\n  for (ClientStream* stream"),
    ("reset_answer_taken_for_whole", "a stream that the service reset ends the answer as if it were whole", "http/h2/client_stream.cc",
     "  if (has_last_) return;\n  if (code ==",
     "  has_last_ |= PLANTED && is_head_complete_;\n  if (has_last_) return;\n  if (code =="),
    ("upstream_credit_forgotten", "the window of a service's stream is not opened again", "http/h2/client_stream.cc",
     "    connection_.session().consume_stream(*this, piece.size());\n",
     "    if (!PLANTED) connection_.session().consume_stream(*this, piece.size());\n"),
    # ---- WebSockets
    ("tunnel_byte_before_101", "what the client sends goes to the service before that has accepted", "gateway/exchange_attempts.cc",
     "  if (!is_request_done_) start_request_body();",
     "  if (!is_request_done_ || (PLANTED && view_.request().asks_websocket)) start_request_body();"),
    ("accept_not_checked", "a WebSocket is opened though Sec-WebSocket-Accept is wrong", "http/h1/parser_response.cc",
     "  if (!websocket::is_accepted(",
     "  if (!PLANTED && !websocket::is_accepted("),
    ("reload_closes_all", "every reload closes every WebSocket", "gateway/long_streams.cc",
     "  if (route == nullptr ||",
     "  if (route == nullptr || PLANTED ||"),
    ("reload_closes_none", "a WebSocket stays though its route is gone", "gateway/long_streams.cc",
     "  for (LongStream* const stream : streams_) judge(*stream, plan);",
     "  if (!PLANTED)\n    for (LongStream* const stream : streams_) judge(*stream, plan);"),
    ("close_inside_a_frame", "a Close frame is put into the middle of another frame", "gateway/tunnel.cc",
     "  if (to.knows_end || !from.frames.is_between_frames()) return;",
     "  if (to.knows_end || (!from.frames.is_between_frames() && !PLANTED)) return;"),
    ("tunnel_not_uncounted", "a WebSocket that has ended still counts as one without a plan", "gateway/tunnel.cc",
     "  worker_.count_planless(-1);\n",
     "  if (!PLANTED) worker_.count_planless(-1);\n"),
]


def planted(name, text, bugs, lost):
    """`text` of the file `name` with its bugs; the numbers of those that cannot be planted go to `lost`"""
    for number, old, new in bugs:
        if text.count(old) != 1:
            lost.add(number)
            continue
        text = text.replace(old, new.replace("PLANTED", f"::sluice::is_planted({number})"))
    return f"#include \"bugs.h\"\n#line 1 \"{name}\"\n" + text


def main(source, out):
    by_file = {}
    lost = set()
    for number, (_, _, file, old, new) in enumerate(BUGS, 1):
        by_file.setdefault(file, []).append((number, old, new))
    for file, bugs in by_file.items():
        target = out / file
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(planted(file, (source / file).read_text(), bugs, lost))
    names = "".join(
        f'    {{"{name}", "{what}", "{file}", {str(number not in lost).lower()}}},\n'
        for number, (name, what, file, *_) in enumerate(BUGS, 1))
    (out / "bugs.cc").write_text(
        "// Written by tests/sim/planted/bugs.py.\n"
        f'#include "bugs.h"\nnamespace sluice::sim {{\nconst std::array<PlantedBug, {len(BUGS)}> all_bugs{{{{\n{names}}}}};\n'
        "std::span<const PlantedBug> planted_bugs() { return all_bugs; }\n}  // namespace sluice::sim\n")


if __name__ == "__main__":
    if sys.argv[1:] == ["--list"]:
        print(";".join(sorted({file for _, _, file, *_ in BUGS})), end="")
    else:
        main(pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]))
