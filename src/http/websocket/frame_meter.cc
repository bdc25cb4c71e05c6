#include "http/websocket/frame_meter.h"

#include <algorithm>
#include <cstring>

#include "http/causes.h"

namespace sluice::http::websocket {
namespace {

constexpr unsigned final_bit = 0x80, opcode_bits = 0x0f, mask_bit = 0x80, length_bits = 0x7f;
constexpr unsigned length_in_2_bytes = 126, length_in_8_bytes = 127;
constexpr std::uint64_t most_control_payload = 125;
constexpr unsigned first_control = 8, close_opcode = 8, last_opcode = 10, last_data_opcode = 2;

constexpr Refusal malformed(const char* detail) { return {&websocket_frame_malformed, detail}; }

constexpr std::size_t kind_of(unsigned opcode) {  // FrameCounts
  return opcode < first_control ? opcode : opcode - first_control + 3;
}

}  // namespace

bool FrameMeter::spend(const Allowance& allowance, Spent& spent, Instant now) {
  if (allowance.count == 0) return true;
  const Duration each = allowance.per / static_cast<std::int64_t>(allowance.count);
  const Spent next = std::max(spent, now) + each;
  if (next - now > allowance.per) return false;
  spent = next;
  return true;
}

// How long the header is, as far as what is there of it tells.
std::size_t FrameMeter::header_bytes() const {
  if (header_size_ < 2) return 2;
  const auto second = static_cast<unsigned char>(header_[1]);
  const unsigned length = second & length_bits;
  const std::size_t more = length == length_in_2_bytes ? 2 : length == length_in_8_bytes ? 8 : 0;
  return 2 + more + ((second & mask_bit) != 0 ? 4 : 0);
}

std::uint64_t FrameMeter::payload_bytes() const {
  const unsigned length = static_cast<unsigned char>(header_[1]) & length_bits;
  if (length < length_in_2_bytes) return length;
  std::uint64_t bytes = 0;
  const std::size_t count = length == length_in_2_bytes ? 2 : 8;
  for (std::size_t i = 0; i < count; ++i) bytes = bytes << 8 | static_cast<unsigned char>(header_[2 + i]);
  return bytes;
}

// A frame's header is complete. RFC 6455 section 5.2, 5.4, 5.5.
Refusal FrameMeter::judge(const FrameLimits& limits, FrameCounts& counts, Instant now) {
  const auto first = static_cast<unsigned char>(header_[0]);
  const unsigned opcode = first & opcode_bits;
  const bool is_final = (first & final_bit) != 0;
  const std::uint64_t length = payload_bytes();
  if (((static_cast<unsigned char>(header_[1]) & mask_bit) != 0) != is_masked_)
    return malformed(is_masked_ ? "client frame without a mask" : "server frame with a mask");
  if (length >> 63 != 0) return malformed("frame length of 64 bits");
  if (opcode > last_opcode || (opcode > last_data_opcode && opcode < first_control)) return malformed("reserved opcode");
  if (opcode >= first_control) {
    if (!is_final) return malformed("control frame in fragments");
    if (length > most_control_payload) return malformed("control frame longer than 125 bytes");
    if (!spend(limits.controls, controls_spent_, now)) return {&websocket_too_many_messages, "control frames"};
    has_closed_ |= opcode == close_opcode;
  } else if (const Refusal refusal = judge_data(limits, now, opcode, is_final, length); refusal.cause != nullptr) {
    return refusal;
  }
  counts.frames[kind_of(opcode)].add();
  payload_left_ = length;
  return {nullptr};
}

Refusal FrameMeter::judge_data(const FrameLimits& limits, Instant now, unsigned opcode, bool is_final,
                               std::uint64_t length) {
  const bool begins = opcode != 0;
  if (begins == is_in_message_) return malformed(begins ? "message inside a message" : "fragment of no message");
  if (begins) message_bytes_ = 0;
  if ((begins || length < length_in_2_bytes) && !spend(limits.messages, messages_spent_, now))
    return {&websocket_too_many_messages, "messages"};
  const std::uint64_t most = limits.message_bytes;  // a reload may have lowered it inside a message
  if (most != 0 && (message_bytes_ > most || length > most - message_bytes_)) return {&websocket_message_too_large, ""};
  message_bytes_ += length;
  is_in_message_ = !is_final;
  if (is_final) ++messages_;
  return {nullptr};
}

FrameMeter::Passage FrameMeter::pass(std::string_view bytes, const FrameLimits& limits, FrameCounts& counts,
                                     Instant now, bool ends_at_frame) {
  Passage passage;
  std::size_t at = 0;
  kept_bytes_ = 0;
  while (true) {
    const auto skipped = static_cast<std::size_t>(std::min<std::uint64_t>(payload_left_, bytes.size() - at));
    payload_left_ -= skipped;
    at += skipped;
    if (header_size_ == 0) passage.passed = at;
    if (payload_left_ > 0 || at == bytes.size() || ends_at_frame) return passage;
    const std::uint8_t before = header_size_;  // of a header that began in an earlier piece
    if (before > 0) std::memcpy(kept_.data(), header_.data(), before);
    while (at < bytes.size() && header_size_ < header_bytes()) header_[header_size_++] = bytes[at++];
    if (header_size_ < header_bytes()) return passage;  // the rest of it has yet to come
    if (passage.breach = judge(limits, counts, now); passage.breach.cause != nullptr) return passage;
    if (before > 0) {
      passage.sends_kept = true;
      kept_bytes_ = before;
    }
    header_size_ = 0;
  }
}

CloseFrame close_to_client(std::uint16_t code) {
  return {.bytes = {static_cast<char>(final_bit | close_opcode), 2, static_cast<char>(code >> 8),
                    static_cast<char>(code & 0xff)},
          .size = 4};
}

CloseFrame close_to_server(std::uint16_t code, std::uint32_t mask) {
  std::array<char, 4> key;
  std::memcpy(key.data(), &mask, sizeof mask);
  return {.bytes = {static_cast<char>(final_bit | close_opcode), static_cast<char>(mask_bit | 2), key[0], key[1],
                    key[2], key[3], static_cast<char>(key[0] ^ static_cast<char>(code >> 8)),
                    static_cast<char>(key[1] ^ static_cast<char>(code & 0xff))},
          .size = 8};
}

}  // namespace sluice::http::websocket
