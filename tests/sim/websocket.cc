#include "websocket.h"

#include <openssl/evp.h>
#include <openssl/sha.h>

#include <algorithm>
#include <array>

namespace sluice::sim {
namespace {

constexpr int is_final = 0x80, continuation = 0, binary = 2, reserved = 3, close_frame = 8;
constexpr std::size_t short_bytes = 125, medium_bytes = 65'535;
constexpr std::array<int, 5> codes{WebSocketEnd::normal, 1001, 1002, 1008, 1012};

std::size_t number_of(std::string_view bytes) {
  std::size_t number = 0;
  for (const char byte : bytes) number = number << 8 | static_cast<unsigned char>(byte);
  return number;
}

}  // namespace

std::string accept_of(std::string_view key) {
  const std::string text = std::string(key) + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
  std::array<unsigned char, SHA_DIGEST_LENGTH> digest;
  SHA1(reinterpret_cast<const unsigned char*>(text.data()), text.size(), digest.data());
  std::array<unsigned char, 32> encoded;
  const int size = EVP_EncodeBlock(encoded.data(), digest.data(), static_cast<int>(digest.size()));
  return {reinterpret_cast<const char*>(encoded.data()), static_cast<std::size_t>(size)};
}

WebSocketEnd::WebSocketEnd(Ledger& ledger, const RequestPlan& plan, Side side)
    : ledger_(ledger),
      plan_(plan),
      side_(side),
      is_closer_((side == Side::answer) == plan.is_closed_by_service),
      is_garbage_(side == Side::request ? plan.fault == ClientFault::garbage
                                        : plan.service_fault == ServiceFault::garbage) {
  seen() = {};
  write_messages();
}

Exchange::SocketEnd& WebSocketEnd::seen() const {
  Exchange& it = ledger_.at(plan_.tag);
  return side_ == Side::request ? it.at_client : it.at_service;
}

// One frame a message, of each third message two; where it sends garbage, that stands between two of them.
void WebSocketEnd::write_messages() {
  const auto total = static_cast<std::size_t>(side_ == Side::request ? plan_.body : plan_.answer);
  const auto piece = static_cast<std::size_t>(std::max(side_ == Side::request ? plan_.piece : plan_.answer_piece, 1));
  const auto spoils_at = static_cast<std::size_t>(side_ == Side::request ? plan_.fault_at : plan_.service_fault_at);
  bool is_spoilt = !is_garbage_;
  int number = 0;
  for (std::size_t at = 0; at < total; at += piece) {
    if (!is_spoilt && at >= spoils_at) {
      is_spoilt = true;
      write_frame(is_final | reserved, "no such frame");
    }
    const std::string payload = body_of(plan_.tag, side_, at, std::min(piece, total - at));
    if (++number % 3 != 0 || payload.size() < 2) {
      write_frame(is_final | binary, payload);
    } else {
      write_frame(binary, std::string_view(payload).substr(0, payload.size() / 2));
      write_frame(is_final | continuation, std::string_view(payload).substr(payload.size() / 2));
    }
  }
  if (!is_spoilt) write_frame(is_final | reserved, "no such frame");
}

void WebSocketEnd::write_frame(int first_byte, std::string_view payload) {
  const bool is_masked = side_ == Side::request;
  const int mask_bit = is_masked ? 0x80 : 0;
  output_ += static_cast<char>(first_byte);
  if (payload.size() <= short_bytes) {
    output_ += static_cast<char>(static_cast<int>(payload.size()) | mask_bit);
  } else {
    const bool is_long = payload.size() > medium_bytes;
    output_ += static_cast<char>((is_long ? 127 : 126) | mask_bit);
    for (int shift = is_long ? 56 : 8; shift >= 0; shift -= 8) output_ += static_cast<char>(payload.size() >> shift);
  }
  if (!is_masked) {
    output_ += payload;
    return;
  }
  const std::string mask = body_of(plan_.tag, Side::answer, output_.size(), 4);
  output_ += mask;
  for (std::size_t i = 0; i < payload.size(); ++i) output_ += static_cast<char>(payload[i] ^ mask[i % 4]);
}

void WebSocketEnd::close(int code) {
  if (std::exchange(has_said_close_, true)) return;
  const std::array<char, 2> payload{static_cast<char>(code >> 8), static_cast<char>(code & 255)};
  write_frame(is_final | close_frame, {payload.data(), payload.size()});
}

void WebSocketEnd::feed(std::string_view bytes) {
  input_ += bytes;
  while (read_frame()) {
  }
}

bool WebSocketEnd::read_frame() {
  if (input_.size() < 2) return false;
  const int opcode = input_[0] & 0x0f;
  const bool is_masked = (input_[1] & 0x80) != 0;
  std::size_t length = static_cast<std::size_t>(input_[1] & 0x7f), header = 2;
  const std::size_t more = length == 126 ? 2 : length == 127 ? 8 : 0;
  header += more + (is_masked ? 4 : 0);
  if (input_.size() < header) return false;
  if (more > 0) length = number_of(std::string_view(input_).substr(2, more));
  if (is_masked != (side_ == Side::answer)) ledger_.violate(plan_.tag, "a frame with the wrong mask bit");
  if (opcode != continuation && opcode != binary && opcode != close_frame)
    ledger_.violate(plan_.tag, "a frame that must not pass");
  if (length > medium_bytes) ledger_.violate(plan_.tag, "a frame that nobody sent");
  if (length > medium_bytes || input_.size() < header + length) return false;
  std::string payload = input_.substr(header, length);
  if (is_masked) {
    for (std::size_t i = 0; i < length; ++i) payload[i] = static_cast<char>(payload[i] ^ input_[header - 4 + i % 4]);
  }
  input_.erase(0, header + length);
  if (seen().close != 0) ledger_.violate(plan_.tag, "a frame behind the Close frame");
  if (opcode == close_frame) {
    take_close(payload);
    return true;
  }
  if (payload != body_of(plan_.tag, other(), seen().received, length))
    ledger_.violate(plan_.tag, "a wrong byte in a WebSocket's message");
  seen().received += length;
  if (seen().received > static_cast<std::size_t>(wanted_bytes()))
    ledger_.violate(plan_.tag, "more messages than the other end sent");
  return true;
}

void WebSocketEnd::take_close(std::string_view payload) {
  const int code = payload.size() < 2 ? 0 : static_cast<int>(number_of(payload.substr(0, 2)));
  if (std::ranges::count(codes, code) == 0)
    ledger_.violate(plan_.tag, "a Close frame with the code " + std::to_string(code));
  seen().close = code;
  close(code);  // the same back, as is usual
}

void WebSocketEnd::note_end() {
  if (!is_between_frames()) ledger_.violate(plan_.tag, "a WebSocket ended in the right way inside a frame");
  seen().has_ended = true;
}

}  // namespace sluice::sim
