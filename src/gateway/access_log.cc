#include "gateway/access_log.h"

#include <array>
#include <charconv>
#include <chrono>
#include <cstring>

#include "gateway/access_text.h"

namespace sluice::gateway {
namespace {

enum class Field : std::uint8_t {
  time,
  id,
  listener,
  route,
  upstream,
  endpoint,
  client,
  consumer,
  peer,
  method,
  host,
  path,
  query,
  version,
  scheme,
  tls,
  status,
  cause,
  detail,
  side,
  attempts,
  retry,
  request_bytes,
  response_bytes,
  client_messages,
  upstream_messages,
  duration_us,
  upstream_connect_us,
  upstream_first_byte_us,
  user_agent,
  referer,
  generation
};
constexpr auto fields = std::to_array<AccessField>({
    {"time", "When the first byte of the request came: RFC 3339, UTC, milliseconds."},
    {"id", "Id of the exchange: the same as in problem bodies and in what `request_id` forwards."},
    {"listener", "Name of the listener it came in by."},
    {"route", "Name of the route that matched. Absent when none did."},
    {"upstream", "Name of the upstream chosen. Absent when the gateway answered before choosing one."},
    {"endpoint", "Address of the endpoint tried last: the one that answered, when one did."},
    {"client", "Address of the client: the peer's, or the one that a trusted proxy vouched for (policy `forwarded`)."},
    {"consumer", "Name of the consumer whose credential was shown. Absent when none was, or it is nobody's."},
    {"peer", "Address of the connection's other end. Absent when it is the client."},
    {"method", "Request method."},
    {"host", "Host asked for, in lower case, with the port when one was given."},
    {"path", "Path of the request in canonical form, before any rewrite."},
    {"query",
     "Query of the request without `?`. Values of parameters named like secrets are shown as `***`. Absent when "
     "empty."},
    {"version", "HTTP version of the request."},
    {"scheme", "`https` when the request came over TLS. Absent when it came in the clear."},
    {"tls", "TLS version of the connection. Absent when it is in the clear."},
    {"status", "Status that the client was sent, or 499 when it went away first."},
    {"cause",
     "Why the gateway itself answered, or cut the exchange short: a cause code. Absent when the upstream's answer "
     "passed."},
    {"detail", "Which rule was broken, in words. Absent when the cause says it all."},
    {"side", "Who broke the exchange: `client`, `gateway` or `upstream`. Absent when nobody did."},
    {"attempts",
     "What was tried, in order, at most four: objects of `endpoint`, `outcome` and `waited_us`. Absent when nothing "
     "was."},
    {"retry", "Why a further attempt was or was not made. Absent when the first one succeeded."},
    {"request_bytes", "Bytes of the request as received: its head, its body and their framing."},
    {"response_bytes", "Bytes of the response as sent: its head, its body and their framing."},
    {"client_messages", "Complete messages that the client sent over a WebSocket. Absent when it was none."},
    {"upstream_messages", "Complete messages that the upstream sent over a WebSocket. Absent when it was none."},
    {"duration_us", "Microseconds from the request's first byte to the response's last."},
    {"upstream_connect_us",
     "Microseconds until a new connection to the upstream stood. Absent when a pooled one served."},
    {"upstream_first_byte_us",
     "Microseconds from sending the request upstream to the first byte of its answer. Absent when none came."},
    {"user_agent", "Request field User-Agent. Absent when not sent."},
    {"referer", "Request field Referer; its query is masked like `query`. Absent when not sent."},
    {"generation", "Generation of the plan that the exchange ran under."},
});
static_assert(static_cast<std::size_t>(Field::generation) + 1 == fields.size() && fields.back().name == "generation");

constexpr std::string_view endpoint_key = "{\"endpoint\":";
constexpr std::string_view outcome_key = ",\"outcome\":";
constexpr std::string_view waited_key = ",\"waited_us\":";
constexpr std::size_t number_cap = 20;
constexpr std::size_t attempt_text_cap = 64;  // each of endpoint and outcome

// The most bytes of a field's value once escaped, without quotes. Together they keep any line below most_line_bytes.
constexpr std::size_t cap(Field field) {
  switch (field) {
    case Field::time:
      return 24;
    case Field::id:
    case Field::consumer:
    case Field::listener:
    case Field::route:
    case Field::upstream:
    case Field::retry:
      return 128;
    case Field::endpoint:
    case Field::client:
    case Field::peer:
    case Field::method:
    case Field::cause:
      return 64;
    case Field::host:
    case Field::detail:
      return 256;
    case Field::path:
      return 2048;
    case Field::query:
      return 1536;
    case Field::version:
    case Field::scheme:
    case Field::tls:
    case Field::side:
      return 8;
    case Field::user_agent:
      return 512;
    case Field::referer:
      return 1024;
    case Field::attempts:
      return 2 + most_logged_attempts * (endpoint_key.size() + outcome_key.size() + waited_key.size() + 6 +
                                         2 * attempt_text_cap + number_cap);
    default:
      return number_cap;
  }
}
constexpr std::size_t longest_line = [] {
  std::size_t sum = std::string_view("{}\n").size();
  for (std::size_t i = 0; i < fields.size(); ++i)
    sum += fields[i].name.size() + std::string_view(",\"\":\"\"").size() + cap(static_cast<Field>(i));
  return sum;
}();
static_assert(longest_line <= most_line_bytes);

// `,"name":` at compile time.
template <Field field>
constexpr auto key = [] {
  constexpr std::string_view name = fields[static_cast<std::size_t>(field)].name;
  std::array<char, name.size() + 4> text{};
  std::size_t at = 0;
  text[at++] = ',';
  text[at++] = '"';
  for (const char c : name) text[at++] = c;
  text[at++] = '"';
  text[at++] = ':';
  return text;
}();

// ---- the time

void put_digits(char* to, unsigned value, int digits) {
  while (digits-- > 0) {
    to[digits] = static_cast<char>('0' + value % 10);
    value /= 10;
  }
}

// The date and time to the second, kept because most lines of a worker share it.
struct SecondText {
  std::int64_t second = -1;
  char text[20] = {};  // 2026-11-23T18:02:11.
};
thread_local constinit SecondText last_second;

void render_second(SecondText& out, std::int64_t second) {
  using namespace std::chrono;
  const auto time = sys_seconds(seconds(second));
  const auto day = floor<days>(time);
  const year_month_day date(day);
  const hh_mm_ss clock(time - day);
  std::memcpy(out.text, "0000-00-00T00:00:00.", sizeof out.text);
  put_digits(out.text, static_cast<unsigned>(static_cast<int>(date.year())), 4);
  put_digits(out.text + 5, static_cast<unsigned>(date.month()), 2);
  put_digits(out.text + 8, static_cast<unsigned>(date.day()), 2);
  put_digits(out.text + 11, static_cast<unsigned>(clock.hours().count()), 2);
  put_digits(out.text + 14, static_cast<unsigned>(clock.minutes().count()), 2);
  put_digits(out.text + 17, static_cast<unsigned>(clock.seconds().count()), 2);
  out.second = second;
}

// ---- the line

class Line {
 public:
  explicit Line(char* to) : at_(to) {}

  template <Field field>
  void text(std::string_view value) {
    if (value.empty()) return;
    put_key<field>();
    put_text<cap(field)>(value);
  }
  template <Field field>
  void query(std::string_view value, void (*append)(TextOut&, std::string_view)) {
    if (value.empty()) return;
    put_key<field>();
    *at_++ = '"';
    TextOut out(at_, cap(field));
    append(out, value);
    at_ = out.finish();
    *at_++ = '"';
  }
  template <Field field, class Number>
  void number(Number value) {
    put_key<field>();
    put_number(value);
  }
  template <Field field>
  void count(std::int64_t value) {
    if (value != AccessRecord::absent) number<field>(value);
  }
  void time(WallTime value) {
    const auto whole = std::chrono::floor<std::chrono::seconds>(value);
    SecondText& cached = last_second;
    if (const std::int64_t second = whole.time_since_epoch().count(); cached.second != second)
      render_second(cached, second);
    put_key<Field::time>();
    *at_++ = '"';
    std::memcpy(at_, cached.text, sizeof cached.text);
    at_ += sizeof cached.text;
    put_digits(at_, static_cast<unsigned>(std::chrono::floor<std::chrono::milliseconds>(value - whole).count()), 3);
    at_ += 3;
    *at_++ = 'Z';
    *at_++ = '"';
  }
  void attempts(std::span<const AccessAttempt> all) {
    if (all.empty()) return;
    put_key<Field::attempts>();
    *at_++ = '[';
    bool is_first = true;
    for (const AccessAttempt& attempt : all.first(std::min(all.size(), most_logged_attempts))) {
      if (!is_first) *at_++ = ',';
      is_first = false;
      put(endpoint_key);
      put_text<attempt_text_cap>(attempt.endpoint);
      put(outcome_key);
      put_text<attempt_text_cap>(attempt.outcome);
      put(waited_key);
      put_number(attempt.waited_us);
      *at_++ = '}';
    }
    *at_++ = ']';
  }
  char* finish() {
    *at_++ = '}';
    *at_++ = '\n';
    return at_;
  }

 private:
  template <Field field>
  void put_key() {
    constexpr const auto& text = key<field>;
    std::memcpy(at_, text.data(), text.size());
    at_ += text.size();
  }
  void put(std::string_view text) {
    std::memcpy(at_, text.data(), text.size());
    at_ += text.size();
  }
  template <std::size_t most>
  void put_text(std::string_view value) {
    *at_++ = '"';
    TextOut out(at_, most);
    out.append(value);
    at_ = out.finish();
    *at_++ = '"';
  }
  template <class Number>
  void put_number(Number value) {
    at_ = std::to_chars(at_, at_ + number_cap, value).ptr;
  }

  char* at_;
};

}  // namespace

std::size_t format_access(const AccessRecord& record, char* out) {
  Line line(out);
  line.time(record.time);
  out[0] = '{';  // where the first key's comma was put: `time` is always there
  line.text<Field::id>(record.id);
  line.text<Field::listener>(record.listener);
  line.text<Field::route>(record.route);
  line.text<Field::upstream>(record.upstream);
  line.text<Field::endpoint>(record.endpoint);
  line.text<Field::client>(record.client);
  line.text<Field::consumer>(record.consumer);
  line.text<Field::peer>(record.peer);
  line.text<Field::method>(record.method);
  line.text<Field::host>(record.host);
  line.text<Field::path>(record.path);
  line.query<Field::query>(record.query, append_query);
  line.text<Field::version>(record.version);
  line.text<Field::scheme>(record.scheme);
  line.text<Field::tls>(record.tls);
  line.number<Field::status>(record.status);
  line.text<Field::cause>(record.cause);
  line.text<Field::detail>(record.detail);
  line.text<Field::side>(record.side);
  line.attempts(record.attempts);
  line.text<Field::retry>(record.retry);
  line.number<Field::request_bytes>(record.request_bytes);
  line.number<Field::response_bytes>(record.response_bytes);
  line.count<Field::client_messages>(record.client_messages);
  line.count<Field::upstream_messages>(record.upstream_messages);
  line.number<Field::duration_us>(record.duration_us);
  line.count<Field::upstream_connect_us>(record.upstream_connect_us);
  line.count<Field::upstream_first_byte_us>(record.upstream_first_byte_us);
  line.text<Field::user_agent>(record.user_agent);
  line.query<Field::referer>(record.referer, append_url);
  line.number<Field::generation>(record.generation);
  return static_cast<std::size_t>(line.finish() - out);
}

bool write_access(const AccessRecord& record, ByteRing& ring) {
  char* const line = ring.try_reserve(most_line_bytes);
  if (line == nullptr) return false;
  ring.commit(format_access(record, line));
  return true;
}

std::span<const AccessField> access_log_fields() { return fields; }

std::string_view side_name(Side side) {
  return side == Side::client ? "client" : side == Side::upstream ? "upstream" : "gateway";
}

}  // namespace sluice::gateway
