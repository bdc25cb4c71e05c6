#include "net/tls/der.h"

#include <algorithm>
#include <chrono>

namespace sluice::net::tls {

namespace {

using namespace std::string_view_literals;

constexpr unsigned char tag_integer = 0x02, tag_bits = 0x03, tag_octets = 0x04, tag_oid = 0x06, tag_utc_time = 0x17,
                        tag_general_time = 0x18, tag_sequence = 0x30, tag_set = 0x31;
constexpr unsigned char context(unsigned number) { return static_cast<unsigned char>(0xa0 | number); }
constexpr unsigned char tag_dns_name = 0x82;  // [2] IA5String, primitive

constexpr auto oid_rsa = "\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01"sv, oid_ec = "\x2a\x86\x48\xce\x3d\x02\x01"sv,
               oid_ed25519 = "\x2b\x65\x70"sv, oid_common_name = "\x55\x04\x03"sv, oid_san = "\x55\x1d\x11"sv;
constexpr std::string_view oid_curves[] = {"\x2a\x86\x48\xce\x3d\x03\x01\x07"sv, "\x2b\x81\x04\x00\x22"sv,
                                           "\x2b\x81\x04\x00\x23"sv};  // P-256, P-384, P-521
constexpr std::size_t least_rsa_bytes = 2048 / 8;

struct Element {
  unsigned char tag = 0;
  std::string_view content;
};

// The elements of one value, one after the other. Once something does not fit, nothing more comes.
class Reader {
 public:
  explicit Reader(std::string_view bytes) : rest_(bytes) {}

  std::optional<Element> next() {
    if (rest_.size() < 2) return std::nullopt;
    const auto byte = [&](std::size_t at) { return static_cast<unsigned char>(rest_[at]); };
    std::size_t length = byte(1), head = 2;
    if (length & 0x80) {
      const std::size_t count = length & 0x7f;
      if (count == 0 || count > 4 || rest_.size() < 2 + count) return std::nullopt;
      length = 0;
      for (std::size_t i = 0; i < count; ++i) length = length << 8 | byte(2 + i);
      head += count;
    }
    if (rest_.size() - head < length) return std::nullopt;
    const Element element{byte(0), rest_.substr(head, length)};
    rest_.remove_prefix(head + length);
    return element;
  }
  // The next one, when it has this tag; else nothing is taken.
  std::optional<std::string_view> take(unsigned char tag) {
    if (rest_.empty() || static_cast<unsigned char>(rest_.front()) != tag) return std::nullopt;
    const auto element = next();
    return element ? std::optional(element->content) : std::nullopt;
  }

 private:
  std::string_view rest_;
};

// `YYMMDDHHMMSSZ` or `YYYYMMDDHHMMSSZ` (RFC 5280 section 4.1.2.5).
std::optional<std::int64_t> read_time(const std::optional<Element>& element) {
  if (!element) return std::nullopt;
  std::string_view text = element->content;
  const std::size_t year_digits = element->tag == tag_utc_time ? 2 : element->tag == tag_general_time ? 4 : 0;
  if (year_digits == 0 || text.size() != year_digits + 11 || text.back() != 'Z') return std::nullopt;
  const auto take = [&](std::size_t digits) {
    int value = 0;
    for (std::size_t i = 0; i < digits; ++i) value = value * 10 + (text[i] - '0');
    text.remove_prefix(digits);
    return value;
  };
  if (!std::all_of(text.begin(), text.end() - 1, [](char c) { return c >= '0' && c <= '9'; })) return std::nullopt;
  int year = take(year_digits);
  if (year_digits == 2) year += year < 50 ? 2000 : 1900;
  const auto month = static_cast<unsigned>(take(2)), day = static_cast<unsigned>(take(2));
  const int hour = take(2), minute = take(2), second = take(2);
  const std::chrono::year_month_day date{std::chrono::year(year), std::chrono::month(month), std::chrono::day(day)};
  if (!date.ok() || hour > 23 || minute > 59 || second > 59) return std::nullopt;
  return std::chrono::sys_days(date).time_since_epoch().count() * std::int64_t{86'400} + hour * 3600 + minute * 60 +
         second;
}

// A name that a client can ask for; "" for what is none (row T02: a NUL, a space).
std::string host_name(std::string_view text) {
  std::string name(text);
  for (char& c : name) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c | 0x20);
    const bool is_good = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_';
    if (!is_good && !(c == '*' && &c == name.data() && name.starts_with("*."))) return {};
  }
  return name;
}

void add_name(std::string_view text, std::vector<std::string>& names) {
  if (std::string name = host_name(text); !name.empty()) names.push_back(std::move(name));
}

// True when there are DNS names at all, usable or not: then clients do not look at the subject (RFC 9525 section 6.3).
bool read_alternative_names(std::string_view extensions, std::vector<std::string>& names) {
  bool has_some = false;
  Reader outer(extensions);
  Reader list(outer.take(tag_sequence).value_or(""));
  while (const auto extension = list.take(tag_sequence)) {
    Reader fields(*extension);
    if (fields.take(tag_oid) != oid_san) continue;
    (void)fields.take(0x01);  // critical
    Reader octets(fields.take(tag_octets).value_or(""));
    Reader all(octets.take(tag_sequence).value_or(""));
    while (const auto name = all.next()) {
      if (name->tag != tag_dns_name) continue;
      has_some = true;
      add_name(name->content, names);
    }
  }
  return has_some;
}

void read_common_name(std::string_view subject, std::vector<std::string>& names) {
  Reader sets(subject);
  while (const auto set = sets.take(tag_set)) {
    Reader pairs(*set);
    Reader fields(pairs.take(tag_sequence).value_or(""));
    if (fields.take(tag_oid) != oid_common_name) continue;
    if (const auto value = fields.next()) add_name(value->content, names);
  }
}

// RSAPublicKey: the modulus without its leading zero, and the exponent.
std::optional<std::pair<std::string_view, std::string_view>> read_rsa(std::string_view key, bool is_private) {
  Reader outer(key);
  Reader fields(outer.take(tag_sequence).value_or(""));
  if (is_private) (void)fields.take(tag_integer);  // version
  auto modulus = fields.take(tag_integer);
  const auto exponent = fields.take(tag_integer);
  if (!modulus || !exponent) return std::nullopt;
  while (modulus->starts_with('\0')) modulus->remove_prefix(1);
  return std::pair(*modulus, *exponent);
}

bool read_public_key(std::string_view info, CertificateFacts& facts) {
  Reader fields(info);
  Reader algorithm(fields.take(tag_sequence).value_or(""));
  const auto bits = fields.take(tag_bits);
  const auto oid = algorithm.take(tag_oid);
  if (!bits || bits->empty() || !oid) return false;
  facts.public_key = bits->substr(1);  // the first byte counts unused bits: none
  if (*oid == oid_rsa) {
    facts.key_type = KeyType::rsa;
    const auto key = read_rsa(facts.public_key, false);
    if (!key) return false;
    if (key->first.size() < least_rsa_bytes) facts.fault = "has an RSA key of less than 2048 bits";
  } else if (*oid == oid_ec) {
    facts.key_type = KeyType::ecdsa;
    const auto curve = algorithm.take(tag_oid);
    if (!curve || std::ranges::find(oid_curves, *curve) == std::end(oid_curves))
      facts.fault = "has a key on another curve than P-256, P-384 or P-521";
  } else if (*oid == oid_ed25519) {
    facts.key_type = KeyType::ed25519;
  } else {
    facts.fault = "has a key that is none of ECDSA, RSA and Ed25519";
  }
  return true;
}

}  // namespace

const char* key_type_name(KeyType type) {
  return type == KeyType::ecdsa ? "ecdsa" : type == KeyType::rsa ? "rsa" : "ed25519";
}

std::optional<CertificateFacts> read_certificate(std::string_view der) {
  Reader whole(der);
  Reader outer(whole.take(tag_sequence).value_or(""));
  Reader fields(outer.take(tag_sequence).value_or(""));
  CertificateFacts facts;
  (void)fields.take(context(0));  // version
  if (!fields.take(tag_integer) || !fields.take(tag_sequence) || !fields.take(tag_sequence)) return std::nullopt;
  Reader validity(fields.take(tag_sequence).value_or(""));
  const auto not_before = read_time(validity.next()), not_after = read_time(validity.next());
  const auto subject = fields.take(tag_sequence);
  const auto key = fields.take(tag_sequence);
  if (!not_before || !not_after || !subject || !key || !read_public_key(*key, facts)) return std::nullopt;
  facts.not_before = *not_before;
  facts.not_after = *not_after;
  bool has_names = false;
  while (const auto element = fields.next())
    if (element->tag == context(3)) has_names |= read_alternative_names(element->content, facts.names);
  if (!has_names) read_common_name(*subject, facts.names);
  return facts;
}

std::optional<std::string_view> find_public_key(std::string_view der, KeyType type) {
  // PKCS #8 wraps the key's own form, which may also stand alone.
  Reader whole(der);
  Reader fields(whole.take(tag_sequence).value_or(""));
  std::string_view key = der;
  if (fields.take(tag_integer) && fields.take(tag_sequence)) key = fields.take(tag_octets).value_or("");
  if (type == KeyType::rsa) return read_rsa(key, true) ? std::optional(key) : std::nullopt;
  if (type != KeyType::ecdsa) return std::nullopt;
  Reader outer(key);
  Reader parts(outer.take(tag_sequence).value_or(""));
  if (!parts.take(tag_integer) || !parts.take(tag_octets)) return std::nullopt;
  (void)parts.take(context(0));  // the curve
  Reader tagged(parts.take(context(1)).value_or(""));
  const auto bits = tagged.take(tag_bits);
  return bits && bits->size() > 1 ? std::optional(bits->substr(1)) : std::nullopt;
}

bool is_same_public_key(std::string_view of_certificate, std::string_view of_key, KeyType type) {
  if (type != KeyType::rsa) return of_certificate == of_key;
  const auto public_key = read_rsa(of_certificate, false), own = read_rsa(of_key, true);
  return public_key && own && *public_key == *own;
}

}  // namespace sluice::net::tls
