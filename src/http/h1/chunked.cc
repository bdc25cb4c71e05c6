#include "http/h1/chunked.h"

#include <algorithm>
#include <cstring>
#include <limits>

#include "http/characters.h"
#include "http/h1/framing_fields.h"

namespace sluice::http::h1 {
namespace {

constexpr int most_size_digits = 16;
constexpr const char* extensions_too_large = "chunk extensions larger than their limit";

Error error(Code code, const char* what) { return {code, Side::client, false, what}; }

// RFC 9110 section 5.6.4, between the quotes. Bytes above 0x7f are obs-text.
bool is_quoted_text(char c) { return !is_control(c); }

}  // namespace

void ChunkedDecoder::start(const HeadLimits& limits, Arena& arena) {
  limits_ = &limits;
  arena_ = &arena;
  trailers_ = FieldList();
  chunk_left_ = 0;
  extension_bytes_ = trailer_count_ = 0;
  state_ = State::size;
  digits_ = 0;
}

std::expected<ChunkedDecoder::Decoded, Error> ChunkedDecoder::decode(char* block, std::size_t size) {
  std::size_t at = 0, data_bytes = 0;
  while (at < size && state_ != State::complete) {
    if (state_ == State::data) {
      const auto piece = static_cast<std::size_t>(std::min<std::uint64_t>(chunk_left_, size - at));
      if (data_bytes != at) std::memmove(block + data_bytes, block + at, piece);
      data_bytes += piece;
      at += piece;
      chunk_left_ -= piece;
      if (chunk_left_ == 0) state_ = State::data_cr;
    } else if (state_ == State::trailer_fields) {
      const auto taken = read_trailers({block + at, size - at});
      if (!taken) return std::unexpected(taken.error());
      at += *taken;
    } else if (state_ == State::trailers && block[at] != '\r') {
      state_ = State::trailer_fields;
      text_.start(*arena_);
    } else if (const char* const what = step(block[at++])) {
      return std::unexpected(error(what == extensions_too_large ? Code::too_large : Code::malformed, what));
    }
  }
  return Decoded{data_bytes, at, state_ == State::complete};
}

// One byte of framing. Returns null, or what is wrong.
const char* ChunkedDecoder::step(char c) {
  switch (state_) {
    case State::size:
    case State::size_digits: {
      const int digit = hex_value(c);
      if (digit >= 0) return take_digit(digit);
      return state_ == State::size ? "chunk size is not a hexadecimal number" : end_of_size(c);
    }
    case State::size_lf:
      if (c != '\n') return "CR inside a chunk's line";
      state_ = chunk_left_ > 0 ? State::data : State::trailers;
      return nullptr;
    case State::data_cr:
      if (c != '\r') return "chunk is longer than its size";
      state_ = State::data_lf;
      return nullptr;
    case State::data_lf:
      if (c != '\n') return "chunk is longer than its size";
      state_ = State::size;
      digits_ = 0;
      return nullptr;
    case State::trailers:  // the CR of the empty line
      state_ = State::last_lf;
      return nullptr;
    case State::last_lf:
      if (c != '\n') return "CR inside a line";
      state_ = State::complete;
      return nullptr;
    default:
      return step_extension(c);
  }
}

const char* ChunkedDecoder::take_digit(int digit) {
  if (state_ == State::size) chunk_left_ = 0;
  state_ = State::size_digits;
  if (++digits_ > most_size_digits) return "chunk size has too many digits";
  chunk_left_ = chunk_left_ << 4 | static_cast<std::uint64_t>(digit);
  return nullptr;
}

// The first character behind a size, an extension's name or an extension's value.
const char* ChunkedDecoder::end_of_size(char c) {
  if (chunk_left_ > static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max())) return "chunk size too large";
  if (c == '\r') {
    state_ = State::size_lf;
    return nullptr;
  }
  if (c != ';')
    return state_ == State::size_digits ? "chunk size is not a hexadecimal number" : "broken chunk extension";
  state_ = State::extension_name;
  return ++extension_bytes_ > limits_->chunk_extension_bytes ? extensions_too_large : nullptr;
}

const char* ChunkedDecoder::step_extension(char c) {
  const bool is_token = token_characters.contains(c);
  const bool may_end =
      state_ == State::extension_name_rest || state_ == State::extension_token || state_ == State::extension_end;
  if (may_end && (c == '\r' || c == ';')) return end_of_size(c);
  if (++extension_bytes_ > limits_->chunk_extension_bytes) return extensions_too_large;
  switch (state_) {
    case State::extension_name:
    case State::extension_name_rest:
      if (c == '=' && state_ == State::extension_name_rest) {
        state_ = State::extension_value;
        return nullptr;
      }
      state_ = State::extension_name_rest;
      return is_token ? nullptr : "broken chunk extension";
    case State::extension_value:
      state_ = c == '"' ? State::extension_quoted : State::extension_token;
      return c == '"' || is_token ? nullptr : "broken chunk extension";
    case State::extension_token:
      return is_token ? nullptr : "broken chunk extension";
    case State::extension_quoted:
      if (c == '"') state_ = State::extension_end;
      if (c == '\\') state_ = State::extension_escape;
      return is_quoted_text(c) ? nullptr : "control character in a chunk extension";
    case State::extension_escape:
      state_ = State::extension_quoted;
      return is_quoted_text(c) ? nullptr : "control character in a chunk extension";
    default:
      return "broken chunk extension";
  }
}

// Returns how many bytes of `input` belong to the trailers.
std::expected<std::size_t, Error> ChunkedDecoder::read_trailers(std::string_view input) {
  const TextLimits limits{limits_->field_line_bytes, limits_->trailer_bytes};
  std::size_t taken = 0;
  FieldText field;
  while (taken < input.size()) {
    taken += text_.append(input.substr(taken));
    HeadText::Found found;
    while ((found = text_.next_field(limits, field)) == HeadText::Found::line) {
      if (field.has_underscore) return std::unexpected(error(Code::malformed, "underscore in a trailer's name"));
      if (++trailer_count_ > limits_->fields) return std::unexpected(error(Code::too_large, "too many trailers"));
      const Field trailer{field.name_view(), field.value_view(), field_id(field.name_view())};
      if (!is_forbidden_trailer(trailer)) trailers_.add(*arena_, trailer);
    }
    if (found == HeadText::Found::too_large) return std::unexpected(error(Code::too_large, text_.detail()));
    if (found == HeadText::Found::malformed) return std::unexpected(error(Code::malformed, text_.detail()));
    if (found == HeadText::Found::end) {
      state_ = State::complete;
      return taken - text_.unread().size();
    }
  }
  return taken;
}

}  // namespace sluice::http::h1
